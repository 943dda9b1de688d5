#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "catenary/model/decoder.h"
#include "catenary/weights/model_config.h"

namespace catenary::model {

/// Puts together what a model says of tokens while the vocabulary, or a rank's share of it, goes by in parts.
class NextTokenScoring {
 public:
  virtual ~NextTokenScoring() = default;
  /// The logits, not capped yet, of rows first_row, … and tokens first_token, …
  virtual void add(const at::Tensor& logits, std::int64_t first_row, std::int64_t first_token) = 0;
  /// By target. Collective: ranks exchange each row's maximum and sum, and each target's logit, never logits of rows.
  virtual std::vector<TokenScore> scores(parallel::TensorParallelGroup& group) const = 0;
};

/// The output of queries against some of the keys that they see, and the log of the sum of their scores' exponentials.
struct Attended {
  at::Tensor out;          // [queries, num_heads, head_dim]
  at::Tensor log_sum_exp;  // [queries, num_heads], float32, any strides
};

/// Which parts a query has: as in AttentionPlan, on the device.
struct QueryParts {
  at::Tensor above_rows;                       // int64
  at::Tensor merged_rows, part_begins, parts;  // int32
};

/// What a decoder computes besides matrix products and attention. These, the base, are ATen's and run on any device;
/// devices have faster ones. Arithmetic is float32 throughout.
class Operations {
 public:
  virtual ~Operations() = default;

  /// x / sqrt(mean(x²) + eps) · weight over the last dimension; `weight` float32, or undefined for 1.
  virtual at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) const;
  /// x += branch; then as above.
  virtual at::Tensor add_rms_norm_(const at::Tensor& x, const at::Tensor& branch, const at::Tensor& weight,
                                   double eps) const;

  /// activation(gate) · up. `gate_up` [rows, 2·size]; returns [rows, size].
  virtual at::Tensor gated(const at::Tensor& gate_up, weights::ModelConfig::Activation activation) const;

  /// Takes rows of queries, keys and values [rows, (num_heads + 2·num_kv_heads)·head_dim] apart: keys, rotated, and
  /// values go to `slots` of key_values, both [slots, num_kv_heads, head_dim]; returns the queries, rotated, [rows,
  /// num_heads·head_dim]. `rotation` is by row; undefined: nothing turns.
  virtual at::Tensor store(const at::Tensor& qkv, const at::Tensor& slots, const Rotation& rotation,
                           const weights::ModelConfig& config, const KeyValues& key_values) const;

  /// Merges what rows of `own` got elsewhere into them: Σ exp(log_sum_exp) · out / Σ exp(log_sum_exp).
  virtual void merge_(const Attended& own, const Attended& above, const QueryParts& parts) const;

  /// Scores targets[i] as the token that follows row rows[i] of num_rows; rows ascend. Logits are capped first,
  /// softcap · tanh(logit / softcap), where softcap > 0. `rows` and `targets` must outlive the result.
  virtual std::unique_ptr<NextTokenScoring> score(std::int64_t num_rows, std::span<const std::int64_t> rows,
                                                  std::span<const std::int32_t> targets, double softcap) const;
};

at::Tensor activate(const at::Tensor& x, weights::ModelConfig::Activation activation);
at::Tensor soft_capped(const at::Tensor& x, double cap);

/// The best of the device; ATen's with Kernels::kAten.
std::unique_ptr<Operations> make_operations(at::Device device, Kernels kernels);

}  // namespace catenary::model
