#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <limits>

#include "model/operations.h"

namespace catenary::test {

/// Attention by the formula, in float64. queries [queries, heads, dim], keys and values [keys, heads or a divisor,
/// dim]; a causal mask ends at the last query and the last key.
inline model::Attended attend_plainly(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                                      bool is_causal, double scale) {
  const std::int64_t num_queries = queries.size(0), num_keys = keys.size(0);
  const auto by_head = [&](const at::Tensor& x) {
    return x.repeat_interleave(queries.size(1) / x.size(1), 1).transpose(0, 1).to(at::kDouble);
  };
  at::Tensor scores = at::matmul(by_head(queries), by_head(keys).transpose(1, 2)) * scale;
  if (is_causal) {
    const at::Tensor ahead =
        at::ones({num_queries, num_keys}, scores.options().dtype(at::kBool)).triu(num_keys - num_queries + 1);
    scores.masked_fill_(ahead, -std::numeric_limits<double>::infinity());
  }
  return {at::matmul(scores.softmax(-1), by_head(values)).transpose(0, 1), scores.logsumexp(-1).transpose(0, 1)};
}

}  // namespace catenary::test
