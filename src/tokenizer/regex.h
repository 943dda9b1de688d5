#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tokenizer/unicode.h"

struct pcre2_real_code_8;  // PCRE2's compiled pattern

namespace catenary::tokenizer {

/// How a pattern is written.
enum class PatternSyntax : std::uint8_t {
  kLiteral,    // the text itself
  kPcre2,      // our own patterns
  kOniguruma,  // what tokenizer.json holds
};

/// Inside a class, \w of Rust's regex crate, which Hugging Face uses here and there. (Letters are Alphabetic; newer
/// ones are known as letters alone.)
inline constexpr std::string_view kWordCharacters = R"(\p{Alphabetic}\p{L}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D})";

/// A Unicode pattern, compiled by PCRE2. Copies share it; searching is thread-safe.
///
/// Oniguruma patterns are translated where the two libraries mean different things (\s, script names, ^ and $);
/// constructs outside the part of the language that published tokenizers use are refused, so a pattern never silently
/// changes its meaning. Properties have the characters of Unicode 16, as in tokenizers 0.23.
class Regex {
 public:
  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  /// Throws DataError that quotes the pattern and says what is wrong with it.
  Regex(std::string_view pattern, PatternSyntax syntax);

  /// Searches in one text. Refers to the regex and the text.
  class Search {
   public:
    /// The first match that starts at `from` or later. What lies before `from` is seen by lookbehinds. Throws DataError
    /// if that takes more steps or memory than PCRE2 allows.
    std::optional<Match> find(std::size_t from) const;

   private:
    friend class Regex;
    Search(const Regex& regex, std::string_view text, const pcre2_real_code_8* code)
        : regex_(&regex), text_(text), code_(code) {}

    const Regex* regex_;
    std::string_view text_;
    const pcre2_real_code_8* code_;
  };
  /// `text` is valid UTF-8.
  Search in(std::string_view text) const;

  /// The match that starts exactly at `position` of a text.
  std::optional<Match> match_at(std::string_view text, std::size_t position) const;

 private:
  using Code = std::shared_ptr<const pcre2_real_code_8>;

  Code compile(std::string_view translated, PatternSyntax syntax) const;
  std::optional<Match> search(const pcre2_real_code_8* code, std::string_view text, std::size_t from,
                              std::uint32_t options) const;

  std::string pattern_;
  Code code_;        // with the properties that PCRE2 knows
  Code newer_code_;  // with newer characters as well, slower; the same where that is no difference
};

/// A stretch of a text that a pattern matched, or that lies between two matches.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool is_match = false;
};

/// Calls `sink` with spans that cover `text`. An empty match counts, unless it touches the match before it.
template <class Sink>
void for_each_span(const Regex& regex, std::string_view text, const Sink& sink) {
  const Regex::Search search = regex.in(text);
  std::size_t covered = 0;
  std::size_t from = 0;
  std::optional<std::size_t> last_end;
  while (from <= text.size()) {
    const auto match = search.find(from);
    if (!match) break;
    if (match->begin == match->end && last_end == match->end) {
      from += from < text.size() ? char_length(text, from) : 1;
      continue;
    }
    if (covered < match->begin) sink(Span{covered, match->begin, false});
    sink(Span{match->begin, match->end, true});
    last_end = covered = from = match->end;
  }
  if (covered < text.size()) sink(Span{covered, text.size(), false});
}

}  // namespace catenary::tokenizer
