// Qwen 1.5, 2 and 2.5 (qwen2), 3, and those with experts.
// Source: models/qwen2, qwen2_moe, qwen3, qwen3_moe of huggingface/transformers.
#include <algorithm>

#include "weights/families/families.h"

namespace catenary::weights {
namespace {

/// With use_sliding_window, the layers from max_window_layers on slide.
void read_sliding(HfFields& f, ModelConfig& c) {
  if (!f.flag("use_sliding_window")) return;
  std::vector<bool> slides{false};
  if (!f.has("layer_types")) {
    const std::int64_t first = f.size("max_window_layers", 28);
    if (first < c.num_layers) f.unsupported("use_sliding_window", "true without layer_types");
  }
  f.read_layer_types(c, std::move(slides));
  c.sliding_rope = c.rope;
}

void read_qwen2(HfFields& f, ModelConfig& c) {
  read_llama_config(f, c);
  c.qkv_bias = true;
  read_sliding(f, c);
}

void read_qwen3(HfFields& f, ModelConfig& c) {
  read_llama_config(f, c);
  c.qkv_bias = c.o_bias = f.flag("attention_bias");
  c.qk_norm_kind = ModelConfig::QkNorm::kSharedByHeads;
  c.qk_norm = c.norm;
  read_sliding(f, c);
}

void read_experts(HfFields& f, ModelConfig& c) {
  c.num_experts = f.size({"num_experts", "num_local_experts"});
  c.num_experts_per_token = f.size("num_experts_per_tok");
  c.expert_intermediate_size = f.size("moe_intermediate_size");
  c.normalize_expert_weights = f.flag("norm_topk_prob");
  c.expert_layer_step = f.size("decoder_sparse_step", 1);
  if (const nlohmann::json* dense = f.find("mlp_only_layers")) {
    const auto is_layer = [](const nlohmann::json& v) { return v.is_number_unsigned() && v < (1 << 30); };
    if (dense->is_array() && std::ranges::all_of(*dense, is_layer)) {
      c.dense_layers = dense->get<std::vector<std::int64_t>>();
      std::ranges::sort(c.dense_layers);
    } else {
      f.problem("mlp_only_layers", "expected a list of layers");
    }
  }
}

void read_qwen2_moe(HfFields& f, ModelConfig& c) {
  read_llama_config(f, c);
  c.qkv_bias = f.flag("qkv_bias", true);
  read_experts(f, c);
  c.shared_expert_intermediate_size = f.size("shared_expert_intermediate_size");
  read_sliding(f, c);
}

void read_qwen3_moe(HfFields& f, ModelConfig& c) {
  read_qwen3(f, c);
  read_experts(f, c);
}

void read_qwen2_gguf(GgufFields& f, ModelConfig& c) {
  f.read_llama(c);
  c.qkv_bias = true;
  f.refuse_number("attention.sliding_window");
}

void read_qwen3_gguf(GgufFields& f, ModelConfig& c) {
  f.read_llama(c);
  c.qk_norm_kind = ModelConfig::QkNorm::kSharedByHeads;
  c.qk_norm = c.norm;
  f.refuse_number("attention.sliding_window");
}

constexpr GgufFamily kGgufQwen2{.architecture = "qwen2", .read = read_qwen2_gguf};
constexpr GgufFamily kGgufQwen3{.architecture = "qwen3", .read = read_qwen3_gguf};

}  // namespace

const Family kQwen2{.model_type = "qwen2", .model_class = "Qwen2ForCausalLM", .read = read_qwen2, .gguf = &kGgufQwen2};
const Family kQwen3{.model_type = "qwen3", .model_class = "Qwen3ForCausalLM", .read = read_qwen3, .gguf = &kGgufQwen3};
const Family kQwen2Moe{.model_type = "qwen2_moe", .model_class = "Qwen2MoeForCausalLM", .read = read_qwen2_moe};
const Family kQwen3Moe{.model_type = "qwen3_moe", .model_class = "Qwen3MoeForCausalLM", .read = read_qwen3_moe};

}  // namespace catenary::weights
