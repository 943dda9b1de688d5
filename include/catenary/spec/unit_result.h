#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace catenary::spec {

/// What a model wrote: the reasoning under a cot condition, the answer to a numeric item.
struct GeneratedText {
  std::string text;
  std::int32_t num_tokens = 0;  // generated
  bool is_cut = false;          // its end is lost: the store had no room for it (WorkUnit::num_bytes_per_text)

  bool operator==(const GeneratedText&) const = default;
};

/// What the model says of one item's continuations, in the order of the item's classes.
struct ItemScore {
  std::vector<double> log_likelihoods;   // nats, summed over the continuation's tokens
  std::vector<std::int32_t> num_tokens;  // of the continuation
  std::vector<std::uint8_t> is_greedy;   // 1 where every token of the continuation is the argmax
  bool is_truncated = false;             // the prompt was cut to fit the model's context
  std::vector<GeneratedText> texts;      // WorkUnit::num_texts_per_item of them

  bool operator==(const ItemScore&) const = default;
};

/// The outcome of one item range: its scores, or the reason why there are none.
struct RangeResult {
  std::vector<ItemScore> items;     // as many as the range has; empty if it failed
  std::string error;                // empty if it did not fail
  double seconds = 0;               // wall time of scoring, loading not included
  std::int64_t num_tokens_fed = 0;  // tokens that went through the model
  double flops = 0;                 // of its weights with them: weights::forward_flops without attention
};

}  // namespace catenary::spec
