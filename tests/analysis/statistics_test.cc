#include "catenary/analysis/statistics.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "catenary/base/error.h"
#include "reference/analysis/references.h"

namespace catenary::analysis {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Statistics, student_quantiles_equal_scipys) {
  for (const auto& expected : reference::kQuantiles)
    EXPECT_NEAR(student_quantile(expected.probability, expected.degrees_of_freedom) / expected.t, 1, 1e-8)
        << expected.probability << " with " << expected.degrees_of_freedom;
  EXPECT_NEAR(student_quantile(0.975, kInfinity), reference::kNormal975[0], 1e-12);
  EXPECT_EQ(student_quantile(0.5, 3), 0);
  EXPECT_EQ(student_quantile(0.025, 3), -student_quantile(0.975, 3));
  EXPECT_EQ(student_quantile(0.975, 0), kInfinity);
}

TEST(Statistics, student_quantile_goes_over_to_the_normal_without_a_step) {
  EXPECT_NEAR(student_quantile(0.975, 0.99e8), student_quantile(0.975, 1.01e8), 1e-7);
}

TEST(Statistics, standard_error_of_a_proportion_is_never_zero) {
  EXPECT_DOUBLE_EQ(proportion_standard_error(0, 100), std::sqrt(2.0 * 102.0 / std::pow(104.0, 3)));
  EXPECT_NEAR(proportion_standard_error(100, 100), proportion_standard_error(0, 100), 1e-15);
  EXPECT_NEAR(proportion_standard_error(5000, 10000), 0.005, 2e-6);
  EXPECT_GT(proportion_standard_error(1, 1), 0);
  EXPECT_THROW(proportion_standard_error(0, 0), DataError);
  EXPECT_THROW(proportion_standard_error(3, 2), DataError);
}

TEST(Statistics, standard_error_of_a_mean) {
  EXPECT_DOUBLE_EQ(mean_standard_error(std::vector<double>{1, 2, 3, 4}), std::sqrt(5.0 / 12));
  EXPECT_TRUE(std::isnan(mean_standard_error(std::vector<double>{1})));
}

// statsmodels 0.15.0, multipletests(p, method="holm" and "fdr_bh").
TEST(Statistics, adjusted_p_values_equal_statsmodels) {
  const std::vector<double> p = {0.01, 0.04, 0.03, 0.005, 0.2};
  const std::vector<double> holm = {0.04, 0.09, 0.09, 0.025, 0.2}, bh = {0.025, 0.05, 0.05, 0.025, 0.2};
  for (std::size_t i = 0; i < p.size(); ++i) {
    EXPECT_NEAR(adjust_holm(p)[i], holm[i], 1e-12) << i;
    EXPECT_NEAR(adjust_benjamini_hochberg(p)[i], bh[i], 1e-12) << i;
  }
  const std::vector<double> with_nan = adjust_holm(std::vector<double>{0.02, std::nan("")});
  EXPECT_NEAR(with_nan[0], 0.04, 1e-12);
  EXPECT_TRUE(std::isnan(with_nan[1]));
}

// The BCG vaccine trials (G. A. Colditz et al., JAMA 271 (1994) 698), log risk ratios: as published with metafor for R,
// rma(method = "DL"): -0.7141, tau^2 0.3088, Q 152.2330.
TEST(Statistics, groups_combine_as_in_a_known_meta_analysis) {
  const int trials[][4] = {{4, 119, 11, 128},       {6, 300, 29, 274},        {3, 228, 11, 209},
                           {62, 13536, 248, 12619}, {33, 5036, 47, 5761},     {180, 1361, 372, 1079},
                           {8, 2537, 10, 619},      {505, 87886, 499, 87892}, {29, 7470, 45, 7232},
                           {17, 1699, 65, 1600},    {186, 50448, 141, 27197}, {5, 2493, 3, 2338},
                           {27, 16886, 29, 17825}};
  std::vector<Estimate> estimates;
  for (const auto& [a, b, c, d] : trials)
    estimates.push_back({std::log(1.0 * a / (a + b) * (c + d) / c),
                         std::sqrt(1.0 / a - 1.0 / (a + b) + 1.0 / c - 1.0 / (c + d)), 0, 0});
  const RandomEffects all = combine_groups(estimates);
  EXPECT_NEAR(all.mean.value, -0.7141, 5e-5);
  EXPECT_NEAR(all.standard_deviation * all.standard_deviation, 0.3088, 5e-5);
  EXPECT_NEAR(all.mean.standard_error, 0.1787421 * std::sqrt(1.0219895), 1e-6);  // Knapp and Hartung's factor, by NumPy
  EXPECT_NEAR((all.mean.high - all.mean.value) / all.mean.standard_error, 2.1788128, 1e-6);
  EXPECT_NEAR(all.heterogeneity_p_value / 1.9967646e-26, 1, 1e-6);

  const Estimate same{2, 0.1, 0, 0};
  const RandomEffects equal = combine_groups(std::vector{same, same, same});
  EXPECT_NEAR(equal.mean.value, 2, 1e-12);
  EXPECT_EQ(equal.standard_deviation, 0);
  EXPECT_NEAR(equal.heterogeneity_p_value, 1, 1e-12);
}

TEST(Statistics, the_mean_over_groups_lies_in_its_interval) {
  std::mt19937_64 random(4);
  std::normal_distribution<double> normal;
  constexpr int kStudies = 4000;
  for (const int num_groups : {2, 3, 5}) {
    int covered = 0;
    for (int study = 0; study < kStudies; ++study) {
      std::vector<Estimate> estimates;
      for (int g = 0; g < num_groups; ++g) {
        const double error = 0.05 * (1 + g % 2);
        estimates.push_back({1 + 0.1 * normal(random) + error * normal(random), error, 0, 0});
      }
      const Estimate mean = combine_groups(estimates).mean;
      covered += mean.low <= 1 && mean.high >= 1;
    }
    fmt::print("{} groups: covered in {:.1f} %\n", num_groups, 100.0 * covered / kStudies);
    EXPECT_GE(covered, 0.92 * kStudies);
    EXPECT_LE(covered, 0.97 * kStudies);
  }
}

}  // namespace
}  // namespace catenary::analysis
