#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "catenary/engine/batch.h"
#include "catenary/model/decoder.h"
#include "catenary/spec/unit_result.h"

namespace catenary::engine {

struct Scores {
  std::vector<spec::ItemScore> items;  // one a request, in order
  std::int64_t num_tokens_fed = 0;     // through the model
};

/// Scores requests with one model. Keeps what the last requests began with, so that a long prompt header that several
/// calls share goes through the model once. Not thread-safe.
class Scorer {
 public:
  /// Keeps a reference to the decoder.
  explicit Scorer(const model::Decoder& decoder, const BatchOptions& options = {})
      : decoder_(decoder), options_(options) {}

  /// Log-likelihood of each continuation given its context, in nats: the sum over the continuation's tokens of
  /// log p(token | everything before it), log-softmax in float32, sum in float64. Greedy where each token is the
  /// argmax. Collective where ranks hold the model together. A log-likelihood that is not finite (weights or
  /// activations overflowed) is returned as it is. Same requests, same bits (for the same device kind, dtype, number of
  /// threads and options), whatever was scored before. Throws DataError for a request that the model cannot take. Where
  /// memory does not suffice, batches are halved from then on, and where ranks hold the model together this throws (see
  /// run_together); throws Error where a sequence does not fit even alone. Source: loglikelihood in
  /// EleutherAI/lm-evaluation-harness, lm_eval/models/huggingface.py.
  Scores score(std::span<const Request> requests);

  /// Collective. Runs `act`, which scores or generates, on all ranks that hold the model together; throws on all if it
  /// throws on one, as parallel::agree does. But where one lacks memory for a batch that can be halved, all halve it
  /// and run `act` again.
  void run_together(const std::function<void()>& act);

  /// Gives back the memory of what is kept.
  void forget_prefix() { prefix_ = {}; }

  /// As they are now: a lack of memory makes batches smaller.
  const BatchOptions& options() const { return options_; }
  BatchOptions& options() { return options_; }

 private:
  /// Nothing where memory did not suffice.
  std::optional<Scores> try_score(std::span<const Request> requests);
  void add_scores(const Batch& batch, Scores& scores);
  /// After this batch was too large.
  void shrink_batches(const Batch& batch);

  const model::Decoder& decoder_;
  BatchOptions options_;
  model::Prefix prefix_;
};

}  // namespace catenary::engine
