// BLOOM: ALiBi, and a norm of the embedding.
// Source: models/bloom of huggingface/transformers.
#include "weights/families/families.h"

namespace catenary::weights {
namespace {

void read(HfFields& f, ModelConfig& c) {
  c.hidden_size = f.size({"hidden_size", "n_embed"});
  c.intermediate_size = 4 * c.hidden_size;
  c.num_layers = f.size({"n_layer", "num_hidden_layers"});
  c.num_heads = c.num_kv_heads = f.size({"n_head", "num_attention_heads"});
  c.vocab_size = f.size("vocab_size");
  c.max_position_embeddings = f.size("seq_length", 2048);  // trained length; ALiBi itself has no limit
  f.derive(c);
  c.position = ModelConfig::Position::kAlibi;
  c.embedding_norm = true;
  c.norm = {.kind = NormConfig::Kind::kLayer, .eps = f.positive("layer_norm_epsilon", 1e-5), .has_bias = true};
  c.qkv_bias = c.o_bias = c.mlp_bias = true;
  c.gated_mlp = false;
  c.activation = ModelConfig::Activation::kGeluTanh;
  c.tie_word_embeddings = f.flag("tie_word_embeddings", true);
  f.only("apply_residual_connection_post_layernorm", {false});
}

constexpr TensorName kNames[] = {
    {"model.embed_tokens", "transformer.word_embeddings"},
    {"model.embed_norm", "transformer.word_embeddings_layernorm"},
    {"model.norm", "transformer.ln_f"},
    {"input_layernorm", "transformer.h.{}.input_layernorm"},
    {"self_attn.q_proj", "transformer.h.{}.self_attention.query_key_value", Rows::kFusedByGroup},
    {"self_attn.k_proj", "transformer.h.{}.self_attention.query_key_value", Rows::kFusedByGroup},
    {"self_attn.v_proj", "transformer.h.{}.self_attention.query_key_value", Rows::kFusedByGroup},
    {"self_attn.o_proj", "transformer.h.{}.self_attention.dense"},
    {"post_attention_layernorm", "transformer.h.{}.post_attention_layernorm"},
    {"mlp.up_proj", "transformer.h.{}.mlp.dense_h_to_4h"},
    {"mlp.down_proj", "transformer.h.{}.mlp.dense_4h_to_h"},
};

}  // namespace

const Family kBloom{
    .model_type = "bloom", .model_class = "BloomForCausalLM", .read = read, .names = kNames, .prefix = "transformer."};

}  // namespace catenary::weights
