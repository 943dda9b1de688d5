#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "catenary/analysis/paired.h"
#include "catenary/analysis/verdict.h"

namespace catenary::analysis {
namespace {

// A NumPy prototype of the same rules over wider grids (2,000 to 20,000 studies a cell, 6 scales, independent items;
// scatter in units of the items' error):
//   flat truth            scatter 0      1      2      5     20
//     positive, inverse         0.3    2.2    4.9    5.6    6.1 %
//     u_shaped, inverted_u      1.0    2.8    4.3    2.7    1.6 %
//   225 monotone curves (exponential, logistic, ramp; heights 0.03 to 0.6) called a turn
//     worst curve               3.7    7.0    7.7 %
//     mean                      1.0    2.2    2.5 %
//     worst, if the arms of a fitted parabola decided: 46 % without scatter

/// A ladder over three decades whose models have accuracy truth(0 … 1) plus normal scatter, measured on the same items.
struct Study {
  std::function<double(double)> truth;
  int num_scales = 6;
  int num_items = 500;
  double scatter = 0;           // between models, standard deviation in accuracy
  double item_correlation = 0;  // of the latent normal difficulty that all models share; 0.5 correlates outcomes by 1/3
};

struct Shares {
  double positive_or_inverse, u_shaped, inverted_u, flat;
  double turned() const { return u_shaped + inverted_u; }
};

/// 500 in the suite; CATENARY_NUM_STUDIES asks for more.
const int kNumStudies = std::getenv("CATENARY_NUM_STUDIES") ? std::atoi(std::getenv("CATENARY_NUM_STUDIES")) : 500;

Shares simulate(const Study& study) {
  std::mt19937_64 random(20240229);
  std::normal_distribution<double> normal;
  std::vector<double> shared(study.num_items);
  std::array<int, 6> count{};
  for (int i = 0; i < kNumStudies; ++i) {
    for (double& item : shared) item = normal(random);
    std::vector<ScalingPoint> points;
    std::vector<double> values, errors;
    for (int j = 0; j < study.num_scales; ++j) {
      const double x = static_cast<double>(j) / (study.num_scales - 1);
      const double accuracy = std::clamp(study.truth(x) + study.scatter * normal(random), 1e-9, 1 - 1e-9);
      const double threshold = student_quantile(accuracy, std::numeric_limits<double>::infinity());
      int correct = 0;
      for (double item : shared) {
        const double latent =
            std::sqrt(study.item_correlation) * item + std::sqrt(1 - study.item_correlation) * normal(random);
        values.push_back(latent < threshold ? 1 : 0);
        correct += latent < threshold;
      }
      errors.push_back(proportion_standard_error(correct, study.num_items));
      points.push_back({std::pow(10.0, 8 + 3 * x), static_cast<double>(correct) / study.num_items,
                        proportion_standard_error(correct, study.num_items), study.num_items});
    }
    const Judgement judgement = judge(points, Direction::kHigherIsBetter, {}, covariance_of_means(values, errors));
    ++count[static_cast<std::size_t>(judgement.verdict)];
  }
  const auto share = [&](Verdict verdict) {
    return static_cast<double>(count[static_cast<std::size_t>(verdict)]) / kNumStudies;
  };
  return {share(Verdict::kPositive) + share(Verdict::kInverse), share(Verdict::kUShaped), share(Verdict::kInvertedU),
          share(Verdict::kFlat)};
}

void print(std::string_view name, const Study& study, const Shares& shares) {
  fmt::print("{}: {} scales, {} items, scatter {}, latent correlation {}\n", name, study.num_scales, study.num_items,
             study.scatter, study.item_correlation);
  fmt::print("    trend {:.1f} %, u_shaped {:.1f} %, inverted_u {:.1f} %, flat {:.1f} %\n",
             100 * shares.positive_or_inverse, 100 * shares.u_shaped, 100 * shares.inverted_u, 100 * shares.flat);
}

double flat(double) {
  return 0.5;
}
double u_of_ten_points(double x) {
  return 0.4 + 0.1 * std::pow(2 * x - 1, 2);
}

TEST(VerdictSimulation, a_flat_truth_is_called_something_else_in_five_percent_at_most) {
  for (const Study& study : {Study{flat}, Study{flat, 6, 500, 0, 0.5}, Study{flat, 10}, Study{flat, 5, 500, 0.01},
                             Study{flat, 6, 500, 0.02, 0.5}}) {
    const Shares shares = simulate(study);
    print("flat", study, shares);
    EXPECT_LE(shares.positive_or_inverse + shares.turned(), 0.05);
  }
}

TEST(VerdictSimulation, a_flat_truth_is_called_flat_given_items_enough) {
  const Study study{flat, 6, 5000};
  const Shares shares = simulate(study);
  print("flat", study, shares);
  EXPECT_GE(shares.flat, 0.9);
}

TEST(VerdictSimulation, a_monotone_curve_that_saturates_is_called_a_turn_in_five_percent_at_most) {
  for (int num_scales : {5, 6, 10})
    for (const auto& [height, rate] : {std::pair{0.1, 8.0}, {0.6, 20.0}}) {
      for (const double correlation : {0.0, 0.5}) {
        const Study study{[=](double x) { return 0.25 + height * (1 - std::exp(-rate * x)); }, num_scales, 500, 0,
                          correlation};
        const Shares shares = simulate(study);
        print(fmt::format("saturating {} {}", height, rate), study, shares);
        EXPECT_LE(shares.turned(), 0.05);
      }
    }
}

TEST(VerdictSimulation, a_u_of_ten_points_is_found) {
  const Study same_items{u_of_ten_points, 6, 500, 0, 0.5};
  const Shares shares = simulate(same_items);
  print("u", same_items, shares);
  EXPECT_GE(shares.u_shaped, 0.9);

  // Fresh items for every model: the most that errors of single points can hide.
  const Study other_items{u_of_ten_points};
  const Shares fewer = simulate(other_items);
  print("u", other_items, fewer);
  EXPECT_GE(fewer.u_shaped, 0.75);
}

TEST(VerdictSimulation, intervals_of_effects_cover_in_93_to_97_percent) {
  // Bootstrap over 500 items that six models share, of the accuracy's change from the smallest to the largest model.
  constexpr int kItems = 500, kReplicates = 1000;
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal;
  const double thresholds[] = {student_quantile(0.45, std::numeric_limits<double>::infinity()),
                               student_quantile(0.6, std::numeric_limits<double>::infinity())};
  int covered = 0;
  constexpr int kCoverageStudies = 1000;
  for (int study = 0; study < kCoverageStudies; ++study) {
    std::vector<double> values(2 * kItems);
    for (int i = 0; i < kItems; ++i) {
      const double shared = std::sqrt(0.5) * normal(random);
      for (int model = 0; model < 2; ++model)
        values[model * kItems + i] = shared + std::sqrt(0.5) * normal(random) < thresholds[model] ? 1 : 0;
    }
    const std::vector<double> means = bootstrap_means(values, 2, kReplicates, study);
    std::vector<double> differences;
    for (int r = 0; r < kReplicates; ++r) differences.push_back(means[2 * r + 1] - means[2 * r]);
    double seen = 0;
    for (int i = 0; i < kItems; ++i) seen += (values[kItems + i] - values[i]) / kItems;
    const Estimate effect = percentile_interval(seen, differences);
    covered += effect.low <= 0.15 && effect.high >= 0.15;
  }
  fmt::print("effects: covered in {:.1f} %\n", 100.0 * covered / kCoverageStudies);
  EXPECT_GE(covered, 0.93 * kCoverageStudies);
  EXPECT_LE(covered, 0.97 * kCoverageStudies);
}

// The same with errors of the items that all models share, and with one model of few items.
TEST(VerdictSimulation, scatter_is_seen_through_common_and_unequal_errors) {
  std::normal_distribution<double> normal;
  for (const bool is_common : {true, false}) {
    std::mt19937_64 random(20261124);
    constexpr int kNumScales = 10;
    const double error = is_common ? 0.15 : 0.005, scatter = is_common ? 0.225 : 0.15;
    int num_called = 0;
    for (int i = 0; i < kNumStudies; ++i) {
      const double shared = is_common ? std::sqrt(0.9) * error * normal(random) : 0;
      std::vector<ScalingPoint> points;
      std::vector<double> covariance(kNumScales * kNumScales, is_common ? 0.9 * error * error : 0);
      for (std::size_t j = 0; j < kNumScales; ++j) {
        const double own = is_common ? std::sqrt(0.1) * error : j == 4 ? 0.3 : error;
        points.push_back({std::pow(10.0, 8 + static_cast<double>(j) / 3),
                          0.5 + shared + own * normal(random) + scatter * normal(random), is_common ? error : own,
                          1000});
        covariance[j * kNumScales + j] = points[j].standard_error * points[j].standard_error;
      }
      num_called += judge(points, Direction::kHigherIsBetter, {}, covariance).verdict != Verdict::kInconclusive;
    }
    const double share = static_cast<double>(num_called) / kNumStudies;
    fmt::print("scatter beside {} errors: called something in {:.1f} %\n", is_common ? "common" : "unequal",
               100 * share);
    EXPECT_LE(share, 0.13);
  }
}

// Models that scatter over all of 0 to 1, fifty times their items' error: large differences are no shape.
TEST(VerdictSimulation, what_only_scatters_is_rarely_called_anything) {
  for (const auto& [num_scales, most] : {std::pair{5, 0.35}, {6, 0.28}, {10, 0.12}, {30, 0.1}}) {
    std::mt19937_64 random(20261123);
    std::uniform_real_distribution<double> anywhere;
    int num_called = 0;
    for (int i = 0; i < kNumStudies; ++i) {
      std::vector<ScalingPoint> points;
      for (int j = 0; j < num_scales; ++j)
        points.push_back({std::pow(10.0, 8 + 3.0 * j / (num_scales - 1)), anywhere(random), 0.005, 1000});
      num_called += judge(points, Direction::kHigherIsBetter).verdict != Verdict::kInconclusive;
    }
    const double share = static_cast<double>(num_called) / kNumStudies;
    fmt::print("scatter alone: {} scales called something in {:.1f} %\n", num_scales, 100 * share);
    EXPECT_LE(share, most);
  }
}

}  // namespace
}  // namespace catenary::analysis
