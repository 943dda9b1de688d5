#include "catenary/task/metric.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace catenary::task {
namespace {

using spec::TaskFormat;

constexpr std::array<std::int32_t, 4> kOnes{1, 1, 1, 1};

ItemMetrics measure_classes(std::span<const double> totals, std::int32_t answer_index) {
  const auto ones = std::span(kOnes).first(totals.size());
  return measure(TaskFormat::kClassification, {totals, ones, ones, answer_index});
}

TEST(Metric, equals_a_case_computed_by_hand) {
  // p = 0.2, 0.3, 0.1; answer 0: p/Σ = 1/3, 1/2, 1/6, odds 0.2 / 0.4.
  const std::array p{std::log(0.2), std::log(0.3), std::log(0.1)};
  const ItemMetrics metrics = measure_classes(p, 0);
  EXPECT_EQ(metrics.accuracy, 0);
  EXPECT_NEAR(metrics.loss, std::log(3.0), 1e-12);
  EXPECT_NEAR(metrics.log_odds, std::log(0.5), 1e-12);
  EXPECT_NEAR(metrics.total_probability, 0.6, 1e-12);
  EXPECT_NEAR(metrics.brier, 4.0 / 9 + 1.0 / 4 + 1.0 / 36, 1e-12);
  EXPECT_NEAR(metrics.confidence, 0.5, 1e-12);
  EXPECT_EQ(measure_classes(p, 1).accuracy, 1);
}

TEST(Metric, length_can_turn_the_answer_over) {
  const std::array totals{-4.0, -6.0};
  const std::array<std::int32_t, 2> tokens{1, 2}, bytes{8, 9};
  const ItemMetrics metrics = measure(TaskFormat::kClassification, {totals, tokens, bytes, 1});
  EXPECT_EQ(metrics.accuracy, 0);            // −4 > −6
  EXPECT_EQ(metrics.accuracy_per_token, 1);  // −4 < −3
  EXPECT_EQ(metrics.accuracy_per_byte, 0);   // −1/2 > −2/3
}

TEST(Metric, bytes_leave_out_white_space_before_a_class) {
  const Item item{"p", {" caf\xC3\xA9", "\n no ", " "}, 0};
  EXPECT_EQ(continuation_bytes(TaskFormat::kClassification, item), (std::vector<std::int32_t>{5, 3, 1}));
  const Item two{"p", {" yes", " no"}, 0};
  EXPECT_EQ(continuation_bytes(TaskFormat::kLogodds, two), (std::vector<std::int32_t>{3, 2, 3, 2}));
}

TEST(Metric, logodds_compares_two_prompts) {
  // Odds of class 0: 0.6 / 0.2 after prompt, 0.3 / 0.6 after other_prompt; log 3 − log 1/2 = log 6.
  const std::array totals{std::log(0.6), std::log(0.2), std::log(0.3), std::log(0.6)};
  const ItemMetrics yes = measure(TaskFormat::kLogodds, {totals, kOnes, kOnes, 0});
  EXPECT_NEAR(yes.loss, std::log(6.0), 1e-12);
  EXPECT_EQ(yes.accuracy, 0);  // of other_prompt
  EXPECT_NEAR(yes.total_probability, 0.85, 1e-12);
  EXPECT_NEAR(measure(TaskFormat::kLogodds, {totals, kOnes, kOnes, 1}).loss, -std::log(6.0), 1e-12);
  EXPECT_NEAR(measure(TaskFormat::kAbsoluteLogodds, {totals, kOnes, kOnes, 1}).loss, std::log(6.0), 1e-12);
}

TEST(Metric, what_a_format_does_not_define_is_not_a_number) {
  const std::array total{-3.5};
  const auto one = std::span(kOnes).first(1);
  const ItemMetrics metrics = measure(TaskFormat::kSequenceProb, {total, one, one, 0});
  EXPECT_EQ(metrics.loss, 3.5);
  EXPECT_TRUE(std::isnan(metrics.accuracy));
  EXPECT_TRUE(std::isnan(metrics.brier));
}

TEST(Metric, very_unlikely_classes_do_not_underflow) {
  const ItemMetrics metrics = measure_classes(std::array{-2000.0, -2001.0}, 1);
  EXPECT_NEAR(metrics.loss, 1 + std::log1p(std::exp(-1.0)), 1e-9);
  EXPECT_NEAR(metrics.log_odds, -1, 1e-9);
  EXPECT_EQ(metrics.accuracy, 0);
}

TEST(Metric, of_equal_classes_the_first_counts) {
  EXPECT_EQ(measure_classes(std::array{-1.0, -1.0}, 0).accuracy, 1);
  EXPECT_EQ(measure_classes(std::array{-1.0, -1.0}, 1).accuracy, 0);
}

TEST(Metric, equals_numpy_and_scipy_on_random_items) {
  const auto reference = nlohmann::json::parse(
      std::ifstream(std::filesystem::path(CATENARY_SOURCE_DIR) / "tests/reference/task/metrics.json"));
  for (const auto& item : reference["items"]) {
    const auto totals = item["log_likelihoods"].get<std::vector<double>>();
    const auto tokens = item["num_tokens"].get<std::vector<std::int32_t>>();
    const auto bytes = item["num_bytes"].get<std::vector<std::int32_t>>();
    const auto format = spec::parse_task_format(item["format"].get<std::string>());
    const ItemMetrics ours = measure(format, {totals, tokens, bytes, item["answer_index"].get<std::int32_t>()});
    const std::vector<std::pair<const char*, double>> values{{"accuracy", ours.accuracy},
                                                             {"accuracy_per_token", ours.accuracy_per_token},
                                                             {"accuracy_per_byte", ours.accuracy_per_byte},
                                                             {"log_odds", ours.log_odds},
                                                             {"brier", ours.brier},
                                                             {"confidence", ours.confidence},
                                                             {"loss", ours.loss},
                                                             {"total_probability", ours.total_probability}};
    std::size_t num_compared = 0;
    for (const auto& [name, value] : values) {
      if (!item["metrics"].contains(name)) continue;
      const double expected = item["metrics"][name].get<double>();
      EXPECT_NEAR(value, expected, 1e-12 * std::max(1.0, std::abs(expected))) << name << " of " << item.dump();
      ++num_compared;
    }
    EXPECT_EQ(num_compared, item["metrics"].size());
  }
  EXPECT_EQ(reference["items"].size(), 120u);
  const auto& calibration = reference["calibration"];
  EXPECT_NEAR(calibration_error(calibration["confidence"].get<std::vector<double>>(),
                                calibration["accuracy"].get<std::vector<double>>()),
              calibration["error"].get<double>(), 1e-12);
}

TEST(Metric, calibration_equals_a_case_computed_by_hand) {
  // Bins (0.5, 0.6] with accuracies 1, 0 at 0.55, 0.6 and (0.9, 1] with 1 at 1: 2/3 · |0.5 − 0.575| + 1/3 · 0.
  EXPECT_NEAR(calibration_error(std::array{0.55, 0.6, 1.0}, std::array{1.0, 0.0, 1.0}), 0.05, 1e-12);
}

TEST(Metric, guessing_gets_one_in_the_number_of_classes) {
  EXPECT_NEAR(random_accuracy(std::array<std::int32_t, 3>{2, 4, 4}), (0.5 + 0.25 + 0.25) / 3, 1e-15);
}

TEST(Metric, numbers_are_read_as_the_prize_reads_them) {
  const std::vector<std::pair<const char*, double>> numbers{{" 1,175 ", 1175}, {"2350.", 2350}, {" (42)\nQ: And", 42},
                                                            {"-1.5e3", -1500}, {"+7", 7},       {" 3.25\r", 3.25}};
  for (const auto& [text, value] : numbers) EXPECT_EQ(parse_number(text), value) << text;
  for (const char* text : {"", " ", "about 5", "5 miles", "2 million", "1 175", "\n7", "nan", "inf", "0x10", "-"}) {
    EXPECT_FALSE(parse_number(text)) << text;
  }
}

TEST(Metric, anchoring_is_the_part_of_the_way_to_the_anchor) {
  EXPECT_DOUBLE_EQ(anchoring(2056.25, 2350, 1175), 0.25);
  EXPECT_DOUBLE_EQ(anchoring(3525, 2350, 1175), -1);
  EXPECT_TRUE(std::isnan(anchoring(2000, 2350, 2350)));
  EXPECT_DOUBLE_EQ(relative_error(2115, 2350), 0.1);
  EXPECT_DOUBLE_EQ(relative_error(-3, 0), 3);
}

TEST(Number, an_unparsable_answer_is_wrong_and_has_no_error) {
  const NumberMetrics right = measure_number(" 1,000.\nQ:", 1000, 1500);
  EXPECT_EQ(right.estimate, 1000);
  EXPECT_EQ(right.accuracy, 1);
  EXPECT_EQ(right.relative_error, 0);
  EXPECT_EQ(right.anchoring, 0);
  const NumberMetrics drawn = measure_number("1250", 1000, 1500);
  EXPECT_EQ(drawn.accuracy, 0);
  EXPECT_EQ(drawn.relative_error, 0.25);
  EXPECT_EQ(drawn.anchoring, 0.5);
  const NumberMetrics words = measure_number(" about 1000", 1000, 1500);
  EXPECT_FALSE(words.estimate);
  EXPECT_EQ(words.accuracy, 0);
  EXPECT_TRUE(std::isnan(words.relative_error));
  EXPECT_TRUE(std::isnan(words.anchoring));
  const NumberMetrics no_anchor = measure_number("3", 0, ItemMetrics::kUndefined);
  EXPECT_EQ(no_anchor.relative_error, 3);  // absolute, as the true answer is 0
  EXPECT_TRUE(std::isnan(no_anchor.anchoring));
}

}  // namespace
}  // namespace catenary::task
