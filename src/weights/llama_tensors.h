#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/weights/model_config.h"

namespace catenary::weights {

/// A tensor that a model needs.
struct NeededTensor {
  std::string name;       // Hugging Face's
  std::string gguf_name;  // llama.cpp's
  std::vector<std::int64_t> shape;
};

/// Tensors of one layer, so that a config's num_layers can be doubted before the list is made.
constexpr std::int64_t kTensorsPerLayer = 9;

/// Every tensor of the Llama model that `config` describes, and no other.
std::vector<NeededTensor> llama_tensors(const ModelConfig& config);

/// Whether rotary embedding acts on what this projection computes (q_proj and k_proj, by Hugging Face name).
bool is_rotary_projection(std::string_view name);

/// Hugging Face pairs row i of a head with row i + head_dim/2 for rotary embedding; GGUF Llama files put the two next
/// to each other. Returns where GGUF keeps Hugging Face's `row`. Source: LlamaModel.permute in llama.cpp's
/// convert_hf_to_gguf.py.
std::int64_t gguf_row(std::int64_t row, std::int64_t head_dim);

}  // namespace catenary::weights
