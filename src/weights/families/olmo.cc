// OLMo 1 (a norm without weights), OLMo 2 (norms of what comes out), OLMoE.
// Source: models/olmo, olmo2, olmoe of huggingface/transformers.
#include "weights/families/families.h"

namespace catenary::weights {
namespace {

void read_clip(HfFields& f, ModelConfig& c) {
  if (f.has("clip_qkv")) c.qkv_clip = f.positive("clip_qkv");
}

void read_olmo(HfFields& f, ModelConfig& c) {
  f.read_sizes(c);
  c.norm = {.kind = NormConfig::Kind::kLayer, .eps = 1e-5, .has_weight = false};
  c.rope = f.rope(c);
  c.qkv_bias = c.o_bias = f.flag("attention_bias");
  read_clip(f, c);
  c.activation = f.activation("hidden_act", "silu");
  c.tie_word_embeddings = f.flag("tie_word_embeddings");
}

void read_olmo2(HfFields& f, ModelConfig& c) {
  read_llama_config(f, c);
  c.qkv_bias = c.o_bias = f.flag("attention_bias");
  c.pre_norm = false;
  c.post_norm = true;
  c.qk_norm_kind = ModelConfig::QkNorm::kWholeProjection;
  c.qk_norm = c.norm;
}

constexpr TensorName kOlmo2Names[] = {
    {"attention_output_norm", "model.layers.{}.post_attention_layernorm"},
    {"mlp_output_norm", "model.layers.{}.post_feedforward_layernorm"},
};

void read_olmoe(HfFields& f, ModelConfig& c) {
  read_llama_config(f, c);
  c.qkv_bias = c.o_bias = f.flag("attention_bias");
  read_clip(f, c);
  c.qk_norm_kind = ModelConfig::QkNorm::kWholeProjection;
  c.qk_norm = c.norm;
  c.num_experts = f.size({"num_experts", "num_local_experts"});
  c.num_experts_per_token = f.size("num_experts_per_tok");
  c.expert_intermediate_size = c.intermediate_size;
  c.normalize_expert_weights = f.flag("norm_topk_prob");
}

}  // namespace

const Family kOlmo{.model_type = "olmo", .model_class = "OlmoForCausalLM", .read = read_olmo};
const Family kOlmo2{.model_type = "olmo2", .model_class = "Olmo2ForCausalLM", .read = read_olmo2, .names = kOlmo2Names};
const Family kOlmoe{.model_type = "olmoe", .model_class = "OlmoeForCausalLM", .read = read_olmoe};

}  // namespace catenary::weights
