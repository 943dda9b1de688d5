#include "tokenizer/normalizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "catenary/base/error.h"
#include "tokenizer/overloaded.h"
#include "tokenizer/unicode.h"

namespace catenary::tokenizer {
namespace {

// Of a compatibility form one character becomes at most eleven times its bytes; a tokenizer that makes more is a trap.
constexpr std::size_t kMostGrowth = 100, kFewestBytes = 10'000;

struct Limit {
  std::size_t num_bytes;

  void check(std::size_t size) const {
    if (size <= num_bytes) return;
    throw DataError(fmt::format("the tokenizer's normalizer makes more than {} times as much of a text", kMostGrowth));
  }
};

std::string replace_matches(std::string_view text, const ReplaceStep& step, const Regex& regex, Limit limit) {
  std::string out;
  for_each_span(regex, text, [&](const Span& span) {
    limit.check(out.size());
    if (span.is_match) out += step.content;
    if (!span.is_match || step.keep_match) out.append(text, span.begin, span.end - span.begin);
    if (span.is_match && step.keep_match) out += step.content;
  });
  return out;
}

std::string replace_all(std::string_view text, std::string_view pattern, std::string_view content, Limit limit) {
  std::string out;
  std::size_t done = 0;
  for (std::size_t at; (at = text.find(pattern, done)) != std::string_view::npos; done = at + pattern.size()) {
    limit.check(out.size());
    out.append(text, done, at - done).append(content);
  }
  return out.append(text, done);
}

}  // namespace

std::string replace_all(std::string_view text, std::string_view pattern, std::string_view content) {
  return replace_all(text, pattern, content, {std::string_view::npos});
}

Normalizer::Normalizer(std::span<const NormalizerStep> steps) {
  for (const NormalizerStep& step : steps) {
    std::visit(Overloaded{[&](const ReplaceStep& replace) {
                            steps_.emplace_back(Replace{replace, Regex(replace.pattern, replace.syntax)});
                          },
                          [&](const auto& other) { steps_.emplace_back(other); }},
               step);
  }
}

std::string Normalizer::operator()(std::string_view input) const {
  std::string text(input);
  const Limit limit{std::max(kFewestBytes, kMostGrowth * input.size())};
  for (const auto& step : steps_) {
    if (text.empty()) break;
    text = std::visit(Overloaded{[&](UnicodeForm form) { return normalize(text, form); },
                                 [&](const Replace& replace) {
                                   return replace.step.syntax == PatternSyntax::kLiteral
                                              ? replace_all(text, replace.step.pattern, replace.step.content, limit)
                                              : replace_matches(text, replace.step, replace.regex, limit);
                                 },
                                 [&](const PrependStep& prepend) { return prepend.text + text; },
                                 [&](LowercaseStep) { return lowercase(text); }},
                      step);
    limit.check(text.size());
  }
  return text;
}

}  // namespace catenary::tokenizer
