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

/// Cosines and sines of rotary embedding, [num_tokens, 1, dim / 2].
struct Rotation {
  at::Tensor cos, sin;
};

/// A decoder-only transformer as its ModelConfig describes it, resident on one device. Not thread-safe.
/// Source: the families' models/<model_type>/modeling_<model_type>.py in huggingface/transformers.
class Decoder {
 public:
  /// Reads all weights. `dtype` is that of weights and activations. Throws DataError if a tensor cannot be read.
  Decoder(const weights::Checkpoint& checkpoint, spec::DType dtype, at::Device device);

  const weights::ModelConfig& config() const { return config_; }
  at::Device device() const { return embedding_.device(); }

  /// What the projection to the vocabulary takes, [num_tokens, embedding_size], in the decoder's dtype: hidden states
  /// after the last norm. Throws DataError if a token id is not in the vocabulary or a sequence is longer than the
  /// model's context.
  at::Tensor hidden_states(const PackedSequences& sequences) const;

  /// Logits of the token that follows each row of `hidden` ([rows, embedding_size]): float32 [rows, vocab_size].
  at::Tensor logits(const at::Tensor& hidden) const;

  /// The score of targets[i] as the token that follows row rows[i] of `hidden` ([num_tokens, embedding_size]).
  /// Only those rows are projected to the vocabulary, some at a time; log-softmax is taken in float32. Throws DataError
  /// if a target is not in the vocabulary.
  std::vector<TokenScore> score_next_tokens(const at::Tensor& hidden, std::span<const std::int64_t> rows,
                                            std::span<const std::int32_t> targets) const;

 private:
  struct Norm {         // undefined tensors where the config has none
    at::Tensor weight;  // [size], or [heads, head_dim]; float32 and 1 added where the config has a unit offset
    at::Tensor bias;    // [size]
  };
  struct Linear {
    at::Tensor weight;  // [out, in]
    at::Tensor bias;    // [out]
  };
  struct Mlp {
    Linear gate_up_proj;  // [2·size, hidden_size]; up alone, [size, hidden_size], without a gate
    Linear down_proj;     // [hidden_size, size]
  };
  struct Layer {
    bool slides = false;
    Norm attention_norm, attention_output_norm;  // before and after
    Linear qkv_proj;                             // [(num_heads + 2·num_kv_heads)·head_dim, hidden_size]
    Linear o_proj;                               // [hidden_size, num_heads·head_dim]
    Norm q_norm, k_norm;
    Norm mlp_norm, mlp_output_norm;
    Mlp mlp;                        // dense, or the shared expert
    at::Tensor router;              // [num_experts, hidden_size]
    at::Tensor shared_expert_gate;  // [1, hidden_size]
    std::vector<Mlp> experts;
  };
  class Loader;

  void check_tokens(std::span<const std::int32_t> tokens) const;
  at::Tensor embed(const at::Tensor& ids, const at::Tensor& positions) const;
  /// x plus what attention or MLP made of it, with the norm that the config puts there.
  at::Tensor add(const at::Tensor& x, const at::Tensor& branch, const Norm& norm) const;
  at::Tensor attention(const Layer& layer, const at::Tensor& x, const Rotation& rotation,
                       std::span<const std::int64_t> ends) const;
  at::Tensor mlp(const Layer& layer, const at::Tensor& x) const;
  at::Tensor dense_mlp(const Mlp& mlp, const at::Tensor& x) const;
  at::Tensor mixture_of_experts(const Layer& layer, const at::Tensor& x) const;
  Rotation rotation(const weights::RopeConfig& rope, std::span<const std::int64_t> ends) const;

  at::Tensor normalize(const at::Tensor& x, const Norm& norm) const;
  static at::Tensor normalize(const at::Tensor& x, const Norm& norm, const weights::NormConfig& config);
  static at::Tensor linear(const at::Tensor& x, const Linear& linear);

  weights::ModelConfig config_;
  at::Tensor embedding_;  // [vocab_size, embedding_size]
  Norm embedding_norm_;
  at::Tensor position_embedding_;        // [max_position_embeddings + position_offset, hidden_size]
  at::Tensor project_in_, project_out_;  // [hidden_size, embedding_size] and its transpose's shape
  Norm final_norm_;
  Linear lm_head_;           // [vocab_size, embedding_size]; the embedding itself when tied
  at::Tensor alibi_slopes_;  // [num_heads], float32
  std::vector<Layer> layers_;
};

}  // namespace catenary::model
