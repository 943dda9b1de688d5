#pragma once

#include <cstdint>
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

/// Tokens that go through the model together. On a CPU more than about a thousand leave the cache and gain nothing.
inline constexpr std::int64_t kMaxBatchTokens = 1024;

/// Log-likelihood of each continuation given its context, in nats: the sum over the continuation's tokens of
/// log p(token | everything before it), log-softmax in float32, sum in float64. Greedy where each token is the argmax.
/// A log-likelihood that is not finite (weights or activations overflowed) is returned as it is.
/// Same requests, same bits (for the same device kind, dtype and number of threads). Throws DataError for a request
/// that the model cannot take. Source: loglikelihood in EleutherAI/lm-evaluation-harness,
/// lm_eval/models/huggingface.py.
Scores score(const model::Decoder& decoder, std::span<const Request> requests,
             std::int64_t max_batch_tokens = kMaxBatchTokens);

}  // namespace catenary::engine
