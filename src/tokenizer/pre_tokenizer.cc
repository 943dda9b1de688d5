#include "tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <string>

#include "tokenizer/byte_level.h"
#include "tokenizer/overloaded.h"

namespace catenary::tokenizer {
namespace {

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
    std::visit(
        Overloaded{[&](const SplitStep& split) {
                     steps_.emplace_back(Split{Regex(split.pattern, split.syntax), split.behavior, split.invert});
                   },
                   [&](const auto& other) { steps_.emplace_back(other); }},
        step);
    if (std::holds_alternative<ByteCharsStep>(step)) has_byte_chars_ = true;
  }
}

void PreTokenizer::run(std::size_t step, std::string_view text, bool is_start, const Sink& sink) const {
  if (text.empty()) return;
  if (step == steps_.size()) return has_byte_chars_ ? sink(*byte_level_decode(text)) : sink(text);
  std::visit(Overloaded{[&](const Split&) { run_split(step, text, is_start, sink); },
                        [&](const MetaspaceStep&) { run_metaspace(step, text, is_start, sink); },
                        [&](ByteCharsStep) { run(step + 1, byte_level_encode(text), is_start, sink); },
                        [&](PrefixSpaceStep) {
                          if (text.front() == ' ') return run(step + 1, text, is_start, sink);
                          run(step + 1, std::string(" ").append(text), is_start, sink);
                        }},
             steps_[step]);
}

void PreTokenizer::run_split(std::size_t step, std::string_view text, bool is_start, const Sink& sink) const {
  const auto& [regex, behavior, invert] = std::get<Split>(steps_[step]);
  std::optional<Span> last;     // the span before
  std::size_t piece_begin = 0;  // of the piece that ends with it
  const auto flush = [&] {
    if (!last || (last->is_match && behavior == SplitBehavior::kRemoved)) return;
    run(step + 1, text.substr(piece_begin, last->end - piece_begin), is_start && piece_begin == 0, sink);
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

void PreTokenizer::run_metaspace(std::size_t step, std::string_view text, bool is_start, const Sink& sink) const {
  const auto& [replacement, prepend, split] = std::get<MetaspaceStep>(steps_[step]);
  std::string marked;
  marked.reserve(text.size() * 5 / 4);
  const bool may_prepend =
      prepend == MetaspaceStep::Prepend::kAlways || (prepend == MetaspaceStep::Prepend::kFirst && is_start);
  if (may_prepend && text.front() != ' ' && !text.starts_with(replacement)) marked = replacement;
  for (const char byte : text) {
    if (byte == ' ') {
      marked += replacement;
    } else {
      marked += byte;
    }
  }
  std::string_view rest = marked;
  while (split && !rest.empty()) {
    const std::size_t end = std::min(rest.find(replacement, 1), rest.size());
    run(step + 1, rest.substr(0, end), is_start && rest.size() == marked.size(), sink);
    rest.remove_prefix(end);
  }
  run(step + 1, rest, is_start, sink);
}

}  // namespace catenary::tokenizer
