#include "catenary/analysis/paired.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "catenary/base/check.h"

namespace catenary::analysis {
namespace {

using ValuesByItem = Eigen::Map<const Eigen::MatrixXd>;  // [num_items, num_models]: rows of `values` are its columns

/// Indices below `num_items`, uniformly; two from each random number. Bias below num_items / 2^32.
class Draws {
 public:
  Draws(std::uint64_t seed, std::size_t num_items) : state_(seed), num_items_(num_items) {}

  /// Writes how often each item is drawn.
  void draw(double* counts) {
    std::fill_n(counts, num_items_, 0.0);
    for (std::size_t i = 0; i < num_items_; i += 2) {
      const std::uint64_t bits = next();
      ++counts[((bits >> 32) * num_items_) >> 32];
      if (i + 1 < num_items_) ++counts[((bits & 0xffffffff) * num_items_) >> 32];
    }
  }

 private:
  /// SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014): std::mt19937_64 took a quarter of a report's time.
  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  std::uint64_t state_;
  std::uint64_t num_items_;
};

double quantile(std::vector<double>& values, double probability) {
  const double position = probability * static_cast<double>(values.size() - 1);
  const auto below = values.begin() + static_cast<std::ptrdiff_t>(position);
  std::nth_element(values.begin(), below, values.end());
  const double low = *below;
  if (below + 1 == values.end()) return low;
  const double high = *std::min_element(below + 1, values.end());
  return low + (high - low) * (position - std::floor(position));
}

}  // namespace

std::vector<double> covariance_of_means(std::span<const double> values, std::span<const double> standard_errors) {
  const Eigen::Index k = std::ssize(standard_errors);
  check(k > 0 && values.size() % standard_errors.size() == 0, "the same number of items for every model");
  const ValuesByItem x(values.data(), std::ssize(values) / k, k);
  Eigen::MatrixXd centered = x.rowwise() - x.colwise().mean();
  for (Eigen::Index j = 0; j < k; ++j) {
    const double length = centered.col(j).norm();
    if (length > 0) centered.col(j) /= length;
  }
  Eigen::MatrixXd covariance = centered.transpose() * centered;
  covariance.diagonal().setOnes();
  const Eigen::Map<const Eigen::VectorXd> errors(standard_errors.data(), k);
  covariance = (errors.asDiagonal() * covariance * errors.asDiagonal()).eval();
  return {covariance.data(), covariance.data() + covariance.size()};
}

std::vector<double> bootstrap_means(std::span<const double> values, int num_models, int num_replicates,
                                    std::uint64_t seed) {
  check(num_models > 0 && !values.empty() && values.size() % static_cast<std::size_t>(num_models) == 0,
        "the same number of items for every model");
  const Eigen::Index num_items = std::ssize(values) / num_models;
  const ValuesByItem x(values.data(), num_items, num_models);
  std::vector<double> means(static_cast<std::size_t>(num_replicates) * static_cast<std::size_t>(num_models));
  Draws draws(seed, static_cast<std::size_t>(num_items));
  // A block's counts stay in the cache.
  constexpr int kBlock = 32;
  Eigen::MatrixXd counts(num_items, kBlock);
  for (int first = 0; first < num_replicates; first += kBlock) {
    const int size = std::min(kBlock, num_replicates - first);
    for (int i = 0; i < size; ++i) draws.draw(counts.col(i).data());
    Eigen::Map<Eigen::MatrixXd> block(&means[static_cast<std::size_t>(first) * static_cast<std::size_t>(num_models)],
                                      num_models, size);
    block.noalias() = x.transpose() * counts.leftCols(size);
    block /= static_cast<double>(num_items);
  }
  return means;
}

Estimate percentile_interval(double value, std::span<const double> replicates, double stretch) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<double> known;
  for (double replicate : replicates)
    if (!std::isnan(replicate)) known.push_back(replicate);
  if (known.size() < 100 || 10 * known.size() < 9 * replicates.size())
    return {value, std::numeric_limits<double>::quiet_NaN(), -kInfinity, kInfinity};
  const double low = quantile(known, 0.025), high = quantile(known, 0.975);
  const double n = static_cast<double>(known.size());
  double mean = 0, sum_squares = 0;
  for (double x : known) mean += x / n;
  for (double x : known) sum_squares += (x - mean) * (x - mean);
  return {value, stretch * std::sqrt(sum_squares / (n - 1)), value + stretch * (low - value),
          value + stretch * (high - value)};
}

}  // namespace catenary::analysis
