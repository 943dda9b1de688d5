#include "tokenizer/normalizer.h"

#include "tokenizer/overloaded.h"
#include "tokenizer/unicode.h"

namespace catenary::tokenizer {
namespace {

std::string replace_matches(std::string_view text, const ReplaceStep& step, const Regex& regex) {
  std::string out;
  for_each_span(regex, text, [&](const Span& span) {
    if (span.is_match) out += step.content;
    if (!span.is_match || step.keep_match) out.append(text, span.begin, span.end - span.begin);
    if (span.is_match && step.keep_match) out += step.content;
  });
  return out;
}

}  // namespace

std::string replace_all(std::string_view text, std::string_view pattern, std::string_view content) {
  std::string out;
  std::size_t done = 0;
  for (std::size_t at; (at = text.find(pattern, done)) != std::string_view::npos; done = at + pattern.size()) {
    out.append(text, done, at - done).append(content);
  }
  return out.append(text, done);
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
  for (const auto& step : steps_) {
    if (text.empty()) break;
    text = std::visit(Overloaded{[&](UnicodeForm form) { return normalize(text, form); },
                                 [&](const Replace& replace) {
                                   return replace.step.syntax == PatternSyntax::kLiteral
                                              ? replace_all(text, replace.step.pattern, replace.step.content)
                                              : replace_matches(text, replace.step, replace.regex);
                                 },
                                 [&](const PrependStep& prepend) { return prepend.text + text; },
                                 [&](LowercaseStep) { return lowercase(text); }},
                      step);
  }
  return text;
}

}  // namespace catenary::tokenizer
