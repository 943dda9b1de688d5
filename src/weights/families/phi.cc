// Phi 1, 1.5 and 2 (phi); Phi 3 and 4 (phi3).
// Source: models/phi, models/phi3 of huggingface/transformers.
#include "weights/families/families.h"

namespace catenary::weights {
namespace {

void read_phi(HfFields& f, ModelConfig& c) {
  f.read_sizes(c);
  c.norm = {.kind = NormConfig::Kind::kLayer, .eps = f.positive("layer_norm_eps", 1e-5), .has_bias = true};
  c.residual = ModelConfig::Residual::kParallel;
  c.shared_pre_norm = true;
  c.rope = f.rope(c, {.rotated_share = 0.5, .may_be_partial = true});
  c.qkv_bias = c.o_bias = c.mlp_bias = c.lm_head_bias = true;
  if (f.flag("qk_layernorm")) {
    c.qk_norm_kind = ModelConfig::QkNorm::kSharedByHeads;
    c.qk_norm = c.norm;
  }
  c.gated_mlp = false;
  c.activation = f.activation("hidden_act", "gelu_new");
  c.tie_word_embeddings = f.flag("tie_word_embeddings");
  if (c.tie_word_embeddings) f.unsupported("tie_word_embeddings", "true");
}

constexpr TensorName kPhiNames[] = {
    {"model.norm", "model.final_layernorm"},
    {"self_attn.o_proj", "model.layers.{}.self_attn.dense"},
    {"self_attn.q_norm", "model.layers.{}.self_attn.q_layernorm"},
    {"self_attn.k_norm", "model.layers.{}.self_attn.k_layernorm"},
    {"mlp.up_proj", "model.layers.{}.mlp.fc1"},
    {"mlp.down_proj", "model.layers.{}.mlp.fc2"},
};

void read_phi3(HfFields& f, ModelConfig& c) {
  read_llama_config(f, c, {.may_be_partial = true});
  if (c.rope.scaling != RopeConfig::Scaling::kNone && c.rope.scaling != RopeConfig::Scaling::kFactors) {
    f.unsupported(f.has("rope_parameters") ? "rope_parameters" : "rope_scaling", "another rope scaling than longrope");
  }
  if (f.has("sliding_window")) {
    c.sliding_window = f.size("sliding_window");
    c.sliding_layers = {true};
    c.sliding_rope = c.rope;
  }
}

constexpr TensorName kPhi3Names[] = {
    {"self_attn.q_proj", "model.layers.{}.self_attn.qkv_proj", Rows::kFused},
    {"self_attn.k_proj", "model.layers.{}.self_attn.qkv_proj", Rows::kFused},
    {"self_attn.v_proj", "model.layers.{}.self_attn.qkv_proj", Rows::kFused},
    {"mlp.gate_proj", "model.layers.{}.mlp.gate_up_proj", Rows::kFused},
    {"mlp.up_proj", "model.layers.{}.mlp.gate_up_proj", Rows::kFused},
};

}  // namespace

const Family kPhi{.model_type = "phi", .model_class = "PhiForCausalLM", .read = read_phi, .names = kPhiNames};
const Family kPhi3{.model_type = "phi3", .model_class = "Phi3ForCausalLM", .read = read_phi3, .names = kPhi3Names};

}  // namespace catenary::weights
