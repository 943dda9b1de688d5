#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "catenary/spec/sweep_spec.h"
#include "catenary/weights/checkpoint.h"

namespace catenary::model {

/// Token sequences laid one after another, without padding. Each starts at position 0 and sees only itself.
struct PackedSequences {
  std::vector<std::int32_t> tokens;
  std::vector<std::int64_t> ends;  // one past each sequence's last token in `tokens`

  std::int64_t num_tokens() const { return std::ssize(tokens); }
};

/// What the model says of one token given everything before it.
struct TokenScore {
  float log_probability = 0;  // nats
  bool is_argmax = false;
};

/// A decoder-only transformer of the Llama family, resident on one device. Not thread-safe.
/// Source: LlamaModel in huggingface/transformers, models/llama/modeling_llama.py.
class Decoder {
 public:
  /// Reads all weights. `dtype` is that of weights and activations. Throws DataError if a tensor cannot be read.
  Decoder(const weights::Checkpoint& checkpoint, spec::DType dtype, at::Device device);

  const weights::ModelConfig& config() const { return config_; }
  at::Device device() const { return embedding_.device(); }

  /// Hidden states after the last norm, [num_tokens, hidden_size], in the decoder's dtype.
  /// Throws DataError if a token id is not in the vocabulary or a sequence is longer than the model's context.
  at::Tensor hidden_states(const PackedSequences& sequences) const;

  /// The score of targets[i] as the token that follows row rows[i] of `hidden` ([num_tokens, hidden_size]).
  /// Only those rows are projected to the vocabulary, some at a time; log-softmax is taken in float32. Throws DataError
  /// if a target is not in the vocabulary.
  std::vector<TokenScore> score_next_tokens(const at::Tensor& hidden, std::span<const std::int64_t> rows,
                                            std::span<const std::int32_t> targets) const;

 private:
  struct Layer {
    at::Tensor attention_norm;  // [hidden_size]
    at::Tensor qkv_proj;        // [(num_heads + 2·num_kv_heads)·head_dim, hidden_size]
    at::Tensor o_proj;          // [hidden_size, num_heads·head_dim]
    at::Tensor mlp_norm;        // [hidden_size]
    at::Tensor gate_up_proj;    // [2·intermediate_size, hidden_size]
    at::Tensor down_proj;       // [hidden_size, intermediate_size]
  };

  void check_tokens(std::span<const std::int32_t> tokens) const;
  at::Tensor attention(const Layer& layer, const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                       std::span<const std::int64_t> ends) const;
  at::Tensor mlp(const Layer& layer, const at::Tensor& x) const;

  weights::ModelConfig config_;
  at::Tensor embedding_;   // [vocab_size, hidden_size]
  at::Tensor lm_head_;     // [vocab_size, hidden_size]; the embedding itself when tied
  at::Tensor final_norm_;  // [hidden_size]
  std::vector<Layer> layers_;
};

}  // namespace catenary::model
