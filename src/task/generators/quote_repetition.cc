#include <fmt/format.h>

#include "task/generators/generators.h"
#include "task/generators/quotations.h"

namespace catenary::task {
namespace {

Twins make(Random& random, const Settings& settings, int answer_index) {
  const auto quotations = random.pick(kQuotations, 2);
  const std::string right = fmt::format("{}.", quotations[1].last_word);
  const std::string wrong = fmt::format("{}.", quotations[0].last_word);
  std::string shots = "Repeat each input word for word.\n\n";
  for (int i = 0; i < settings.at("shots"); ++i) {
    const std::string_view last_word = random.pick(kQuotations).last_word;
    shots += fmt::format("Input: {0}\nOutput: {0}\n\n", plain_sentence(random, last_word));
  }
  const auto item = [&](std::string_view lead) {
    return two_classes(fmt::format("{0}Input: {1} {2}\nOutput: {1}", shots, lead, right), right, wrong, answer_index);
  };
  return {item(quotations[0].lead), item(plain_sentence_without_end(random))};
}

}  // namespace

// The form that resisting-correction had in the Prize's first round.
Generator quote_repetition() {
  return {.task = {.name = "quote-repetition",
                   .cause = Cause::kStrongPrior,
                   .format = "classification",
                   .trend = "inverse (Prize, round 1)",
                   .palm_trend = "u_shaped",
                   .summary = "Repeat a well-known quotation whose last word was changed. Control: a sentence that "
                              "nobody knows.",
                   .settings = {{"shots", "repeated sentences before it; more is easier", 2, 0, 8}}},
          .make = make};
}

}  // namespace catenary::task
