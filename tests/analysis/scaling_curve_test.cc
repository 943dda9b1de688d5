#include "catenary/analysis/scaling_curve.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "catenary/analysis/isotonic.h"
#include "catenary/analysis/paired.h"

namespace catenary::analysis {
namespace {

constexpr ValueModel kFraction{.is_proportion = true};

std::vector<ScalingPoint> points_of(const FittedCurve& truth, int n, double standard_error) {
  std::vector<ScalingPoint> points;
  for (int i = 0; i < n; ++i) {
    const double scale = std::pow(10.0, 7 + 5.0 * i / (n - 1));
    points.push_back({scale, value_at(truth, truth.parameters, scale), standard_error, 1000});
  }
  return points;
}

FittedCurve curve_with(Curve curve, std::vector<double> parameters, ValueModel model = {}) {
  FittedCurve fit{};
  fit.curve = curve;
  fit.model = model;
  fit.center = 9.5;
  fit.parameters = std::move(parameters);
  return fit;
}

TEST(ScalingCurve, parameters_of_exact_points_are_recovered) {
  for (const auto& truth :
       {curve_with(Curve::kConstant, {0.4}), curve_with(Curve::kLine, {2, -0.3}),
        curve_with(Curve::kQuadratic, {0.5, 0.1, 0.05}), curve_with(Curve::kPowerLaw, {1.7, 0.8, 0.35}),
        curve_with(Curve::kLogistic, {0.3, 1.2, -1, 2}), curve_with(Curve::kLogistic, {0.3, 0.8}, kFraction),
        curve_with(Curve::kBrokenOnce, {0.2, 0.5, 0.3, -0.8, 0.1, std::log(0.4)}),
        curve_with(Curve::kBrokenTwice, {0.2, 0.5, 0.3, -0.8, -0.9, std::log(0.3), 0.7, 0.8, std::log(0.3)})}) {
    const FittedCurve fit = fit_curve(points_of(truth, 24, 0.01), truth.curve, truth.model);
    ASSERT_EQ(fit.status, FitStatus::kConverged) << to_string(truth.curve);
    // A proportion's half item moves it a little.
    const double tolerance = truth.model.is_proportion ? 5e-3 : 1e-4;
    for (std::size_t i = 0; i < truth.parameters.size(); ++i)
      EXPECT_NEAR(fit.parameters[i], truth.parameters[i], tolerance) << to_string(truth.curve) << " " << i;
    EXPECT_NEAR(predict(fit, 1e9).value, value_at(truth, truth.parameters, 1e9), tolerance);
  }
}

TEST(ScalingCurve, a_normal_line_is_the_polynomial) {
  const std::vector<ScalingPoint> points = {
      {1e6, .3, .02, 500}, {1e7, .35, .01, 500}, {2e8, .31, .02, 500}, {1e9, .45, .03, 500}};
  const std::vector<double> covariance = {4e-4, 1e-4, 2e-4, 1e-4, 1e-4, 1e-4, 0,    1e-4,
                                          2e-4, 0,    4e-4, 1e-4, 1e-4, 1e-4, 1e-4, 9e-4};
  const FittedCurve fit = fit_curve(points, Curve::kLine, {}, covariance);
  const Polynomial line = fit_polynomial(points, Degree::kLine, covariance);
  for (int i = 0; i < 2; ++i) EXPECT_NEAR(fit.parameters[i], line.coefficients[i], 1e-9);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(fit.covariance[i], line.covariance[i], 1e-12);
  EXPECT_NEAR(fit.deviance, line.chi_square, 1e-8);
  EXPECT_NEAR(predict(fit, 3e8).standard_error, predict(line, 3e8).standard_error, 1e-10);
}

// Losses of a task on which models fall into a trap between the third and the fifth. A projection keeps at most the
// trace of the items' correlations, n, so that n - k of n is the least that may be left of the plain sum of squares.
TEST(ScalingCurve, a_step_that_two_curves_cannot_place_does_not_make_them_the_best) {
  const std::vector<ScalingPoint> points = {
      {8676, .0717, .0064, 300},  {12592, .0336, .0023, 300}, {31072, .0211, .0014, 300}, {83184, .956, .072, 300},
      {187840, 2.473, .102, 300}, {360096, 2.201, .087, 300}, {1685184, 2.12, .077, 300}};
  const auto n = points.size();
  std::vector<double> covariance(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j)
      covariance[i * n + j] = (i == j ? 1 : 0.5) * points[i].standard_error * points[j].standard_error;
  }
  const auto fits = fit_curves(points, {}, covariance);
  int num_converged = 0;
  for (const FittedCurve& fit : fits) {
    if (fit.status != FitStatus::kConverged) continue;
    ++num_converged;
    double sum_squares = 0;
    for (const ScalingPoint& point : points) {
      const double away = (point.value - value_at(fit, fit.parameters, point.scale)) / point.standard_error;
      sum_squares += away * away;
      EXPECT_LT(predict(fit, point.scale).high, 10) << to_string(fit.curve);
    }
    const auto left = static_cast<double>(fit.degrees_of_freedom) / static_cast<double>(n);
    EXPECT_GE(fit.deviance, sum_squares * left * (1 - 1e-9)) << to_string(fit.curve);
  }
  EXPECT_GE(num_converged, 3);
  EXPECT_EQ(select_curve(fits)->curve, Curve::kQuadratic);
}

TEST(ScalingCurve, one_extreme_point_does_not_end_a_proportions_fit) {
  const std::vector<ScalingPoint> points = {
      {1e6, 0, .02, 100}, {1e7, 0, .02, 100}, {1e8, 0.5, .05, 100}, {1e9, 1, .02, 100}, {1e10, 1, .02, 100}};
  const auto fits = fit_curves(points, kFraction);
  ASSERT_NE(select_curve(fits), nullptr);
  EXPECT_EQ(select_curve(fits)->curve, Curve::kLogistic);
}

/// Exact values of the points with noise of their standard errors.
std::vector<ScalingPoint> noisy(std::vector<ScalingPoint> points, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  for (ScalingPoint& point : points) point.value += point.standard_error * normal(random);
  return points;
}

TEST(ScalingCurve, a_broken_power_laws_parameters_lie_in_their_intervals) {
  struct Case {
    FittedCurve truth;
    int num_points, num_studies;
    double standard_error;
  };
  for (const Case& one :
       {Case{curve_with(Curve::kBrokenOnce, {0.2, 0.5, 0.3, -0.8, 0.1, std::log(0.4)}), 24, 200, 0.005},
        Case{curve_with(Curve::kBrokenTwice, {0.2, 0.5, 0.3, -0.8, -0.9, std::log(0.3), 0.7, 0.8, std::log(0.3)}), 40,
             100, 0.002}}) {
    std::mt19937_64 random(7);
    int num_converged = 0;
    const std::size_t k = one.truth.parameters.size();
    std::vector<int> covered(k);
    for (int study = 0; study < one.num_studies; ++study) {
      const FittedCurve fit =
          fit_curve(noisy(points_of(one.truth, one.num_points, one.standard_error), random), one.truth.curve, {});
      if (fit.status != FitStatus::kConverged) continue;
      ++num_converged;
      for (std::size_t i = 0; i < k; ++i) {
        const double error = std::sqrt(fit.covariance[i * (k + 1)]);
        covered[i] += std::abs(fit.parameters[i] - one.truth.parameters[i]) <
                      student_quantile(0.975, fit.degrees_of_freedom) * error;
      }
    }
    EXPECT_GE(num_converged, 0.95 * one.num_studies);
    for (std::size_t i = 0; i < k; ++i) {
      fmt::print("{}, parameter {}: covered in {:.1f} % of {}\n", to_string(one.truth.curve), i,
                 100.0 * covered[i] / num_converged, num_converged);
      EXPECT_GE(covered[i], 0.92 * num_converged);
    }
  }
}

TEST(ScalingCurve, a_refit_is_the_fit_of_the_replicate) {
  std::mt19937_64 random(12);
  for (const auto& truth :
       {curve_with(Curve::kConstant, {0.4}), curve_with(Curve::kLine, {0.5, 0.1}, kFraction),
        curve_with(Curve::kQuadratic, {0.5, 0.1, 0.05}), curve_with(Curve::kPowerLaw, {0.8, -0.1, 0.25}, kFraction),
        curve_with(Curve::kPowerLaw, {1.7, 0.8, 0.35}), curve_with(Curve::kLogistic, {0.3, 1.2, -1, 2}),
        curve_with(Curve::kLogistic, {0.3, 0.8}, kFraction),
        curve_with(Curve::kBrokenOnce, {0.2, 0.5, 0.3, -0.8, 0.1, std::log(0.4)})}) {
    const auto exact = points_of(truth, 12, 0.01);
    const FittedCurve fit = fit_curve(exact, truth.curve, truth.model);
    ASSERT_EQ(fit.status, FitStatus::kConverged) << to_string(truth.curve);
    int num_equal = 0;
    for (int replicate = 0; replicate < 20; ++replicate) {
      std::vector<double> values;
      const auto points = noisy(exact, random);
      for (const ScalingPoint& point : points) values.push_back(point.value);
      const std::vector<double> refit = refit_curve(fit, exact, values);
      const FittedCurve expected = fit_curve(points, truth.curve, truth.model);
      // In standard errors: a refit ends where a step is shorter than a hundredth of one.
      const std::size_t k = fit.parameters.size();
      bool is_equal = expected.status == FitStatus::kConverged;
      for (std::size_t i = 0; is_equal && i < k; ++i)
        is_equal = std::abs(refit[i] - expected.parameters[i]) < 0.02 * std::sqrt(expected.covariance[i * (k + 1)]);
      num_equal += is_equal;
    }
    EXPECT_GE(num_equal, 19) << to_string(truth.curve);
  }
}

TEST(Isotonic, pools_as_by_hand_and_turns_once) {
  const std::vector<ScalingPoint> points = {{1, 1, 1, 1}, {2, 3, 1, 1}, {3, 2, 1, 1}, {4, 4, 1, 1}};
  const ShapeFit up = fit_shape(points, Shape::kUp);
  EXPECT_EQ(up.values, (std::vector<double>{1, 2.5, 2.5, 4}));
  EXPECT_DOUBLE_EQ(up.chi_square, 0.5);
  EXPECT_EQ(up.num_levels, 3);
  const std::vector<ScalingPoint> valley = {{1, 5, 1, 1}, {2, 2, 1, 1}, {3, 1, 1, 1}, {4, 4, 1, 1}};
  const ShapeFit turn = fit_shape(valley, Shape::kDownUp);
  EXPECT_EQ(turn.chi_square, 0);
  EXPECT_EQ(turn.turn_index, 2u);
  EXPECT_EQ(fit_shape(valley, Shape::kUpDown).values, fit_shape(valley, Shape::kDown).values);
}

TEST(Paired, covariance_and_bootstrap_agree_and_see_the_pairing) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  constexpr int kItems = 400;
  std::vector<double> values(3 * kItems);
  for (int i = 0; i < kItems; ++i) {
    const double shared = normal(random);
    values[i] = shared + normal(random);
    values[kItems + i] = shared + normal(random);
    values[2 * kItems + i] = values[i] + 1;  // the same model, shifted
  }
  std::vector<double> errors;
  for (int model = 0; model < 3; ++model)
    errors.push_back(mean_standard_error(std::span(values).subspan(model * kItems, kItems)));
  const std::vector<double> covariance = covariance_of_means(values, errors);
  EXPECT_NEAR(covariance[2], covariance[0], 1e-15);
  EXPECT_NEAR(covariance[1] / covariance[0], 0.5, 0.1);

  constexpr int kReplicates = 4000;
  const std::vector<double> means = bootstrap_means(values, 3, kReplicates, 1);
  std::vector<double> difference, first;
  for (int r = 0; r < kReplicates; ++r) {
    difference.push_back(means[3 * r + 1] - means[3 * r]);
    first.push_back(means[3 * r]);
    EXPECT_NEAR(means[3 * r + 2] - means[3 * r], 1, 1e-12);
  }
  const double expected = std::sqrt(covariance[0] + covariance[4] - 2 * covariance[1]);
  EXPECT_NEAR(percentile_interval(0, difference).standard_error / expected, 1, 0.05);
  EXPECT_NEAR(percentile_interval(0, first).standard_error / errors[0], 1, 0.05);
  const std::vector<double> again = bootstrap_means(values, 3, 10, 1);
  for (std::size_t i = 0; i < again.size(); ++i) EXPECT_NEAR(again[i], means[i], 1e-12);
}

}  // namespace
}  // namespace catenary::analysis
