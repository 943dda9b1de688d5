#include "catenary/task/metric.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "catenary/base/check.h"

namespace catenary::task {
namespace {

// log Σ exp(x) over all but `skip`; −∞ over nothing.
double log_sum_exp(std::span<const double> values, std::int32_t skip) {
  double max = -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (static_cast<std::int32_t>(i) != skip) max = std::max(max, values[i]);
  }
  if (std::isinf(max)) return max;
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (static_cast<std::int32_t>(i) != skip) sum += std::exp(values[i] - max);
  }
  return max + std::log(sum);
}

}  // namespace

ClassificationMetrics classification_metrics(std::span<const double> log_likelihoods, std::int32_t answer_index) {
  check(log_likelihoods.size() >= 2 && answer_index >= 0 &&
            static_cast<std::size_t>(answer_index) < log_likelihoods.size(),
        "a classification item has two classes or more and an answer among them");
  const double answer = log_likelihoods[static_cast<std::size_t>(answer_index)];
  const double total = log_sum_exp(log_likelihoods, -1);
  const auto best = std::max_element(log_likelihoods.begin(), log_likelihoods.end());
  return {.is_correct = best - log_likelihoods.begin() == answer_index,
          .loss = total - answer,
          .log_odds = answer - log_sum_exp(log_likelihoods, answer_index),
          .total_probability = std::exp(total)};
}

}  // namespace catenary::task
