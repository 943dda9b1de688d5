#pragma once

#include <cstdint>
#include <span>

namespace catenary::task {

/// What a classification item's class totals say about its answer. Inverse Scaling Prize, evaluation pipeline
/// (McKenzie et al., 2023, "Inverse Scaling: When Bigger Isn't Better").
struct ClassificationMetrics {
  bool is_correct = false;       // the answer's total is the largest; of equal ones the first counts
  double loss = 0;               // nats: −log softmax over the class totals, at the answer
  double log_odds = 0;           // nats: log p(answer) − log Σ p(other classes)
  double total_probability = 0;  // Σ p over the classes: how much of the model's mass the classes cover
};

/// `log_likelihoods` in nats, one a class, at least two, all finite; `answer_index` into them.
ClassificationMetrics classification_metrics(std::span<const double> log_likelihoods, std::int32_t answer_index);

}  // namespace catenary::task
