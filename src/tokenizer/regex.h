#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct pcre2_real_code_8;  // PCRE2's compiled pattern

namespace catenary::tokenizer {

/// How a pattern is written.
enum class PatternSyntax : std::uint8_t {
  kLiteral,    // the text itself
  kPcre2,      // our own patterns
  kOniguruma,  // what tokenizer.json holds
};

/// A Unicode pattern, compiled by PCRE2. Copies share it; searching is thread-safe.
///
/// Oniguruma patterns are translated where the two libraries mean different things (\s, script names, ^ and $);
/// constructs outside the part of the language that published tokenizers use are refused, so a pattern never silently
/// changes its meaning.
class Regex {
 public:
  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  /// Throws DataError that quotes the pattern and says what is wrong with it.
  Regex(std::string_view pattern, PatternSyntax syntax);

  /// The first match in `text` (valid UTF-8) that starts at `from` or later. What lies before `from` is seen by
  /// lookbehinds. Throws DataError if the search takes more steps or memory than PCRE2 allows.
  std::optional<Match> find(std::string_view text, std::size_t from) const;

  /// The match that starts exactly at `position`.
  std::optional<Match> match_at(std::string_view text, std::size_t position) const;

 private:
  std::optional<Match> search(std::string_view text, std::size_t from, std::uint32_t options) const;

  std::string pattern_;
  std::shared_ptr<const pcre2_real_code_8> code_;
};

}  // namespace catenary::tokenizer
