// Llama 1, 2, 3.x; SmolLM and others that chose its architecture.
// Source: models/llama of huggingface/transformers.
#include <algorithm>
#include <cmath>

#include "weights/families/families.h"

namespace catenary::weights {

void read_llama_config(HfFields& f, ModelConfig& c, const HfFields::RopeDefaults& rope) {
  f.read_sizes(c);
  c.norm = {.kind = NormConfig::Kind::kRms, .eps = f.positive("rms_norm_eps")};
  c.rope = f.rope(c, rope);
  c.activation = f.activation("hidden_act", "silu");
  c.tie_word_embeddings = f.flag("tie_word_embeddings");
}

namespace {

void read(HfFields& f, ModelConfig& c) {
  read_llama_config(f, c);
  c.qkv_bias = c.o_bias = f.flag("attention_bias");
  c.mlp_bias = f.flag("mlp_bias");
}

/// Llama 3's scaling comes as the numbers that divide the frequencies.
void read_rope_factors(GgufFields& f, ModelConfig& c) {
  const TensorInfo* factors = f.find_tensor("rope_freqs.weight");
  if (factors == nullptr) return;
  std::vector<float> values(static_cast<std::size_t>(factors->num_elements()));
  dequantize(factors->encoding, factors->bytes, values);
  const auto is_good = [](float value) { return std::isfinite(value) && value > 0; };
  if (std::cmp_not_equal(values.size(), c.rope.dim / 2) || !std::ranges::all_of(values, is_good)) {
    f.problem("rope_freqs.weight", "expected one positive number for each pair that is rotated");
    return;
  }
  c.rope.scaling = RopeConfig::Scaling::kFactors;
  c.rope.original_context = c.max_position_embeddings;
  c.rope.short_factors.assign(values.begin(), values.end());
  c.rope.long_factors = c.rope.short_factors;
}

void read_gguf(GgufFields& f, ModelConfig& c) {
  f.read_llama(c);
  read_rope_factors(f, c);
  for (const char* key : {"expert_count", "attention.sliding_window"}) f.refuse_number(key);
}

constexpr TensorName kGguf[] = {
    {"self_attn.q_proj", "blk.{}.attn_q", Rows::kPairsInterleaved},
    {"self_attn.k_proj", "blk.{}.attn_k", Rows::kPairsInterleaved},
};
constexpr std::string_view kInConfig[] = {"rope_freqs.weight"};
constexpr GgufFamily kGgufLlama{.architecture = "llama", .read = read_gguf, .names = kGguf, .ignored = kInConfig};

}  // namespace

const Family kLlama{.model_type = "llama", .model_class = "LlamaForCausalLM", .read = read, .gguf = &kGgufLlama};

}  // namespace catenary::weights
