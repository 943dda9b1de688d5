#include "catenary/analysis/least_squares.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace catenary::analysis {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Digits to which `value` agrees with a certified one (log relative error).
double matching_digits(double value, double certified) {
  return -std::log10(std::max(std::abs(value - certified) / std::abs(certified), 1e-16));
}

/// NIST certifies unweighted fits, whose covariance is scaled by chi^2 / degrees of freedom.
double scaled_standard_error(const LeastSquaresFit& fit, int j) {
  const int k = static_cast<int>(fit.coefficients.size());
  return std::sqrt(fit.covariance[j * k + j] * fit.chi_square / fit.degrees_of_freedom);
}

LeastSquaresFit solve_unweighted(const std::vector<double>& design, int num_columns,
                                 const std::vector<double>& values) {
  return solve_least_squares(design, num_columns, values, std::vector<double>(values.size(), 1.0));
}

// NIST Statistical Reference Datasets, linear regression: data and certified values, public domain.
TEST(LeastSquares, norris_to_twelve_digits) {
  const std::vector<std::array<double, 2>> y_x = {
      {0.1, 0.2},     {338.8, 337.4}, {118.1, 118.2}, {888.0, 884.6}, {9.2, 10.1},    {228.1, 226.5},
      {668.5, 666.3}, {998.5, 996.3}, {449.1, 448.6}, {778.9, 777.0}, {559.2, 558.2}, {0.3, 0.4},
      {0.1, 0.6},     {778.1, 775.5}, {668.8, 666.9}, {339.3, 338.0}, {448.9, 447.5}, {10.8, 11.6},
      {557.7, 556.0}, {228.3, 228.1}, {998.0, 995.8}, {888.8, 887.6}, {119.6, 120.2}, {0.3, 0.3},
      {0.6, 0.3},     {557.6, 556.8}, {339.3, 339.1}, {888.0, 887.2}, {998.5, 999.0}, {778.9, 779.0},
      {10.2, 11.1},   {117.6, 118.3}, {228.9, 229.2}, {668.4, 669.1}, {449.2, 448.9}, {0.2, 0.5}};
  std::vector<double> design, values;
  for (const auto& [y, x] : y_x) {
    design.insert(design.end(), {1, x});
    values.push_back(y);
  }
  const LeastSquaresFit fit = solve_unweighted(design, 2, values);
  ASSERT_EQ(fit.status, LeastSquaresStatus::kSolved);
  EXPECT_EQ(fit.degrees_of_freedom, 34);
  EXPECT_GT(matching_digits(fit.coefficients[0], -0.262323073774029), 12);
  EXPECT_GT(matching_digits(fit.coefficients[1], 1.00211681802045), 12);
  EXPECT_GT(matching_digits(scaled_standard_error(fit, 0), 0.232818234301152), 12);
  EXPECT_GT(matching_digits(scaled_standard_error(fit, 1), 0.429796848199937e-3), 12);
}

TEST(LeastSquares, longley_to_nine_digits) {  // nearly collinear: condition number 5e9
  const std::vector<std::array<double, 7>> rows = {
      {60323, 83.0, 234289, 2356, 1590, 107608, 1947},  {61122, 88.5, 259426, 2325, 1456, 108632, 1948},
      {60171, 88.2, 258054, 3682, 1616, 109773, 1949},  {61187, 89.5, 284599, 3351, 1650, 110929, 1950},
      {63221, 96.2, 328975, 2099, 3099, 112075, 1951},  {63639, 98.1, 346999, 1932, 3594, 113270, 1952},
      {64989, 99.0, 365385, 1870, 3547, 115094, 1953},  {63761, 100.0, 363112, 3578, 3350, 116219, 1954},
      {66019, 101.2, 397469, 2904, 3048, 117388, 1955}, {67857, 104.6, 419180, 2822, 2857, 118734, 1956},
      {68169, 108.4, 442769, 2936, 2798, 120445, 1957}, {66513, 110.8, 444546, 4681, 2637, 121950, 1958},
      {68655, 112.6, 482704, 3813, 2552, 123366, 1959}, {69564, 114.2, 502601, 3931, 2514, 125368, 1960},
      {69331, 115.7, 518173, 4806, 2572, 127852, 1961}, {70551, 116.9, 554894, 4007, 2827, 130081, 1962}};
  std::vector<double> design, values;
  for (const auto& row : rows) {
    values.push_back(row[0]);
    design.push_back(1);
    design.insert(design.end(), row.begin() + 1, row.end());
  }
  const LeastSquaresFit fit = solve_unweighted(design, 7, values);
  ASSERT_EQ(fit.status, LeastSquaresStatus::kSolved);
  const std::array certified = {-3482258.63459582, 15.0618722713733,       -0.358191792925910e-01, -2.02022980381683,
                                -1.03322686717359, -0.511041056535807e-01, 1829.15146461355};
  const std::array certified_errors = {890420.383607373,  84.9149257747669,  0.334910077722432e-01, 0.488399681651699,
                                       0.214274163161675, 0.226073200069370, 455.478499142212};
  for (int j = 0; j < 7; ++j) {
    EXPECT_GT(matching_digits(fit.coefficients[j], certified[j]), 9) << j;
    EXPECT_GT(matching_digits(scaled_standard_error(fit, j), certified_errors[j]), 9) << j;
  }
}

TEST(LeastSquares, a_weight_counts_like_repeated_rows) {
  const std::vector<double> once = {1, 0, 1, 1, 1, 2}, twice = {1, 0, 1, 1, 1, 1, 1, 2};
  const LeastSquaresFit weighted =
      solve_least_squares(once, 2, std::vector<double>{1, 3, 4}, std::vector<double>{1, std::sqrt(0.5), 1});
  const LeastSquaresFit repeated = solve_unweighted(twice, 2, {1, 3, 3, 4});
  for (int i = 0; i < 2; ++i) EXPECT_NEAR(weighted.coefficients[i], repeated.coefficients[i], 1e-14);
  for (int i = 0; i < 4; ++i) EXPECT_NEAR(weighted.covariance[i], repeated.covariance[i], 1e-14);
  EXPECT_NEAR(weighted.chi_square, repeated.chi_square, 1e-14);
}

TEST(LeastSquares, rank_deficiency_is_told_apart_from_invalid_input) {
  const LeastSquaresFit collinear = solve_unweighted({1, 2, 1, 2, 1, 2}, 2, {1, 2, 3});
  EXPECT_EQ(collinear.status, LeastSquaresStatus::kRankDeficient);
  EXPECT_EQ(collinear.rank, 1);
  EXPECT_TRUE(collinear.coefficients.empty());
  EXPECT_EQ(solve_unweighted({1, 2}, 2, {1}).status, LeastSquaresStatus::kRankDeficient);
  EXPECT_EQ(solve_unweighted({}, 2, {}).status, LeastSquaresStatus::kRankDeficient);

  const std::vector<double> design = {1, 1}, values = {1, 2};
  for (double bad : {0.0, -1.0, kNan})
    EXPECT_EQ(solve_least_squares(design, 1, values, std::vector<double>{1, bad}).status,
              LeastSquaresStatus::kInvalidInput);
  EXPECT_EQ(solve_unweighted({1, 1}, 1, {1, kNan}).status, LeastSquaresStatus::kInvalidInput);
}

TEST(LeastSquares, the_rank_does_not_depend_on_a_columns_unit) {
  const LeastSquaresFit fit = solve_unweighted({1, 1e-20, 1, 2e-20, 1, 3e-20}, 2, {1, 2, 3});
  ASSERT_EQ(fit.status, LeastSquaresStatus::kSolved);
  EXPECT_NEAR(fit.coefficients[1], 1e20, 1e8);
}

}  // namespace
}  // namespace catenary::analysis
