// OPT: positions from row 2 on; the 350m has a narrow embedding between projections, and norms after the sums.
// Source: models/opt of huggingface/transformers.
#include "weights/families/families.h"

namespace catenary::weights {
namespace {

void read(HfFields& f, ModelConfig& c) {
  c.hidden_size = f.size("hidden_size");
  c.intermediate_size = f.size("ffn_dim");
  c.num_layers = f.size("num_hidden_layers");
  c.num_heads = c.num_kv_heads = f.size("num_attention_heads");
  c.vocab_size = f.size("vocab_size");
  c.max_position_embeddings = f.size("max_position_embeddings");
  f.derive(c);
  c.embedding_size = f.size("word_embed_proj_dim", c.hidden_size);
  c.position = ModelConfig::Position::kLearned;
  c.position_offset = 2;
  const bool affine = f.flag("layer_norm_elementwise_affine", true);
  c.norm = {.kind = NormConfig::Kind::kLayer, .eps = 1e-5, .has_weight = affine, .has_bias = affine};
  c.pre_norm = f.flag("do_layer_norm_before", true);
  c.post_norm = c.norm_after_residual = !c.pre_norm;
  c.final_norm = c.pre_norm && !f.flag("_remove_final_layer_norm");
  c.qkv_bias = c.o_bias = c.mlp_bias = f.flag("enable_bias", true);
  c.gated_mlp = false;
  c.activation = f.activation("activation_function", "relu");
  c.tie_word_embeddings = f.flag("tie_word_embeddings", true);
}

constexpr TensorName kNames[] = {
    {"model.embed_tokens", "model.decoder.embed_tokens"},
    {"model.embed_positions", "model.decoder.embed_positions"},
    {"model.project_in", "model.decoder.project_in"},
    {"model.project_out", "model.decoder.project_out"},
    {"model.norm", "model.decoder.final_layer_norm"},
    {"input_layernorm", "model.decoder.layers.{}.self_attn_layer_norm"},
    {"attention_output_norm", "model.decoder.layers.{}.self_attn_layer_norm"},
    {"self_attn.q_proj", "model.decoder.layers.{}.self_attn.q_proj"},
    {"self_attn.k_proj", "model.decoder.layers.{}.self_attn.k_proj"},
    {"self_attn.v_proj", "model.decoder.layers.{}.self_attn.v_proj"},
    {"self_attn.o_proj", "model.decoder.layers.{}.self_attn.out_proj"},
    {"post_attention_layernorm", "model.decoder.layers.{}.final_layer_norm"},
    {"mlp_output_norm", "model.decoder.layers.{}.final_layer_norm"},
    {"mlp.up_proj", "model.decoder.layers.{}.fc1"},
    {"mlp.down_proj", "model.decoder.layers.{}.fc2"},
};

}  // namespace

const Family kOpt{.model_type = "opt", .model_class = "OPTForCausalLM", .read = read, .names = kNames};

}  // namespace catenary::weights
