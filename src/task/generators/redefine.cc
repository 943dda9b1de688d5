#include <fmt/format.h>

#include "task/generators/generators.h"
#include "task/generators/words.h"

namespace catenary::task {
namespace {

enum Kind { kAny, kNumber, kOperator, kConstant, kUnit };

// A question twice: about something that is redefined, and about a made-up word that is defined in the same way.
struct Question {
  std::string redefinition, definition;
  std::string text, control_text;
  int right = 0;
  int wrong = 0;  // right before the redefinition
};

// An operator of {+, -, x} and its result; the result is never negative.
struct Operator {
  std::string_view sign;
  std::string_view word;
  int (*apply)(int a, int b);
};
constexpr Operator kOperators[] = {{"+", "plus", [](int a, int b) { return a + b; }},
                                   {"-", "minus", [](int a, int b) { return a - b; }},
                                   {"*", "times", [](int a, int b) { return a * b; }}};

Question about_number(Random& random, int largest, const std::string& word) {
  while (true) {
    const int number = random.between(2, largest);
    const int meaning = random.between(2, largest);
    const int other = random.between(2, largest);
    const Operator& op = kOperators[random.coin() ? 0 : 2];
    const int right = op.apply(meaning, other);
    if (other == number || right == number) continue;  // the redefined number is written in one place only
    return {.redefinition = fmt::format("Redefine {} as {}.", number, meaning),
            .definition = fmt::format("Define {} as {}.", word, meaning),
            .text = fmt::format("What is {} {} {}?", number, op.sign, other),
            .control_text = fmt::format("What is {} {} {}?", word, op.sign, other),
            .right = right,
            .wrong = op.apply(number, other)};
  }
}

Question about_operator(Random& random, int largest, const std::string& word) {
  const auto two = random.pick(kOperators, 2);
  int a = random.between(2, largest), b = random.between(2, largest);
  if (a < b) std::swap(a, b);
  return {.redefinition = fmt::format("Redefine {} as \"{}\".", two[0].sign, two[1].word),
          .definition = fmt::format("Define {} as \"{}\".", word, two[1].word),
          .text = fmt::format("What is {} {} {}?", a, two[0].sign, b),
          .control_text = fmt::format("What is {} {} {}?", a, word, b),
          .right = two[1].apply(a, b),
          .wrong = two[0].apply(a, b)};
}

Question about_constant(Random& random, int largest, const std::string& word) {
  struct Constant {
    std::string_view name;
    int first_digit;
  };
  constexpr Constant kConstants[] = {{"pi", 3},
                                     {"Euler's number e", 2},
                                     {"the golden ratio", 1},
                                     {"the square root of 2", 1},
                                     {"the number of days in a leap year", 3},
                                     {"the number of seconds in a minute", 6},
                                     {"the number of degrees in a right angle", 9},
                                     {"the number of squares on a chessboard", 6},
                                     {"the number of keys on a piano", 8},
                                     {"the number of weeks in a year", 5},
                                     {"the number of cards in a full deck without jokers", 5},
                                     {"the number of grams in a kilogram", 1}};
  const Constant& constant = random.pick(kConstants);
  const int meaning = random.between(100, 100 * largest - 1);
  return {.redefinition = fmt::format("Redefine {} as {}.", constant.name, meaning),
          .definition = fmt::format("Define {} as {}.", word, meaning),
          .text = fmt::format("What is the first digit of {}?", constant.name),
          .control_text = fmt::format("What is the first digit of {}?", word),
          .right = std::to_string(meaning)[0] - '0',
          .wrong = constant.first_digit};
}

Question about_unit(Random& random, int largest, const std::string& word) {
  struct Unit {
    std::string_view one, many, parts;
    int num_parts;
  };
  constexpr Unit kUnits[] = {
      {"a minute", "minutes", "seconds", 60},
      {"an hour", "hours", "minutes", 60},
      {"a day", "days", "hours", 24},
      {"a week", "weeks", "days", 7},
      {"a year", "years", "months", 12},
      {"a decade", "decades", "years", 10},
      {"a century", "centuries", "years", 100},
      {"a dozen", "dozens", "pieces", 12},
      {"a foot", "feet", "inches", 12},
      {"a yard", "yards", "feet", 3},
      {"a metre", "metres", "centimetres", 100},
      {"a dollar", "dollars", "cents", 100},
      {"a kilogram", "kilograms", "grams", 1000},
      {"a football team", "football teams", "players on the field", 11},
  };
  const Unit& unit = random.pick(kUnits);
  const int meaning = random.between(2, 5 * largest), count = random.between(2, largest);
  return {.redefinition = fmt::format("Redefine {} as {} {}.", unit.one, meaning, unit.parts),
          .definition = fmt::format("Define a {} as {} {}.", word, meaning, unit.parts),
          .text = fmt::format("How many {} are {} {}?", unit.parts, count, unit.many),
          .control_text = fmt::format("How many {} are {} {}s?", unit.parts, count, word),
          .right = count * meaning,
          .wrong = count * unit.num_parts};
}

Question draw(Random& random, int kind, int largest, const std::string& word) {
  switch (kind) {
    case kNumber:
      return about_number(random, largest, word);
    case kOperator:
      return about_operator(random, largest, word);
    case kConstant:
      return about_constant(random, largest, word);
    default:
      return about_unit(random, largest, word);
  }
}

Twins make(Random& random, const Settings& settings, int answer_index) {
  const std::string word = made_up_word(random);
  const int kind = settings.at("kind") == kAny ? random.between(kNumber, kUnit) : settings.at("kind");
  const Question question = draw(random, kind, settings.at("largest"), word);
  if (question.right == question.wrong) return make(random, settings, answer_index);
  std::string others;
  for (const std::string_view thing : random.pick(kThings, static_cast<std::size_t>(settings.at("others"))))
    others += fmt::format("Redefine \"{}\" as {}. ", thing, random.between(2, 99));
  const auto item = [&](std::string_view definition, std::string_view text) {
    return two_classes(fmt::format("{}{}\nQ: {}\nA:", others, definition, text), std::to_string(question.right),
                       std::to_string(question.wrong), answer_index);
  };
  return {item(question.redefinition, question.text), item(question.definition, question.control_text)};
}

}  // namespace

Generator redefine() {
  return {.task = {.name = "redefine",
                   .cause = Cause::kStrongPrior,
                   .format = "classification",
                   .trend = "inverse (Prize)",
                   .palm_trend = "inverse",
                   .summary = "Reckon with a number, sign, constant or unit that was given a new meaning. Control: a "
                              "made-up word that was given that meaning.",
                   .settings = {{"kind", "0 any, 1 numbers, 2 signs, 3 constants, 4 units", 0, 0, 4},
                                {"largest", "largest number; more is harder", 20, 9, 999},
                                {"others", "other redefinitions before it; more is harder", 0, 0, 5}}},
          .make = make};
}

}  // namespace catenary::task
