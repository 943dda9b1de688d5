// GPT-2; Cerebras-GPT chose its architecture.
// Source: models/gpt2 of huggingface/transformers.
#include "weights/families/families.h"

namespace catenary::weights {
namespace {

void read(HfFields& f, ModelConfig& c) {
  c.hidden_size = f.size({"n_embd", "hidden_size"});
  c.intermediate_size = f.size("n_inner", 4 * c.hidden_size);
  c.num_layers = f.size({"n_layer", "num_hidden_layers"});
  c.num_heads = c.num_kv_heads = f.size({"n_head", "num_attention_heads"});
  c.vocab_size = f.size("vocab_size");
  c.max_position_embeddings = f.size({"n_positions", "max_position_embeddings"});
  f.derive(c);
  c.position = ModelConfig::Position::kLearned;
  c.norm = {.kind = NormConfig::Kind::kLayer, .eps = f.positive("layer_norm_epsilon", 1e-5), .has_bias = true};
  c.qkv_bias = c.o_bias = c.mlp_bias = true;
  c.gated_mlp = false;
  c.activation = f.activation("activation_function", "gelu_new");
  c.tie_word_embeddings = f.flag("tie_word_embeddings", true);
  if (!f.flag("scale_attn_weights", true)) c.attention_scale = 1;
  f.only("scale_attn_by_inverse_layer_idx", {false});
  f.only("add_cross_attention", {false});
}

constexpr TensorName kNames[] = {
    {"model.embed_tokens", "transformer.wte"},
    {"model.embed_positions", "transformer.wpe"},
    {"model.norm", "transformer.ln_f"},
    {"input_layernorm", "transformer.h.{}.ln_1"},
    {"self_attn.q_proj", "transformer.h.{}.attn.c_attn", Rows::kFusedTransposed},
    {"self_attn.k_proj", "transformer.h.{}.attn.c_attn", Rows::kFusedTransposed},
    {"self_attn.v_proj", "transformer.h.{}.attn.c_attn", Rows::kFusedTransposed},
    {"self_attn.o_proj", "transformer.h.{}.attn.c_proj", Rows::kTransposed},
    {"post_attention_layernorm", "transformer.h.{}.ln_2"},
    {"mlp.up_proj", "transformer.h.{}.mlp.c_fc", Rows::kTransposed},
    {"mlp.down_proj", "transformer.h.{}.mlp.c_proj", Rows::kTransposed},
};
constexpr std::string_view kMasks[] = {".attn.bias", ".attn.masked_bias"};

}  // namespace

const Family kGpt2{.model_type = "gpt2",
                   .model_class = "GPT2LMHeadModel",
                   .read = read,
                   .names = kNames,
                   .prefix = "transformer.",
                   .ignored = kMasks};

}  // namespace catenary::weights
