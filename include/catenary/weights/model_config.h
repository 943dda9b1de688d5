#pragma once

#include <cstdint>
#include <string>

namespace catenary::weights {

/// The architecture of a decoder, in the words of Hugging Face configs. Filled from config.json or GGUF metadata.
struct ModelConfig {
  std::string architecture;  // "llama"
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;  // of the gated MLP
  std::int64_t num_layers = 0;
  std::int64_t num_heads = 0;
  std::int64_t num_kv_heads = 0;  // divides num_heads
  std::int64_t head_dim = 0;      // even
  std::int64_t vocab_size = 0;    // rows of the embedding
  std::int64_t max_position_embeddings = 0;
  double rms_norm_eps = 0;
  double rope_theta = 0;
  bool tie_word_embeddings = false;  // lm_head is the embedding

  bool operator==(const ModelConfig&) const = default;
};

}  // namespace catenary::weights
