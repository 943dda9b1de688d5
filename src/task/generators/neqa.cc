#include <fmt/format.h>

#include "task/generators/facts.h"
#include "task/generators/generators.h"

namespace catenary::task {
namespace {

// What is asked with "is" or "is not" in the place of {}, what holds, and what does not.
struct Question {
  std::string text;
  std::string_view holds;
  std::string_view fails;
};

Question about_category(Random& random, bool close) {
  while (true) {
    const Category& asked = random.pick(categories());
    const Category& other = random.pick(categories());
    if (&asked == &other || (close && asked.realm != other.realm)) continue;
    const std::string_view holds = random.pick(asked.members);
    return {fmt::format("Which of these {{}} {}?", asked.name), holds, random.pick(other.members)};
  }
}

Question about_capital(Random& random) {
  const auto two = random.pick(capitals(), 2);
  return {fmt::format("Which of these cities {{}} the capital of {}?", two[0].country), two[0].city, two[1].city};
}

Question about_opposite(Random& random) {
  const auto two = random.pick(opposites(), 2);
  const bool other_way = random.coin();
  const std::string_view holds = other_way ? two[0].one : two[0].other;
  return {fmt::format("Which of these words {{}} the opposite of \"{}\"?", other_way ? two[0].other : two[0].one),
          holds, random.coin() ? two[1].one : two[1].other};
}

Twins make(Random& random, const Settings& settings, int answer_index) {
  const int kind = random.between(0, 3);  // categories are most of what there is
  const Question question = kind == 0   ? about_capital(random)
                            : kind == 1 ? about_opposite(random)
                                        : about_category(random, settings.at("close") == 1);
  const bool letters = settings.at("letters") == 1;
  const auto text = [&](std::string_view verb) { return fmt::format(fmt::runtime(question.text), verb); };
  return {two_options(text("is not"), question.fails, question.holds, answer_index, letters),
          two_options(text("is"), question.holds, question.fails, 1 - answer_index, letters)};
}

}  // namespace

Generator neqa() {
  return {
      .task = {.name = "neqa",
               .cause = Cause::kDistractorTask,
               .format = "classification",
               .trend = "inverse (Prize); inverse, u_shaped or positive by prompt and family (Zhang et al. 2023)",
               .palm_trend = "u_shaped",
               .summary = "A question with \"not\" in it. Control: the question without \"not\".",
               .settings = {{"close", "1: options that are alike, as a bird and a fish; harder", 0, 0, 1}, kLetters}},
      .make = make};
}

}  // namespace catenary::task
