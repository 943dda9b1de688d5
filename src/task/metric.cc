#include "catenary/task/metric.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "catenary/base/check.h"
#include "catenary/base/to_number.h"

namespace catenary::task {
namespace {

// log Σ exp(x) over all but `skip`; −∞ over nothing.
double log_sum_exp(std::span<const double> values, std::int32_t skip = -1) {
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

// 1 if the answer's value is the largest, else 0.
double is_best(std::span<const double> values, std::int32_t answer_index) {
  return std::max_element(values.begin(), values.end()) - values.begin() == answer_index ? 1 : 0;
}

double is_best_by_length(std::span<const double> values, std::span<const std::int32_t> lengths,
                         std::int32_t answer_index) {
  std::vector<double> normalised;
  for (std::size_t i = 0; i < values.size(); ++i) normalised.push_back(values[i] / lengths[i]);
  return is_best(normalised, answer_index);
}

ItemMetrics measure_classes(const ItemRecord& item) {
  const auto& totals = item.log_likelihoods;
  check(totals.size() >= 2 && item.num_tokens.size() == totals.size() && item.num_bytes.size() == totals.size() &&
            item.answer_index >= 0 && static_cast<std::size_t>(item.answer_index) < totals.size(),
        "an item has two classes or more, their lengths, and an answer among them");
  const double answer = totals[static_cast<std::size_t>(item.answer_index)];
  const double all = log_sum_exp(totals);
  ItemMetrics metrics;
  metrics.accuracy = is_best(totals, item.answer_index);
  metrics.accuracy_per_token = is_best_by_length(totals, item.num_tokens, item.answer_index);
  metrics.accuracy_per_byte = is_best_by_length(totals, item.num_bytes, item.answer_index);
  metrics.log_odds = answer - log_sum_exp(totals, item.answer_index);
  metrics.brier = 0;
  for (std::size_t i = 0; i < totals.size(); ++i) {
    const double error = std::exp(totals[i] - all) - (static_cast<std::int32_t>(i) == item.answer_index ? 1 : 0);
    metrics.brier += error * error;
  }
  metrics.confidence = std::exp(*std::max_element(totals.begin(), totals.end()) - all);
  metrics.loss = all - answer;
  metrics.total_probability = std::exp(all);
  return metrics;
}

ItemMetrics measure_logodds(const ItemRecord& item, bool absolute) {
  check(item.log_likelihoods.size() == 4, "a log-odds item has two classes after each of two prompts");
  const auto& l = item.log_likelihoods;
  ItemMetrics metrics =
      measure_classes({l.subspan(2), item.num_tokens.subspan(2), item.num_bytes.subspan(2), item.answer_index});
  const double difference = (l[0] - l[1]) - (l[2] - l[3]);
  metrics.loss = absolute ? std::abs(difference) : item.answer_index == 1 ? -difference : difference;
  metrics.total_probability = (metrics.total_probability + std::exp(log_sum_exp(l.first(2)))) / 2;
  return metrics;
}

}  // namespace

std::vector<std::int32_t> continuation_bytes(spec::TaskFormat format, const Item& item) {
  std::vector<std::int32_t> num_bytes;
  if (format == spec::TaskFormat::kNumeric) return num_bytes;
  for (const std::string& text : item.classes) {
    const std::size_t begin = std::min(text.find_first_not_of(" \t\n\r\f\v"), text.size() - 1);
    num_bytes.push_back(static_cast<std::int32_t>(text.size() - begin));
  }
  if (format == spec::TaskFormat::kLogodds || format == spec::TaskFormat::kAbsoluteLogodds) {
    num_bytes.insert(num_bytes.end(), {num_bytes[0], num_bytes[1]});
  }
  return num_bytes;
}

ItemMetrics measure(spec::TaskFormat format, const ItemRecord& item) {
  ItemMetrics metrics;
  switch (format) {
    case spec::TaskFormat::kClassification:
      return measure_classes(item);
    case spec::TaskFormat::kLogodds:
      return measure_logodds(item, false);
    case spec::TaskFormat::kAbsoluteLogodds:
      return measure_logodds(item, true);
    case spec::TaskFormat::kSequenceProb:
      check(item.log_likelihoods.size() == 1, "a sequence has one continuation");
      metrics.loss = -item.log_likelihoods[0];
      metrics.total_probability = std::exp(item.log_likelihoods[0]);
      break;
    case spec::TaskFormat::kNumeric:  // is generated, not scored
      break;
  }
  return metrics;
}

double random_accuracy(std::span<const std::int32_t> num_classes) {
  check(!num_classes.empty(), "there are items");
  double sum = 0;
  for (const std::int32_t n : num_classes) sum += 1.0 / n;
  return sum / static_cast<double>(num_classes.size());
}

double calibration_error(std::span<const double> confidence, std::span<const double> accuracy, int num_bins) {
  check(!confidence.empty() && confidence.size() == accuracy.size() && num_bins > 0, "as many of both, and some");
  // Σ_b n_b/n |mean − mean| = Σ_b |sum − sum| / n.
  std::vector<double> differences(static_cast<std::size_t>(num_bins));
  for (std::size_t i = 0; i < confidence.size(); ++i) {
    const auto bin = static_cast<std::int64_t>(std::ceil(confidence[i] * num_bins)) - 1;
    differences[static_cast<std::size_t>(std::clamp<std::int64_t>(bin, 0, num_bins - 1))] +=
        accuracy[i] - confidence[i];
  }
  double sum = 0;
  for (const double difference : differences) sum += std::abs(difference);
  return sum / static_cast<double>(confidence.size());
}

std::optional<double> parse_number(std::string_view generated) {
  constexpr std::string_view kSpaces = " \t\r\v\f";
  std::string text(generated.substr(0, generated.find('\n')));
  text.erase(0, std::min(text.find_first_not_of(kSpaces), text.size()));
  text.erase(text.find_last_not_of(kSpaces) + 1);
  std::erase_if(text, [](char c) { return c == ',' || c == '(' || c == ')'; });
  text.erase(text.find_last_not_of('.') + 1);
  if (text.starts_with('+')) text.erase(0, 1);
  const auto number = to_number<double>(text);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

NumberMetrics measure_number(std::string_view generated, double true_answer, double anchor) {
  NumberMetrics metrics{.estimate = parse_number(generated)};
  if (!metrics.estimate) return metrics;
  metrics.accuracy = *metrics.estimate == true_answer ? 1 : 0;
  metrics.relative_error = relative_error(*metrics.estimate, true_answer);
  metrics.anchoring = task::anchoring(*metrics.estimate, true_answer, anchor);
  return metrics;
}

double anchoring(double estimate, double true_answer, double anchor) {
  return anchor == true_answer ? ItemMetrics::kUndefined : (estimate - true_answer) / (anchor - true_answer);
}

double relative_error(double estimate, double true_answer) {
  const double error = std::abs(estimate - true_answer);
  return true_answer == 0 ? error : error / std::abs(true_answer);
}

}  // namespace catenary::task
