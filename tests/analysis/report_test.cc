#include "catenary/analysis/report.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "catenary/analysis/paired.h"

namespace catenary::analysis {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// 200 in the suite; CATENARY_NUM_STUDIES asks for more.
const int kNumStudies = std::getenv("CATENARY_NUM_STUDIES") ? std::atoi(std::getenv("CATENARY_NUM_STUDIES")) : 200;

/// Accuracies truth(0 … 1) along three decades from 1e8, on items that all models share; outcomes correlate by 1/3.
Ladder simulate(std::mt19937_64& random, int num_scales, int num_items, const std::function<double(double)>& truth) {
  std::normal_distribution<double> normal;
  Ladder ladder{.task = "t", .condition = "c", .family = "f"};
  ladder.metric = describe_metric("accuracy");
  std::vector<double> shared(num_items), errors;
  for (int i = 0; i < num_items; ++i) {
    shared[i] = normal(random);
    ladder.items.push_back(i);
  }
  for (int m = 0; m < num_scales; ++m) {
    const double x = static_cast<double>(m) / (num_scales - 1), threshold = student_quantile(truth(x), kInfinity);
    Series series{.metric = ladder.metric};
    for (const double item : shared)
      series.values.push_back(std::sqrt(0.5) * (item + normal(random)) < threshold ? 1 : 0);
    summarize(series);
    ladder.values.insert(ladder.values.end(), series.values.begin(), series.values.end());
    errors.push_back(series.standard_error);
    const double scale = std::pow(10.0, 8 + 3 * x);
    ladder.points.push_back({"m", scale, std::nan(""), {scale, series.value, series.standard_error, num_items}});
  }
  ladder.covariance = covariance_of_means(ladder.values, errors);
  return ladder;
}

bool covers(const Estimate& estimate, double truth) {
  return estimate.low <= truth && truth <= estimate.high;
}

TEST(ReportSimulation, turning_points_and_effects_lie_in_their_intervals) {
  std::mt19937_64 random(5);
  std::vector<Ladder> ladders;
  for (int i = 0; i < kNumStudies; ++i)
    ladders.push_back(simulate(random, 6, 500, [](double x) { return 0.4 + 0.15 * std::pow(2 * x - 1, 2); }));
  int num_turns = 0, turn_covered = 0, ends_covered = 0;
  for (const CurveReport& report : make_reports(std::move(ladders), {})) {
    ends_covered += covers(report.judgement.smallest_to_largest->difference, 0);
    if (!report.turning_point) continue;
    ++num_turns;
    turn_covered += covers(*report.turning_point, std::pow(10.0, 9.5));
  }
  fmt::print("turning points covered in {:.1f} % of {}, effects in {:.1f} % of {}\n", 100.0 * turn_covered / num_turns,
             num_turns, 100.0 * ends_covered / kNumStudies, kNumStudies);
  EXPECT_GE(num_turns, 0.9 * kNumStudies);
  EXPECT_GE(turn_covered, 0.92 * num_turns);
  EXPECT_GE(ends_covered, 0.91 * kNumStudies);
}

// A wide U of accuracy, whose parabola is far above 1 a few decades on, and a rise that levels off below 1.
TEST(Report, a_forecast_of_a_fraction_is_one_or_nothing) {
  std::mt19937_64 random(9);
  std::vector<Ladder> ladders;
  ladders.push_back(simulate(random, 9, 2000, [](double x) { return 0.3 + 1.6 * (x - 0.5) * (x - 0.5); }));
  ladders.push_back(simulate(random, 9, 2000, [](double x) { return 1 / (1 + std::exp(-(9 * x - 4))); }));
  const std::vector<double> scales = {1e12, 1e15, 1e20};
  const auto reports = make_reports(std::move(ladders), {.forecast_scales = scales});
  EXPECT_EQ(reports[0].selected, Curve::kQuadratic);
  for (const Forecast& forecast : reports[0].forecasts) EXPECT_TRUE(std::isnan(forecast.predicted.value));
  Ladder without_counts{.task = "t", .condition = "c", .family = "f"};
  without_counts.metric = describe_metric("accuracy");
  for (int i = 0; i < 5; ++i)
    without_counts.points.push_back({"m", 1e6, std::nan(""), {std::pow(10.0, 6 + i), 0.2 + 0.15 * i, 0.01, 0}});
  const auto line = make_reports({without_counts}, {.forecast_scales = scales}).at(0);
  EXPECT_EQ(line.selected, Curve::kLine);
  for (const Forecast& forecast : line.forecasts) EXPECT_TRUE(std::isnan(forecast.predicted.value));
  for (const Forecast& forecast : reports[1].forecasts) {
    EXPECT_GE(forecast.predicted.low, 0.9);
    EXPECT_GE(forecast.predicted.value, forecast.predicted.low);
    EXPECT_GE(forecast.predicted.high, forecast.predicted.value);
    EXPECT_LE(forecast.predicted.high, 1);
  }
}

TEST(ReportSimulation, slopes_lie_in_their_intervals) {
  std::mt19937_64 random(7);
  int covered = 0;
  for (int i = 0; i < kNumStudies; ++i) {
    const Judgement judgement = judge(simulate(random, 6, 500, [](double x) { return 0.3 + 0.3 * x; }));
    covered += covers(*judgement.slope_per_decade, 0.1);
  }
  fmt::print("slopes covered in {:.1f} % of {}\n", 100.0 * covered / kNumStudies, kNumStudies);
  EXPECT_GE(covered, 0.91 * kNumStudies);
}

TEST(ReportSimulation, parameters_and_forecasts_of_a_logistic_lie_in_their_intervals) {
  const auto truth = [](double x) { return 1 / (1 + std::exp(-(-0.5 + 0.7 * (3 * x - 1.5)))); };
  std::mt19937_64 random(6);
  std::vector<Ladder> ladders;
  for (int i = 0; i < kNumStudies; ++i) ladders.push_back(simulate(random, 8, 500, truth));
  int num_selected = 0, h = 0, k = 0, forecasts = 0, held_out = 0;
  for (const CurveReport& report : make_reports(std::move(ladders), {.num_held_out = 2, .forecast_scales = {1e12}})) {
    forecasts += covers(report.forecasts.at(0).predicted, truth(4.0 / 3));
    held_out += covers(report.held_out.at(1).predicted, truth(1));
    if (report.selected != Curve::kLogistic) continue;
    ++num_selected;
    h += covers(report.parameters[0], -0.5);
    k += covers(report.parameters[1], 0.7);
  }
  fmt::print(
      "logistic selected in {:.1f} %; h covered in {:.1f} %, k in {:.1f} %; forecasts in {:.1f} %, two held out in "
      "{:.1f} "
      "%\n",
      100.0 * num_selected / kNumStudies, 100.0 * h / num_selected, 100.0 * k / num_selected,
      100.0 * forecasts / kNumStudies, 100.0 * held_out / kNumStudies);
  EXPECT_GE(h, 0.91 * num_selected);
  EXPECT_GE(k, 0.91 * num_selected);
  EXPECT_GE(forecasts, 0.91 * kNumStudies);
  EXPECT_GE(held_out, 0.91 * kNumStudies);
}

/// `count` models of the ladder as one of its own, half a decade apart.
Ladder part_of(const Ladder& all, int first, int count, const char* condition) {
  Ladder part = all;
  part.condition = condition;
  part.points.assign(all.points.begin() + first, all.points.begin() + first + count);
  for (int i = 0; i < count; ++i) part.points[i].point.scale = std::pow(10.0, 8 + 0.5 * i);
  const std::size_t n = all.items.size();
  part.values.assign(all.values.begin() + first * n, all.values.begin() + (first + count) * n);
  std::vector<double> errors;
  for (const LadderPoint& point : part.points) errors.push_back(point.point.standard_error);
  part.covariance = covariance_of_means(part.values, errors);
  return part;
}

TEST(ReportSimulation, differences_between_conditions_lie_in_their_intervals) {
  // Models 0 to 5 under one condition, 0.40 to 0.65, then the same under another, 0.50 to 0.60.
  const auto truth = [](double x) { return x < 0.5 ? 0.4 + 0.05 * (11 * x) : 0.5 + 0.02 * (11 * x - 6); };
  std::mt19937_64 random(8);
  int mean = 0, slope = 0, smallest = 0;
  for (int i = 0; i < kNumStudies; ++i) {
    const Ladder all = simulate(random, 12, 300, truth);
    const Comparison comparison = compare(part_of(all, 0, 6, "a"), part_of(all, 6, 6, "b"), false, {});
    mean += covers(*comparison.mean, -0.025);
    slope += covers(*comparison.slope, 0.06);
    smallest += covers(comparison.at_each_scale[0], -0.1);
  }
  fmt::print("differences covered in {:.1f} %, their mean in {:.1f} %, their slope in {:.1f} % of {}\n",
             100.0 * smallest / kNumStudies, 100.0 * mean / kNumStudies, 100.0 * slope / kNumStudies, kNumStudies);
  EXPECT_GE(smallest, 0.91 * kNumStudies);
  EXPECT_GE(mean, 0.91 * kNumStudies);
  EXPECT_GE(slope, 0.91 * kNumStudies);
}

TEST(ReportSimulation, what_power_asks_for_settles_an_inconclusive_study) {
  std::mt19937_64 random(9);
  const auto truth = [](double x) { return 0.45 + 0.1 * x; };
  int num_asked = 0, settled_by_items = 0, settled_by_scales = 0;
  for (int i = 0; i < kNumStudies; ++i) {
    const Ladder small = simulate(random, 6, 100, truth);
    const CurveReport report = make_reports({small}, {.num_replicates = 100}).at(0);
    if (!report.power || !report.power->more_items || *report.power->more_items > 5000) continue;
    ++num_asked;
    // The study again, where what was seen is true.
    const Polynomial line = report.judgement.polynomials[1];
    const double from = predict(line, 1e8).value, to = predict(line, 1e11).value;
    const bool is_flat = std::abs(to - from) <= kMargins.flat_margin;
    const auto seen = [&](double x) { return is_flat ? 0.5 * (from + to) : from + (to - from) * x; };
    const auto is_settled = [&](int num_scales, int num_items) {
      return judge(simulate(random, num_scales, num_items, seen)).verdict != Verdict::kInconclusive;
    };
    settled_by_items += is_settled(6, 100 + static_cast<int>(*report.power->more_items));
    settled_by_scales += is_settled(6 + report.power->more_scales, 100);
  }
  fmt::print("settled by more items in {:.1f} %, by more sizes in {:.1f} % of {}\n",
             100.0 * settled_by_items / num_asked, 100.0 * settled_by_scales / num_asked, num_asked);
  EXPECT_GE(settled_by_items, 0.7 * num_asked);
  EXPECT_GE(settled_by_scales, 0.7 * num_asked);
}

TEST(Report, the_items_that_power_asks_for_settle_it) {
  Ladder ladder{.task = "t", .condition = "c", .family = "f"};
  ladder.metric = describe_metric("acc");
  for (int i = 0; i < 6; ++i)
    ladder.points.push_back({"m", 1e6, std::nan(""), {std::pow(10.0, 6 + i), 0.5, 0.05, 100}});
  const CurveReport before = make_reports({ladder}, {}).at(0);
  ASSERT_EQ(before.judgement.verdict, Verdict::kInconclusive);
  ASSERT_TRUE(before.power && before.power->more_items);
  const double n = 100.0 + static_cast<double>(*before.power->more_items);
  EXPECT_GT(n, 200);
  for (LadderPoint& point : ladder.points) point.point.standard_error = 0.05 * std::sqrt(100 / n);
  EXPECT_EQ(make_reports({ladder}, {}).at(0).judgement.verdict, Verdict::kFlat);
}

TEST(Report, a_turn_is_where_the_curve_turns_that_way) {
  // The tight points on the left bend a weighted parabola down and up; what turns is the peak behind them.
  const double scales[] = {8676, 12592, 31072, 83184, 187840, 360096, 1685184};
  const double losses[] = {0.040, 0.025, 0.029, 0.792, 2.474, 1.739, 1.449};
  const double errors[] = {0.003, 0.002, 0.002, 0.061, 0.104, 0.089, 0.074};
  Ladder ladder{.task = "t", .condition = "c", .family = "f"};
  ladder.metric = describe_metric("loss");
  for (int i = 0; i < 7; ++i)
    ladder.points.push_back({"m", scales[i], std::nan(""), {scales[i], losses[i], errors[i], 300}});
  const CurveReport report = make_reports({ladder}, {}).front();
  ASSERT_EQ(report.judgement.verdict, Verdict::kUShaped);
  ASSERT_TRUE(report.turning_point);
  EXPECT_GT(report.turning_point->value, 83184);
  EXPECT_LT(report.turning_point->value, 360096);
}

TEST(Report, p_values_are_adjusted_over_the_curves_of_a_metric) {
  std::mt19937_64 random(1);
  std::vector<Ladder> ladders;
  for (int i = 0; i < 4; ++i) ladders.push_back(simulate(random, 6, 500, [](double x) { return 0.3 + 0.4 * x; }));
  ladders[3].metric = describe_metric("loss");
  const auto reports = make_reports(ladders, {});
  double smallest = 1;
  for (int i = 0; i < 3; ++i) smallest = std::min(smallest, reports[i].judgement.p_value);
  EXPECT_NEAR(std::min({reports[0].p_holm, reports[1].p_holm, reports[2].p_holm}), 3 * smallest, 1e-12);
  EXPECT_EQ(reports[3].p_holm, reports[3].judgement.p_value);
}

TEST(Report, chance_is_the_floor_unless_a_model_lies_below_it) {
  std::mt19937_64 random(2);
  Ladder above = simulate(random, 6, 500, [](double x) { return 0.5 + 0.5 / (1 + std::exp(-8 * (x - 0.5))); });
  above.chance = 0.5;
  Ladder below = simulate(random, 6, 500, [](double x) { return 0.2 + 0.6 * x; });
  below.chance = 0.5;
  const auto floor_of = [](const CurveReport& report) {
    for (const FittedCurve& curve : report.curves)
      if (curve.curve == Curve::kLogistic) return curve.model.floor;
    return std::nan("");
  };
  const auto reports = make_reports({above, below}, {});
  EXPECT_EQ(floor_of(reports[0]), 0.5);
  EXPECT_EQ(reports[0].selected, Curve::kLogistic);
  EXPECT_EQ(floor_of(reports[1]), 0);
  EXPECT_EQ(floor_of(make_reports({above}, {.chance = 0.25}).at(0)), 0.25);
}

}  // namespace
}  // namespace catenary::analysis
