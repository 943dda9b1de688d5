// StableLM 2 and StableLM 3B.
// Source: models/stablelm of huggingface/transformers.
#include <algorithm>

#include "weights/families/families.h"

namespace catenary::weights {
namespace {

void read(HfFields& f, ModelConfig& c) {
  f.read_sizes(c);
  c.norm = {.kind = NormConfig::Kind::kLayer, .eps = f.positive("layer_norm_eps", 1e-5), .has_bias = true};
  if (f.flag("use_parallel_residual")) {
    c.residual = ModelConfig::Residual::kParallel;
    c.shared_pre_norm = true;
  }
  c.rope = f.rope(c, {.rotated_share = 0.25, .may_be_partial = true});
  c.qkv_bias = f.flag("use_qkv_bias");
  if (f.flag("qk_layernorm")) {
    constexpr std::int64_t kMaxHeads = 4096;  // many more than any model has; their norms are listed one by one
    if (c.num_heads > kMaxHeads) f.unsupported("num_attention_heads", "so many heads with qk_layernorm");
    c.num_heads = std::min(c.num_heads, kMaxHeads);
    c.qk_norm_kind = ModelConfig::QkNorm::kEachHead;
    c.qk_norm = {.kind = NormConfig::Kind::kLayer, .eps = c.norm.eps};
  }
  c.activation = f.activation("hidden_act", "silu");
  c.tie_word_embeddings = f.flag("tie_word_embeddings");
}

constexpr TensorName kNames[] = {
    {"self_attn.q_norm", "model.layers.{}.self_attn.q_layernorm.norms.{}"},
    {"self_attn.k_norm", "model.layers.{}.self_attn.k_layernorm.norms.{}"},
};

}  // namespace

const Family kStableLm{.model_type = "stablelm", .model_class = "StableLmForCausalLM", .read = read, .names = kNames};

}  // namespace catenary::weights
