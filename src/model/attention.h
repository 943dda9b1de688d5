#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "catenary/model/decoder.h"
#include "catenary/model/prefix_tree.h"
#include "catenary/weights/model_config.h"
#include "model/attention_plan.h"
#include "model/operations.h"

namespace catenary::model {

/// Tokens that go through a layer together, as an Attention prepared them.
struct TokenGroup {
  virtual ~TokenGroup() = default;
  std::int64_t first_token = 0, num_tokens = 0;
};

/// Attention of tokens that share prefixes: each sees its path, of the last range up to itself. Nothing is padded.
/// Keeps references to what it is made of.
class Attention {
 public:
  virtual ~Attention() = default;

  /// Room for one layer's keys and values.
  virtual KeyValues make_key_values(std::int64_t num_slots) const = 0;
  /// Copies the prefix's to the first slots.
  virtual void set_first_slots(const KeyValues& key_values, const KeyValues& prefix) const = 0;
  /// A copy of what is in the first slots.
  virtual KeyValues first_slots(const KeyValues& key_values, std::int64_t num_slots) const = 0;

  /// Some of the layout's tokens, ascending: once for all layers.
  virtual std::unique_ptr<TokenGroup> prepare(const TokenLayout& layout,
                                              std::span<const std::int64_t> tokens) const = 0;

  /// Takes the projections of neighbouring tokens apart, qkv [tokens, (num_heads + 2·num_kv_heads)·head_dim]: keys,
  /// rotated, and values go to `key_values`; returns the queries, rotated, for attend(). `rotation` is by the layout's
  /// tokens; undefined: none.
  virtual at::Tensor store(const at::Tensor& qkv, const TokenGroup& tokens, const Rotation& rotation,
                           const KeyValues& key_values) const = 0;

  /// What the tokens see of `key_values`: [tokens, num_heads·head_dim]. `queries` are theirs.
  virtual at::Tensor attend(const at::Tensor& queries, const TokenGroup& tokens, const KeyValues& key_values,
                            bool slides) const = 0;
};

/// Through the kernels of cpu/kernels.h.
std::unique_ptr<Attention> make_cpu_attention(const weights::ModelConfig& config, const at::Tensor& alibi_slopes,
                                              at::ScalarType dtype);

/// Segments on the device, int32; `key_begins` has one more, as ATen wants it, that means nothing.
struct DeviceSegments {
  at::Tensor query_begins, key_begins, num_keys;
  std::int32_t most_queries, most_keys;
};

/// Attention of segments: `queries` [queries, num_heads, head_dim], keys and values [slots, num_kv_heads, head_dim].
class SegmentAttention {
 public:
  virtual ~SegmentAttention() = default;
  /// Queries that a segment may have.
  virtual std::int64_t max_queries() const = 0;
  virtual Attended attend(const at::Tensor& queries, const KeyValues& key_values, const DeviceSegments& segments,
                          bool is_causal, double scale) const = 0;
};

/// Scores that attention through matrix products has in memory at a time.
inline constexpr std::int64_t kMaxScores = std::int64_t{1} << 25;

/// On any device. Keys and values lie [slots, num_kv_heads, head_dim]. Through `segments` where there is one and the
/// rule is plain; soft caps, ALiBi and windows that are shorter than a text go through matrix products, a branch at a
/// time, with at most `max_scores` scores (or those of one query) in memory.
std::unique_ptr<Attention> make_aten_attention(const weights::ModelConfig& config, const at::Tensor& alibi_slopes,
                                               at::TensorOptions options, const Operations& operations,
                                               std::unique_ptr<SegmentAttention> segments,
                                               std::int64_t max_scores = kMaxScores);

/// The best of the device; with Kernels::kAten that of matrix products alone.
std::unique_ptr<Attention> make_attention(const weights::ModelConfig& config, const at::Tensor& alibi_slopes,
                                          at::TensorOptions options, const Operations& operations, Kernels kernels);

}  // namespace catenary::model
