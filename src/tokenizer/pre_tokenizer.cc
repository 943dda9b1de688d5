#include "tokenizer/pre_tokenizer.h"

#include <string>

#include "tokenizer/unicode.h"

namespace catenary::tokenizer {
namespace {

// A stretch of the text that a pattern matched, or that lies between two matches.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool is_match = false;
};

// Calls `sink` with spans that cover `text`. An empty match counts, unless it touches the match before it.
template <class Sink>
void for_each_span(const Regex& regex, std::string_view text, const Sink& sink) {
  std::size_t covered = 0;
  std::size_t from = 0;
  std::optional<std::size_t> last_end;
  while (from <= text.size()) {
    const auto match = regex.find(text, from);
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

// Does `span` become one piece with `previous`?
bool joins(SplitBehavior behavior, const Span& previous, const Span& span) {
  switch (behavior) {
    case SplitBehavior::kContiguous:
      return previous.is_match == span.is_match;
    case SplitBehavior::kMergedWithPrevious:
      return !previous.is_match && span.is_match;
    case SplitBehavior::kMergedWithNext:
      return previous.is_match && !span.is_match;
    case SplitBehavior::kRemoved:
    case SplitBehavior::kIsolated:
      break;
  }
  return false;
}

}  // namespace

PreTokenizer::PreTokenizer(std::span<const PreTokenizerStep> steps) {
  for (const PreTokenizerStep& step : steps) {
    if (const auto* split = std::get_if<SplitStep>(&step)) {
      steps_.emplace_back(Split{Regex(split->pattern, split->syntax), split->behavior, split->invert});
    } else {
      steps_.emplace_back(PrefixSpaceStep{});
    }
  }
}

void PreTokenizer::run(std::size_t step, std::string_view text, const Sink& sink) const {
  if (text.empty()) return;
  if (step == steps_.size()) {
    sink(text);
  } else if (std::holds_alternative<Split>(steps_[step])) {
    run_split(step, text, sink);
  } else if (text.front() == ' ') {
    run(step + 1, text, sink);
  } else {
    run(step + 1, std::string(" ").append(text), sink);
  }
}

void PreTokenizer::run_split(std::size_t step, std::string_view text, const Sink& sink) const {
  const auto& [regex, behavior, invert] = std::get<Split>(steps_[step]);
  std::optional<Span> last;     // the span before
  std::size_t piece_begin = 0;  // of the piece that ends with it
  const auto flush = [&] {
    if (!last || (last->is_match && behavior == SplitBehavior::kRemoved)) return;
    run(step + 1, text.substr(piece_begin, last->end - piece_begin), sink);
  };
  for_each_span(regex, text, [&](Span span) {
    span.is_match ^= invert;
    if (!last || !joins(behavior, *last, span)) {
      flush();
      piece_begin = span.begin;
    }
    last = span;
  });
  flush();
}

}  // namespace catenary::tokenizer
