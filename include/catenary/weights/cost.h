#pragma once

#include <cstdint>
#include <optional>

#include "catenary/weights/model_config.h"

namespace catenary::weights {

/// What a model's weights are for. transformers counts `total` the same.
struct ParameterCount {
  std::int64_t total = 0;      // a tied lm_head is the embedding and counts once
  std::int64_t embedding = 0;  // of those: embeddings of tokens and positions, an untied lm_head
  std::int64_t active = 0;     // of the total, without the experts that a token does not go through
};
ParameterCount count_parameters(const ModelConfig& config);

/// FLOPs of 6·N·D: a forward pass costs two for each parameter and token, a backward pass twice that. Source: Kaplan et
/// al. 2020 (arXiv:2001.08361), section 2.1. N here is `active`, embeddings included, as in Hoffmann et al. 2022
/// (arXiv:2203.15556); Kaplan's N leaves embeddings out.
double training_flops(const ParameterCount& parameters, double training_tokens);

/// FLOPs of a forward pass, for one token. A multiplication with its addition is two.
struct ForwardFlops {
  double layers = 0;     // 2 for each weight of a matrix that the token is multiplied with: projections, MLP, router
                         // and the chosen experts
  double logits = 0;     // 2 · vocab_size · embedding_size, of a token whose logits are asked for
  double attention = 0;  // 4 · num_heads · head_dim for each layer and token seen: queries with keys, weights with
                         // values; a sliding layer sees at most its window
};
/// Of a token that sees `num_tokens_seen`, itself included. Looking up embeddings, norms, biases, activations,
/// rotations and softmax are not counted. Source: Chowdhery et al. 2022 (arXiv:2204.02311), appendix B. In Kaplan et
/// al. 2020, table 1, attention has half of this: the mean over a text whose tokens see only those before them.
ForwardFlops forward_flops(const ModelConfig& config, std::int64_t num_tokens_seen);

/// What the rank of a tensor-parallel group that has most holds (weights/share.h).
struct RankShare {
  std::int64_t split_parameters = 0;       // this rank's part of what is split
  std::int64_t replicated_parameters = 0;  // norms, position embeddings, routers, biases after a sum over ranks
  std::int64_t kv_elements_per_token = 0;  // keys and values of all layers
};
/// Nothing if the model cannot be split so.
std::optional<RankShare> rank_share(const ModelConfig& config, std::int64_t tensor_parallel_size);

}  // namespace catenary::weights
