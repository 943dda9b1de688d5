// Falcon: the old layout with one key–value head (7B) or one for each head (RW), with ALiBi or rotary, and the new one
// with groups (40B, 180B, Falcon 2). All keep queries, key and value of a key–value head together.
// Source: models/falcon of huggingface/transformers.
#include "weights/families/families.h"

namespace catenary::weights {
namespace {

void read(HfFields& f, ModelConfig& c) {
  c.hidden_size = f.size({"hidden_size", "n_embed"});
  c.intermediate_size = f.size("ffn_hidden_size", 4 * c.hidden_size);
  c.num_layers = f.size({"num_hidden_layers", "n_layer"});
  c.num_heads = f.size({"num_attention_heads", "n_head"});
  const bool is_new = f.flag("new_decoder_architecture");
  const bool is_parallel = f.flag("parallel_attn", true);
  const bool one_kv_head = !is_new && f.flag("multi_query", true);
  c.num_kv_heads = is_new ? f.size({"num_kv_heads", "n_head_kv"}, c.num_heads) : one_kv_head ? 1 : c.num_heads;
  c.vocab_size = f.size("vocab_size");
  c.max_position_embeddings = f.size("max_position_embeddings", 2048);
  f.derive(c);
  if (f.flag("alibi")) {
    c.position = ModelConfig::Position::kAlibi;
    c.alibi_in_bfloat16 = true;
  } else {
    c.rope = f.rope(c);
  }
  c.norm = {.kind = NormConfig::Kind::kLayer, .eps = f.positive("layer_norm_epsilon", 1e-5), .has_bias = true};
  if (is_new && !is_parallel) f.unsupported("parallel_attn", "false with new_decoder_architecture");
  const std::int64_t norms = f.size("num_ln_in_parallel_attn", is_new ? 2 : 1);
  if (norms > 2 || (norms == 2 && !is_new)) f.unsupported("num_ln_in_parallel_attn", "this number of norms");
  if (is_parallel) {
    c.residual = ModelConfig::Residual::kParallel;
    c.shared_pre_norm = norms == 1;
  }
  c.qkv_bias = c.o_bias = c.mlp_bias = f.flag("bias");
  c.gated_mlp = false;
  c.activation = f.activation("activation", "gelu");
  c.tie_word_embeddings = f.flag("tie_word_embeddings", true);
}

bool has_two_parallel_norms(const ModelConfig& c) {
  return c.residual == ModelConfig::Residual::kParallel && !c.shared_pre_norm;
}

constexpr TensorName kNames[] = {
    {"model.embed_tokens", "transformer.word_embeddings"},
    {"model.norm", "transformer.ln_f"},
    {"input_layernorm", "transformer.h.{}.ln_attn", Rows::kSame, has_two_parallel_norms},
    {"input_layernorm", "transformer.h.{}.input_layernorm"},
    {"self_attn.q_proj", "transformer.h.{}.self_attention.query_key_value", Rows::kFusedByGroup},
    {"self_attn.k_proj", "transformer.h.{}.self_attention.query_key_value", Rows::kFusedByGroup},
    {"self_attn.v_proj", "transformer.h.{}.self_attention.query_key_value", Rows::kFusedByGroup},
    {"self_attn.o_proj", "transformer.h.{}.self_attention.dense"},
    {"post_attention_layernorm", "transformer.h.{}.ln_mlp", Rows::kSame, has_two_parallel_norms},
    {"post_attention_layernorm", "transformer.h.{}.post_attention_layernorm"},
    {"mlp.up_proj", "transformer.h.{}.mlp.dense_h_to_4h"},
    {"mlp.down_proj", "transformer.h.{}.mlp.dense_4h_to_h"},
};

}  // namespace

const Family kFalcon{.model_type = "falcon",
                     .model_class = "FalconForCausalLM",
                     .read = read,
                     .names = kNames,
                     .prefix = "transformer."};

}  // namespace catenary::weights
