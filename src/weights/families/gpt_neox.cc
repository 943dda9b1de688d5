// GPT-NeoX: Pythia among others.
// Source: models/gpt_neox of huggingface/transformers.
#include "weights/families/families.h"

namespace catenary::weights {
namespace {

void read(HfFields& f, ModelConfig& c) {
  f.read_sizes(c);
  c.norm = {.kind = NormConfig::Kind::kLayer, .eps = f.positive("layer_norm_eps", 1e-5), .has_bias = true};
  if (f.flag("use_parallel_residual", true)) c.residual = ModelConfig::Residual::kParallel;
  c.rope = f.rope(
      c, {.rotated_share = 0.25, .theta_key = "rotary_emb_base", .share_key = "rotary_pct", .may_be_partial = true});
  c.qkv_bias = c.o_bias = f.flag("attention_bias", true);
  c.mlp_bias = true;
  c.gated_mlp = false;
  c.activation = f.activation("hidden_act", "gelu");
  c.tie_word_embeddings = f.flag("tie_word_embeddings");
}

constexpr TensorName kNames[] = {
    {"model.embed_tokens", "gpt_neox.embed_in"},
    {"model.norm", "gpt_neox.final_layer_norm"},
    {"lm_head", "embed_out"},
    {"input_layernorm", "gpt_neox.layers.{}.input_layernorm"},
    {"self_attn.q_proj", "gpt_neox.layers.{}.attention.query_key_value", Rows::kFusedByGroup},
    {"self_attn.k_proj", "gpt_neox.layers.{}.attention.query_key_value", Rows::kFusedByGroup},
    {"self_attn.v_proj", "gpt_neox.layers.{}.attention.query_key_value", Rows::kFusedByGroup},
    {"self_attn.o_proj", "gpt_neox.layers.{}.attention.dense"},
    {"post_attention_layernorm", "gpt_neox.layers.{}.post_attention_layernorm"},
    {"mlp.up_proj", "gpt_neox.layers.{}.mlp.dense_h_to_4h"},
    {"mlp.down_proj", "gpt_neox.layers.{}.mlp.dense_4h_to_h"},
};
constexpr std::string_view kMasks[] = {".attention.bias", ".attention.masked_bias"};

}  // namespace

const Family kGptNeox{.model_type = "gpt_neox",
                      .model_class = "GPTNeoXForCausalLM",
                      .read = read,
                      .names = kNames,
                      .prefix = "gpt_neox.",
                      .ignored = kMasks};

}  // namespace catenary::weights
