#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "catenary/model/prefix_tree.h"
#include "catenary/parallel/tensor_parallel_group.h"
#include "catenary/spec/sweep_spec.h"
#include "catenary/weights/checkpoint.h"
#include "catenary/weights/share.h"

namespace catenary::model {

/// What the model says of one token given everything before it.
struct TokenScore {
  float log_probability = 0;  // nats
  bool is_argmax = false;
};

/// Cosines and sines of rotary embedding, [num_tokens, dim / 2], float32; undefined where nothing turns.
struct Rotation {
  at::Tensor cos, sin;
};

/// Keys and values of one layer, laid out as the device's attention reads them (src/model/attention.h).
struct KeyValues {
  at::Tensor keys, values;
};

/// A token that follows others, whose keys and values are kept.
struct NextToken {
  std::int32_t token;
  std::vector<SlotRange> path;  // what it sees, itself the last; its own keys and values go to that slot
};

/// What a sequence leaves behind in every layer for those that begin with it. It always goes through the model by
/// itself, so its bits do not depend on what follows.
struct Prefix {
  std::vector<std::int32_t> tokens;
  std::vector<KeyValues> layers = {};  // empty: not read yet

  std::int64_t length() const { return std::ssize(tokens); }
};

/// x · weightᵀ + bias.
struct Linear {
  at::Tensor weight;  // [out, in]; on the CPU as oneDNN wants it (src/model/linear.h)
  at::Tensor bias;    // [out], or undefined
  at::Tensor memory;  // where the weight lies that does not own its own
};

struct TokenLayout;  // src/model/attention_plan.h
class Attention;     // src/model/attention.h
class Operations;    // src/model/operations.h
class Prefetcher;    // src/model/prefetch.h

/// Where a decoder's weights are.
enum class Placement {
  kResident,  // all on the device
  kStreamed,  // read from the checkpoint a layer at a time, the next one while a layer computes
};

/// Whose kernels compute what is no matrix product.
enum class Kernels {
  kOwn,   // ours, where the device has them
  kAten,  // libtorch's alone, slowly: what ours are compared with
};

/// A decoder-only transformer as its ModelConfig describes it, on one device, or on one for each rank of a group: then
/// each has its share of the weights (weights/share.h), calls are collective, and all ranks have the same results, to
/// the bit. Not thread-safe.
/// Source: the families' models/<model_type>/modeling_<model_type>.py in huggingface/transformers.
class Decoder {
 public:
  /// Reads all weights; streamed, those of norms and positions only, and keeps a reference to the checkpoint. `dtype`
  /// is that of weights and activations. Both placements give the same bits. Keeps a reference to the group. Throws
  /// DataError if a tensor cannot be read, SpecError if the model cannot be split among the group's ranks. Independent.
  Decoder(const weights::Checkpoint& checkpoint, spec::DType dtype, at::Device device,
          Placement placement = Placement::kResident, Kernels kernels = Kernels::kOwn,
          parallel::TensorParallelGroup& group = parallel::single_rank());
  ~Decoder();

  /// Of the whole model.
  const weights::ModelConfig& config() const { return config_; }
  parallel::TensorParallelGroup& group() const { return group_; }
  at::Device device() const { return options_.device(); }

  /// Throws DataError if a token id is not in the vocabulary.
  void check_tokens(std::span<const std::int32_t> tokens) const;

  /// What the projection to the vocabulary takes at some of the tree's tokens, [rows.size(), embedding_size], in the
  /// decoder's dtype: hidden states after the last norm. `rows` ascend. All tokens go through a layer before the next
  /// one begins, some at a time. With `prefix`, the tree's sequences follow it; its length is tree.prefix_length(), and
  /// its layers are filled in if they are not there yet.
  /// Throws DataError if a token id is not in the vocabulary or a sequence is longer than the model's context.
  at::Tensor hidden_states(const PrefixTree& tree, std::span<const std::int64_t> rows, Prefix* prefix = nullptr) const;

  /// The same without a prefix, and keeps all layers' keys and values in `kept`, with room for `extra_slots` more
  /// tokens after the tree's.
  at::Tensor hidden_states(const PrefixTree& tree, std::span<const std::int64_t> rows, std::int64_t extra_slots,
                           std::vector<KeyValues>& kept) const;
  /// Hidden states of tokens that follow what is kept, one a sequence, [tokens.size(), embedding_size]; keeps theirs
  /// too.
  at::Tensor next_hidden_states(std::span<const NextToken> tokens, std::vector<KeyValues>& kept) const;

  /// Logits of the token that follows each row of `hidden` ([rows, embedding_size]): float32 [rows, vocab_size].
  at::Tensor logits(const at::Tensor& hidden) const;

  /// The score of targets[i] as the token that follows row rows[i] of `hidden` ([num_rows, embedding_size]); `rows`
  /// ascend, some may be equal. Projected to the vocabulary some at a time; log-softmax is taken in float32. Throws
  /// DataError if a target is not in the vocabulary.
  std::vector<TokenScore> score_next_tokens(const at::Tensor& hidden, std::span<const std::int64_t> rows,
                                            std::span<const std::int32_t> targets) const;

 private:
  struct Norm {         // undefined tensors where the config has none
    at::Tensor weight;  // [size], or [heads, head_dim]; float32 for RMS norm, 1 added where there is a unit offset
    at::Tensor bias;    // [size]
  };
  struct Mlp {
    Linear gate_up_proj;  // [2·size, hidden_size]; up alone, [size, hidden_size], without a gate
    Linear down_proj;     // [hidden_size, size]
  };
  struct Layer {
    bool slides = false;
    Norm attention_norm, attention_output_norm;  // before and after
    Linear qkv_proj;                             // [(num_heads + 2·num_kv_heads)·head_dim, hidden_size], own heads
    Linear o_proj;                               // [hidden_size, num_heads·head_dim]
    Norm q_norm, k_norm;
    Norm mlp_norm, mlp_output_norm;
    Mlp mlp;                        // dense, or the shared expert
    at::Tensor router;              // [num_experts, hidden_size]
    at::Tensor shared_expert_gate;  // [1, hidden_size]
    std::vector<Mlp> experts;
  };
  class Loader;

  void check_position(std::int64_t last_position) const;
  struct Pass;  // tokens on their way through the layers
  Pass make_pass(std::span<const std::int32_t> tokens, TokenLayout layout) const;
  /// All of the pass's tokens through a layer that is not the last one.
  void step(const Layer& layer, Pass& pass, const KeyValues& key_values) const;
  /// Through the last layer: keys and values of all, hidden states of `rows`.
  at::Tensor last_step(const Layer& layer, Pass& pass, std::span<const std::int64_t> rows,
                       const KeyValues& key_values) const;
  at::Tensor forward(const PrefixTree& tree, std::span<const std::int64_t> rows, Prefix* prefix,
                     std::int64_t extra_slots, std::vector<KeyValues>* kept) const;
  at::Tensor attention_input(const Layer& layer, const at::Tensor& x) const;
  at::Tensor finish(const at::Tensor& x) const;
  at::TensorOptions options() const;
  at::Tensor embed(std::span<const std::int32_t> tokens, const TokenLayout& layout) const;
  at::Tensor embedding_rows(std::span<const std::int32_t> tokens) const;
  /// The same where that is where the embedding lies; zeros where other ranks have the token.
  at::Tensor rows_of_lm_head(std::span<const std::int32_t> tokens) const;
  at::Tensor index_tensor(std::span<const std::int64_t> indices) const;
  at::Tensor project_qkv(const Layer& layer, const at::Tensor& normed) const;
  /// Rows `x`, whose attention made `attended`, become what comes out of a layer, in three steps: the tensors in
  /// between are sums over ranks that are on their way.
  at::Tensor begin_layer_(const Layer& layer, const at::Tensor& x, const at::Tensor& normed,
                          const at::Tensor& attended) const;
  at::Tensor continue_layer_(const Layer& layer, const at::Tensor& x, const at::Tensor& branch) const;
  void finish_layer_(const Layer& layer, const at::Tensor& x, const at::Tensor& branch) const;
  /// x += what attention or MLP made of it, with the norm that the config puts there.
  void add_(const at::Tensor& x, const at::Tensor& branch, const Norm& norm) const;
  at::Tensor mlp(const Layer& layer, const at::Tensor& x) const;
  at::Tensor dense_mlp(const Mlp& mlp, const at::Tensor& x) const;
  at::Tensor mixture_of_experts(const Layer& layer, const at::Tensor& x) const;
  Rotation rotation(const weights::RopeConfig& rope, const TokenLayout& layout) const;
  at::Tensor normalize(const at::Tensor& x, const Norm& norm) const;
  at::Tensor normalize(const at::Tensor& x, const Norm& norm, const weights::NormConfig& config) const;
  /// The norm over all heads of `x`, which has those of this rank.
  at::Tensor normalize_heads_of_all(const at::Tensor& x, const Norm& norm) const;

  Layer load_layer(const Loader& loader, std::int64_t index) const;
  Norm on_device(const Norm& norm) const;
  Linear on_device(const Linear& linear) const;
  Mlp on_device(const Mlp& mlp) const;
  Layer on_device(const Layer& layer) const;
  template <typename Part, typename Load>
  Part streamed(std::vector<Part>& kept, std::int64_t index, const Load& load) const;
  /// Calls f(layer, index) for one layer after another.
  void for_layers(const std::function<void(const Layer&, std::int64_t)>& f) const;
  /// Calls f(part, first) for one part of the vocabulary after another: its rows of the lm_head, and the first one's
  /// id.
  void for_vocabulary(const std::function<void(const Linear&, std::int64_t)>& f) const;
  Linear load_vocabulary(const Loader& loader, std::int64_t first) const;

  parallel::TensorParallelGroup& group_;
  weights::Share share_;
  weights::ModelConfig config_;
  weights::ModelConfig own_;   // the share as a model: what layers compute with
  weights::Range vocabulary_;  // this rank's
  at::TensorOptions options_;
  std::unique_ptr<Operations> operations_;
  std::unique_ptr<Attention> attention_;
  std::unique_ptr<Loader> loader_;  // streamed, as are the next four
  std::unique_ptr<Prefetcher> prefetcher_;
  bool keeps_on_host_ = false;  // what a GPU is sent again and again, where the host has room for it
  mutable std::vector<Layer> host_layers_;
  mutable std::vector<Linear> host_lm_head_;
  at::Tensor embedding_;  // [own vocabulary, embedding_size]; undefined when streamed or in lm_head_ alone
  Norm embedding_norm_;
  at::Tensor position_embedding_;        // [max_position_embeddings + position_offset, hidden_size]
  at::Tensor project_in_, project_out_;  // [hidden_size, embedding_size] and its transpose's shape
  Norm final_norm_;
  at::Tensor alibi_slopes_;    // [own heads], float32
  std::vector<Layer> layers_;  // resident
  std::vector<Linear>
      lm_head_;  // resident: [own vocabulary, embedding_size] in parts; those of the embedding when tied
};

}  // namespace catenary::model
