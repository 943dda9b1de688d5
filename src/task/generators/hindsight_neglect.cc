#include <fmt/format.h>

#include <cstdlib>

#include "task/generators/generators.h"
#include "task/generators/words.h"

namespace catenary::task {
namespace {

struct Bet {
  std::string_view name;
  int percent_to_win = 0;
  int win = 0;   // dollars
  int loss = 0;  // dollars
  bool loss_first = false;

  int expected_cents() const { return percent_to_win * win - (100 - percent_to_win) * loss; }
  bool good() const { return expected_cents() > 0; }
};

Bet draw_bet(Random& random, bool good, int margin_dollars) {
  while (true) {
    const Bet bet{.name = random.pick(kNames),
                  .percent_to_win = random.between(5, 95),
                  .win = random.between(5, 300),
                  .loss = random.between(5, 300),
                  .loss_first = random.coin()};
    if (bet.good() == good && std::abs(bet.expected_cents()) >= 100 * margin_dollars) return bet;
  }
}

std::string question(const Bet& bet, bool won) {
  const std::string win = fmt::format("a chance of {} percent to win {} dollars", bet.percent_to_win, bet.win);
  const std::string loss = fmt::format("a chance of {} percent to lose {} dollars", 100 - bet.percent_to_win, bet.loss);
  return fmt::format(
      "Question: {0} is offered a bet with {1} and {2}. {0} takes the bet and {3} {4} dollars. Going by the chances, "
      "was it right to take the bet? Choose Y or N.\nAnswer:",
      bet.name, bet.loss_first ? loss : win, bet.loss_first ? win : loss, won ? "wins" : "loses",
      won ? bet.win : bet.loss);
}

Twins make(Random& random, const Settings& settings, int answer_index) {
  const int margin = settings.at("margin");
  std::vector<int> good_shots;  // half of them are 1
  for (int i = 0; i < settings.at("shots"); ++i) good_shots.push_back(i % 2);
  random.shuffle(good_shots);
  // Trap: good bets win and bad ones lose. Control: every second good bet and every second bad one ends the other way.
  std::string shots, control_shots;
  int num_seen[2] = {0, 0};
  for (const int good : good_shots) {
    const Bet bet = draw_bet(random, good == 1, margin);
    const bool flipped = num_seen[good]++ % 2 == 1;
    const std::string_view answer = bet.good() ? " Y\n\n" : " N\n\n";
    shots.append(question(bet, bet.good())).append(answer);
    control_shots.append(question(bet, bet.good() != flipped)).append(answer);
  }
  const bool good = answer_index == 0;
  const std::string last = question(draw_bet(random, good, margin), !good);
  const auto item = [&](const std::string& before) {
    return two_classes(before + last, good ? "Y" : "N", good ? "N" : "Y", answer_index);
  };
  return {item(shots), item(control_shots)};
}

}  // namespace

Generator hindsight_neglect() {
  return {
      .task = {.name = "hindsight-neglect",
               .cause = Cause::kSpuriousFewShot,
               .format = "classification",
               .trend = "inverse (Prize); GPT-4 reverses it (OpenAI 2023)",
               .palm_trend = "u_shaped",
               .summary = "Was a bet right, whatever came of it? In the exemplars right bets win and wrong ones "
                          "lose; in the question it is the other way. Control: exemplars in which half do.",
               .settings = {{"shots", "exemplars", 10, 4, 20},
                            {"margin", "least gain or loss to be expected, in dollars; more is easier", 10, 1, 100}}},
      .make = make};
}

}  // namespace catenary::task
