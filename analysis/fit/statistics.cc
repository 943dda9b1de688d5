#include "catenary/analysis/statistics.h"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <unsupported/Eigen/SpecialFunctions>

#include "catenary/base/check.h"
#include "catenary/base/error.h"

namespace catenary::analysis {

double student_upper_tail(double t, double degrees_of_freedom) {
  if (t < 0) return 1 - student_upper_tail(-t, degrees_of_freedom);
  if (degrees_of_freedom == 0) return 0.5;
  // From here on the normal is exact to 1e-8, and the incomplete beta function would lose digits.
  if (degrees_of_freedom > 1e8) return 0.5 * std::erfc(t / std::sqrt(2.0));
  const double x = degrees_of_freedom / (degrees_of_freedom + t * t);
  return 0.5 * Eigen::numext::betainc(0.5 * degrees_of_freedom, 0.5, x);
}

double student_quantile(double probability, double degrees_of_freedom) {
  check(probability > 0 && probability < 1 && degrees_of_freedom >= 0, "a quantile of a probability in (0, 1)");
  if (probability == 0.5) return 0;
  if (probability < 0.5) return -student_quantile(1 - probability, degrees_of_freedom);
  if (degrees_of_freedom == 0) return std::numeric_limits<double>::infinity();
  double low = 0, high = 1;
  while (student_upper_tail(high, degrees_of_freedom) > 1 - probability) high *= 2;
  while (true) {
    const double middle = 0.5 * (low + high);
    if (middle == low || middle == high) return middle;
    (student_upper_tail(middle, degrees_of_freedom) > 1 - probability ? low : high) = middle;
  }
}

double scatter_degrees_of_freedom(double scatter, double degrees_of_freedom) {
  const double excess = scatter * scatter - 1;
  return excess > 0 ? degrees_of_freedom * std::pow(scatter, 4) / (excess * excess)
                    : std::numeric_limits<double>::infinity();
}

double proportion_standard_error(std::int64_t correct, std::int64_t n) {
  if (n < 1 || correct < 0 || correct > n)
    throw DataError(
        fmt::format("{} of {} items correct is no proportion: expected 0 ≤ correct ≤ n and n ≥ 1", correct, n));
  const double n_adjusted = static_cast<double>(n) + 4;
  const double p = (static_cast<double>(correct) + 2) / n_adjusted;
  return std::sqrt(p * (1 - p) / n_adjusted);
}

double mean_standard_error(std::span<const double> values) {
  if (values.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  const double n = static_cast<double>(values.size());
  // Of equal values the mean is that value, and the error 0, not round-off.
  if (std::ranges::adjacent_find(values, std::ranges::not_equal_to()) == values.end()) return 0;
  double mean = 0, sum_squares = 0;
  for (double value : values) mean += value / n;
  for (double value : values) sum_squares += (value - mean) * (value - mean);
  return std::sqrt(sum_squares / (n * (n - 1)));
}

double chi_square_upper_tail(double x, double degrees_of_freedom) {
  return Eigen::numext::igammac(0.5 * degrees_of_freedom, 0.5 * x);
}

RandomEffects combine_groups(std::span<const Estimate> estimates) {
  check(estimates.size() >= 2, "two groups or more");
  // Weighted mean; `spread` is the weighted sum of squares about it.
  struct Mean {
    double value = 0, sum = 0, sum_squares = 0, spread = 0;
  };
  const auto mean_with = [&](double variance_between) {
    Mean mean;
    const auto weight = [&](const Estimate& one) {
      return 1 / (one.standard_error * one.standard_error + variance_between);
    };
    for (const Estimate& one : estimates) {
      mean.sum += weight(one);
      mean.sum_squares += weight(one) * weight(one);
      mean.value += weight(one) * one.value;
    }
    mean.value /= mean.sum;
    for (const Estimate& one : estimates)
      mean.spread += weight(one) * (one.value - mean.value) * (one.value - mean.value);
    return mean;
  };
  const double degrees_of_freedom = static_cast<double>(estimates.size()) - 1;
  const Mean fixed = mean_with(0);
  const double between =
      std::max(0.0, (fixed.spread - degrees_of_freedom) / (fixed.sum - fixed.sum_squares / fixed.sum));
  const Mean random = mean_with(between);
  const double error = std::sqrt(random.spread / degrees_of_freedom / random.sum);
  const double half_width = student_quantile(0.975, degrees_of_freedom) * error;
  return {{random.value, error, random.value - half_width, random.value + half_width},
          std::sqrt(between),
          chi_square_upper_tail(fixed.spread, degrees_of_freedom)};
}

namespace {

/// Positions of the p-values from small to large, and NaN as 1.
std::vector<std::size_t> order_of(std::span<const double> p_values, std::vector<double>& sorted) {
  std::vector<std::size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto value = [&](std::size_t i) { return std::isnan(p_values[i]) ? 1 : p_values[i]; };
  std::ranges::stable_sort(order, {}, value);
  for (const std::size_t i : order) sorted.push_back(value(i));
  return order;
}

std::vector<double> in_order(std::span<const double> p_values, const std::vector<std::size_t>& order,
                             const std::vector<double>& adjusted) {
  std::vector<double> result(p_values.begin(), p_values.end());
  for (std::size_t rank = 0; rank < order.size(); ++rank)
    if (!std::isnan(p_values[order[rank]])) result[order[rank]] = adjusted[rank];
  return result;
}

}  // namespace

std::vector<double> adjust_holm(std::span<const double> p_values) {
  std::vector<double> adjusted;
  const auto order = order_of(p_values, adjusted);
  double largest = 0;
  for (std::size_t rank = 0; rank < adjusted.size(); ++rank) {
    largest = std::max(largest, adjusted[rank] * static_cast<double>(adjusted.size() - rank));
    adjusted[rank] = std::min(1.0, largest);
  }
  return in_order(p_values, order, adjusted);
}

std::vector<double> adjust_benjamini_hochberg(std::span<const double> p_values) {
  std::vector<double> adjusted;
  const auto order = order_of(p_values, adjusted);
  double smallest = 1;
  for (std::size_t rank = adjusted.size(); rank-- > 0;) {
    smallest =
        std::min(smallest, adjusted[rank] * static_cast<double>(adjusted.size()) / static_cast<double>(rank + 1));
    adjusted[rank] = smallest;
  }
  return in_order(p_values, order, adjusted);
}

}  // namespace catenary::analysis
