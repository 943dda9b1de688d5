#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "catenary/spec/sweep_spec.h"
#include "catenary/task/item.h"

namespace catenary::task {

/// What is stored of an item: the log-likelihood of each continuation with its lengths, by class. For log-odds there
/// are two continuations a class: all after prompt, then all after other_prompt.
struct ItemRecord {
  std::span<const double> log_likelihoods;   // nats, all finite
  std::span<const std::int32_t> num_tokens;  // above 0
  std::span<const std::int32_t> num_bytes;   // UTF-8, above 0
  std::int32_t answer_index = 0;
};

/// UTF-8 bytes of each continuation of an item, without white space before it: a chat does not show that. A numeric
/// item has none.
std::vector<std::int32_t> continuation_bytes(spec::TaskFormat format, const Item& item);

/// What an item's stored quantities say. NaN where the format does not define it. l is the class totals, a the answer.
/// Definitions of the formats as in the Inverse Scaling Prize's evaluation pipeline (McKenzie et al., 2023, "Inverse
/// Scaling: When Bigger Isn't Better"); length normalisation as `acc_norm` of lm-evaluation-harness.
struct ItemMetrics {
  static constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

  // classification; for log-odds these are of other_prompt, as there
  double accuracy = kUndefined;            // 1 if l_a is the largest, else 0; of equal ones the first counts
  double accuracy_per_token = kUndefined;  // the same of l / tokens
  double accuracy_per_byte = kUndefined;   // the same of l / bytes
  double log_odds = kUndefined;            // nats: l_a − log Σ_{i≠a} exp(l_i)
  double brier = kUndefined;               // Σ (p_i − [i = a])², p = softmax(l) (Brier, 1950): 0 to 2
  double confidence = kUndefined;          // max p_i: with accuracy the calibration (below)

  // classification: −log p_a; sequence_prob: −l_0; log-odds: the difference (o(prompt) − o(other_prompt)), where
  // o = l_0 − l_1, its sign changed where a = 1: above 0 where other_prompt draws the model off the answer.
  // absolute_logodds: its absolute value. Nats; lower is better in all.
  double loss = kUndefined;
  // Σ exp(l_i): how much of the model's mass the classes cover. Log-odds: the mean of the two prompts.
  double total_probability = kUndefined;
};

ItemMetrics measure(spec::TaskFormat format, const ItemRecord& item);

/// What guessing gives on average in accuracy: the mean of 1 / number of classes.
double random_accuracy(std::span<const std::int32_t> num_classes);

/// Expected calibration error: Σ_b n_b/n |mean accuracy − mean confidence| over `num_bins` bins of equal width, a bin
/// with its upper end (Guo et al., 2017, "On Calibration of Modern Neural Networks"). Of equal length, not empty.
double calibration_error(std::span<const double> confidence, std::span<const double> accuracy, int num_bins = 10);

/// The number that a generated answer states, read as the Prize's pipeline does: its first line, without spaces at its
/// ends, commas, parentheses and full stops at its end, must be a decimal number. Nothing if it is none: the answer
/// counts as unparsable.
std::optional<double> parse_number(std::string_view generated);

/// What a numeric item's generated answer says.
struct NumberMetrics {
  std::optional<double> estimate;                   // nothing: unparsable
  double accuracy = 0;                              // 1 if the estimate is the true answer, else 0, unparsable too
  double relative_error = ItemMetrics::kUndefined;  // below; NaN where unparsable
  double anchoring = ItemMetrics::kUndefined;       // below; NaN where unparsable or undefined
};
NumberMetrics measure_number(std::string_view generated, double true_answer, double anchor);

/// numeric: how far the estimate was drawn from the truth towards the anchor: (estimate − true) / (anchor − true), 0
/// not at all, 1 all the way. NaN without an anchor or where it is the true answer (a control item).
double anchoring(double estimate, double true_answer, double anchor);

/// numeric: |estimate − true| / |true|; the absolute error where the true answer is 0.
double relative_error(double estimate, double true_answer);

}  // namespace catenary::task
