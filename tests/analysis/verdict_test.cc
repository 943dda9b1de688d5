#include "catenary/analysis/verdict.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>
#include <vector>

namespace catenary::analysis {

void PrintTo(Verdict verdict, std::ostream* out) {
  *out << to_string(verdict);
}

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr auto kHigher = Direction::kHigherIsBetter;
constexpr auto kLower = Direction::kLowerIsBetter;

/// One point a decade from 1e6 on.
std::vector<ScalingPoint> ladder(const std::vector<double>& values, double standard_error = 0.01) {
  std::vector<ScalingPoint> points;
  for (std::size_t i = 0; i < values.size(); ++i)
    points.push_back({std::pow(10.0, 6 + static_cast<double>(i)), values[i], standard_error, 2500});
  return points;
}

Verdict verdict(const std::vector<double>& values, Direction direction = kHigher, double standard_error = 0.01) {
  return judge(ladder(values, standard_error), direction).verdict;
}

TEST(Verdict, clear_curves_and_the_direction_of_the_metric) {
  EXPECT_EQ(verdict({.30, .36, .41, .45, .51, .55}), Verdict::kPositive);
  EXPECT_EQ(verdict({.55, .51, .45, .41, .36, .30}), Verdict::kInverse);
  EXPECT_EQ(verdict({3.4, 3.1, 2.8, 2.6, 2.3, 2.1}, kLower), Verdict::kPositive);
  EXPECT_EQ(verdict({.50, .43, .40, .40, .44, .51}), Verdict::kUShaped);
  EXPECT_EQ(verdict({.50, .57, .60, .60, .56, .49}), Verdict::kInvertedU);
  EXPECT_EQ(verdict({2.5, 2.7, 2.8, 2.8, 2.7, 2.5}, kLower), Verdict::kUShaped);
  EXPECT_EQ(verdict({2.8, 2.6, 2.5, 2.5, 2.6, 2.8}, kLower), Verdict::kInvertedU);
  EXPECT_EQ(verdict({.501, .498, .502, .500, .497, .501}), Verdict::kFlat);
}

TEST(Verdict, flat_needs_precision_enough) {
  EXPECT_EQ(verdict({.501, .498, .502, .500, .497, .501}, kHigher, 0.05), Verdict::kInconclusive);
  EXPECT_EQ(judge(ladder({.501, .498, .502, .500, .497, .501}), kHigher, {.flat_margin = 0.01}).verdict,
            Verdict::kInconclusive);
}

TEST(Verdict, a_sharp_dip_is_a_turn_though_no_parabola_fits) {
  const Judgement sharp = judge(ladder({.50, .05, .30, .60, .80, .90}, 0.02), kHigher);
  EXPECT_EQ(sharp.verdict, Verdict::kUShaped) << sharp.reason;
  ASSERT_TRUE(sharp.smallest_to_extremal && sharp.extremal_to_largest);
  EXPECT_EQ(sharp.smallest_to_extremal->to_scale, 1e7);
  EXPECT_NEAR(sharp.smallest_to_extremal->difference.value, -0.45, 1e-12);
  EXPECT_NEAR(sharp.extremal_to_largest->difference.value, 0.85, 1e-12);
  EXPECT_NEAR(sharp.extremal_to_largest->difference.standard_error, 0.02 * std::sqrt(2.0), 1e-12);
}

TEST(Verdict, saturation_and_emergence_are_no_turns) {
  EXPECT_EQ(verdict({.25, .60, .80, .84, .85, .85}), Verdict::kPositive);
  EXPECT_EQ(verdict({.25, .25, .24, .26, .25, .90}), Verdict::kPositive);
  EXPECT_EQ(verdict({.25, .90, .90, .90, .90, .90}), Verdict::kPositive);
  EXPECT_EQ(verdict({.90, .50, .30, .26, .25, .25}), Verdict::kInverse);
}

TEST(Verdict, what_turns_twice_is_inconclusive) {
  const Judgement twice = judge(ladder({.50, .10, .90, .10, .90, .50}), kHigher);
  EXPECT_EQ(twice.verdict, Verdict::kInconclusive);
  EXPECT_THAT(twice.reason, HasSubstr("more than once"));
}

TEST(Verdict, scatter_beyond_the_items_error_widens_everything) {
  const std::vector<double> zigzag = {.50, .57, .49, .58, .52, .60};
  const Judgement result = judge(ladder(zigzag, 0.005), kHigher);
  EXPECT_EQ(result.verdict, Verdict::kInconclusive) << result.reason;
  EXPECT_GT(result.polynomials[1].scatter, 5);
}

TEST(Verdict, three_sizes_allow_only_large_changes) {
  EXPECT_EQ(verdict({.50, .42, .52}), Verdict::kInconclusive);
  EXPECT_EQ(verdict({.50, .20, .60}), Verdict::kUShaped);
  EXPECT_EQ(verdict({.30, .50, .68}), Verdict::kPositive);
  EXPECT_EQ(verdict({.50, .50, .50}), Verdict::kInconclusive);  // flat, or three points of a larger scatter
}

TEST(Verdict, evidence_describes_the_curve) {
  const Judgement u = judge(ladder({.50, .43, .40, .40, .44, .51}), kHigher);
  EXPECT_EQ(u.num_scales, 6);
  EXPECT_EQ(u.selected, Degree::kParabola);
  EXPECT_GT(u.polynomials[2].akaike_weight, 0.99);
  ASSERT_TRUE(u.turning_point && u.arms && u.slope_per_decade);
  EXPECT_GT(u.turning_point->value, 1e8);
  EXPECT_LT(u.turning_point->value, 1e9);
  EXPECT_LT(u.turning_point->low, u.turning_point->value);
  EXPECT_LT(u.arms->slope_before.high, 0);
  EXPECT_GT(u.arms->slope_after.low, 0);
  EXPECT_LT(u.slope_per_decade->low, 0);
  EXPECT_GT(u.slope_per_decade->high, 0);
  EXPECT_NEAR(u.smallest_to_largest->difference.value, 0.01, 1e-12);
  EXPECT_THAT(u.reason, AllOf(HasSubstr("falls, then rises"), HasSubstr("slope per decade")));

  const Judgement line = judge(ladder({.30, .36, .41, .45, .51, .55}), kHigher);
  EXPECT_FALSE(line.turning_point);
  EXPECT_FALSE(line.smallest_to_extremal);
  EXPECT_NEAR(line.slope_per_decade->value, 0.05, 0.001);
}

TEST(Verdict, the_order_of_points_does_not_matter) {
  std::vector<ScalingPoint> points = ladder({.50, .43, .40, .40, .44, .51});
  const Judgement forward = judge(points, kHigher);
  std::ranges::reverse(points);
  EXPECT_EQ(judge(points, kHigher).reason, forward.reason);
}

TEST(Verdict, too_few_sizes_are_inconclusive_with_what_can_be_said) {
  const Judgement none = judge({}, kHigher);
  EXPECT_EQ(none.verdict, Verdict::kInconclusive);
  EXPECT_THAT(none.polynomials, IsEmpty());
  const Judgement one = judge(ladder({.5}), kHigher);
  EXPECT_EQ(one.verdict, Verdict::kInconclusive);
  EXPECT_NEAR(one.polynomials[0].coefficients[0], 0.5, 1e-12);
  EXPECT_FALSE(one.slope_per_decade);
  const Judgement two = judge(ladder({.1, .9}), kHigher);
  EXPECT_EQ(two.verdict, Verdict::kInconclusive);
  EXPECT_THAT(two.reason, HasSubstr("3 distinct scales, and there are 2"));
  EXPECT_NEAR(two.slope_per_decade->value, 0.8, 1e-12);
}

TEST(Verdict, what_seems_to_turn_is_no_trend_where_a_parabola_that_turns_fits_best) {
  // Each arm is far beyond its items' error, but the models scatter by more than that about any curve.
  const std::vector<ScalingPoint> points{
      {8680, .507, .029, 300},   {12600, .370, .028, 300},  {31100, .323, .027, 300},  {83200, .237, .024, 300},
      {188000, .330, .027, 300}, {360000, .563, .029, 300}, {1690000, .800, .023, 300}};
  const Judgement result = judge(points, kHigher);
  EXPECT_EQ(result.verdict, Verdict::kInconclusive);
  EXPECT_TRUE(seems_to_turn(result));
  EXPECT_GT(result.p_turn, 0.05);
  EXPECT_LT(result.p_turn, 1);
  EXPECT_EQ(result.reason, fmt::format("the point at 83.2K lies below both ends, but no turn is shown (p = "
                                       "{:.2g}), and no monotone trend either",
                                       result.p_turn));
  // A fall that ends in a small rise stays a fall.
  EXPECT_EQ(judge(ladder({.99, .98, .85, .40, .10, .02, .09}), kHigher).verdict, Verdict::kInverse);
}

TEST(Verdict, a_trend_that_seems_to_turn_says_why_it_is_none) {
  const Judgement result = judge(ladder({.40, .31, .52, .60, .72, .80}), kHigher);
  EXPECT_EQ(result.verdict, Verdict::kPositive);
  EXPECT_TRUE(seems_to_turn(result));
  EXPECT_THAT(result.reason, HasSubstr("lies below both ends, but no turn is shown (p = "));
  const Judgement straight = judge(ladder({.30, .36, .41, .45, .51, .55}), kHigher);
  EXPECT_FALSE(seems_to_turn(straight));
  EXPECT_THAT(straight.reason, Not(HasSubstr("turn")));
  const Judgement u = judge(ladder({.50, .43, .40, .40, .44, .51}), kHigher);
  EXPECT_EQ(u.p_turn, u.p_value);
}

TEST(Verdict, where_no_point_is_left_over_there_is_no_interval) {
  const Judgement three = judge(ladder({.50, .53, .48}, 0.05), kHigher);
  EXPECT_EQ(three.verdict, Verdict::kInconclusive);
  EXPECT_THAT(three.reason, Not(HasSubstr("inf")));
}

TEST(Verdict, bad_points_are_named_and_the_rest_is_judged) {
  std::vector<ScalingPoint> points = ladder({.30, .36, .41, .45, .51, .55});
  points.push_back({0, .5, .01, 2500});
  points.push_back({-1e9, .5, .01, 2500});
  points.push_back({1e12, kNan, .01, 2500});
  points.push_back({1e12, 1.0, 0, 2500});
  points.push_back(points[2]);
  points.push_back({1e12, .6, 1e-12, 2500});
  const Judgement result = judge(points, kHigher);
  EXPECT_EQ(result.verdict, Verdict::kPositive);
  EXPECT_EQ(result.num_scales, 6);
  EXPECT_THAT(result.problems, ElementsAre(AllOf(HasSubstr("point 6"), HasSubstr("scale 0"), HasSubstr("positive")),
                                           AllOf(HasSubstr("point 7"), HasSubstr("scale -1e+09")),
                                           AllOf(HasSubstr("point 8"), HasSubstr("nan"), HasSubstr("finite")),
                                           AllOf(HasSubstr("point 9"), HasSubstr("standard error"),
                                                 HasSubstr("proportion_standard_error")),
                                           AllOf(HasSubstr("point 11"), HasSubstr("millionth")),
                                           AllOf(HasSubstr("point 10"), HasSubstr("the same"))));
}

TEST(Verdict, several_points_of_one_scale_are_merged) {
  std::vector<ScalingPoint> points = ladder({.30, .40, .50});
  points.push_back({1e6, .34, .01, 2500});
  const Judgement result = judge(points, kHigher);
  EXPECT_EQ(result.num_scales, 3);
  EXPECT_THAT(result.problems, ElementsAre(AllOf(HasSubstr("point 3"), HasSubstr("merged"))));
  EXPECT_NEAR(result.smallest_to_largest->difference.value, 0.18, 1e-12);
  EXPECT_NEAR(result.smallest_to_largest->difference.standard_error, 0.01 * std::sqrt(1.5), 1e-12);
}

TEST(Verdict, constant_values_are_flat_if_precise) {
  const Judgement result = judge(ladder({.5, .5, .5, .5, .5}), kHigher);
  EXPECT_EQ(result.verdict, Verdict::kFlat);
  EXPECT_EQ(result.selected, Degree::kConstant);
}

TEST(Verdict, names) {
  EXPECT_EQ(to_string(Verdict::kPositive), "positive");
  EXPECT_EQ(to_string(Verdict::kInverse), "inverse");
  EXPECT_EQ(to_string(Verdict::kUShaped), "u_shaped");
  EXPECT_EQ(to_string(Verdict::kInvertedU), "inverted_u");
  EXPECT_EQ(to_string(Verdict::kFlat), "flat");
  EXPECT_EQ(to_string(Verdict::kInconclusive), "inconclusive");
}

TEST(Verdict, shared_items_make_differences_sharper) {
  const std::vector<ScalingPoint> points = ladder({.500, .494, .490, .491, .495, .502}, .01);
  std::vector<double> covariance(36);
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 6; ++j) covariance[6 * i + j] = i == j ? 1e-4 : 0.98e-4;
  EXPECT_NE(judge(points, kHigher).verdict, Verdict::kUShaped);
  const Judgement paired = judge(points, kHigher, {}, covariance);
  EXPECT_EQ(paired.verdict, Verdict::kUShaped) << paired.reason;
  EXPECT_LT(paired.p_value, 0.05);
  // sqrt(2 * 1e-4 - 2 * 0.98e-4)
  EXPECT_NEAR(paired.smallest_to_largest->difference.standard_error, 0.002, 1e-12);
}

}  // namespace
}  // namespace catenary::analysis
