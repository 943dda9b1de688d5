// MPT: ALiBi, and no bias anywhere. transformers looks at few of its fields, and so does this; the others must have the
// values that it takes for granted.
// Source: models/mpt of huggingface/transformers.
#include "weights/families/families.h"

namespace catenary::weights {
namespace {

void read(HfFields& f, ModelConfig& c) {
  c.hidden_size = f.size({"d_model", "hidden_size"});
  c.intermediate_size = 4 * c.hidden_size;
  f.only("expansion_ratio", {4});
  c.num_layers = f.size({"n_layers", "num_hidden_layers"});
  c.num_heads = c.num_kv_heads = f.size({"n_heads", "num_attention_heads"});
  c.vocab_size = f.size("vocab_size");
  c.max_position_embeddings = f.size("max_seq_len", 2048);
  f.derive(c);
  c.position = ModelConfig::Position::kAlibi;
  c.norm = {.kind = NormConfig::Kind::kLayer, .eps = f.positive("layer_norm_epsilon", 1e-5)};
  c.gated_mlp = false;
  c.activation = ModelConfig::Activation::kGelu;
  c.tie_word_embeddings = f.flag("tie_word_embeddings", true);
  f.only("no_bias", {true});
  f.only("norm_type", {"low_precision_layernorm", "layernorm"});
  f.only("logit_scale", {});
  if (auto attention = f.object("attn_config")) {
    attention->only("attn_type", {"multihead_attention"});
    attention->only("prefix_lm", {false});
    attention->only("qk_ln", {false});
    attention->only("alibi", {true});
    attention->only("rope", {false});
    attention->only("sliding_window_size", {-1});
    attention->only("alibi_bias_max", {8});
    if (attention->has("clip_qkv")) c.qkv_clip = attention->positive("clip_qkv");
    c.attention_scale = attention->positive("softmax_scale", c.attention_scale);
  }
}

constexpr TensorName kNames[] = {
    {"model.embed_tokens", "transformer.wte"},
    {"model.norm", "transformer.norm_f"},
    {"input_layernorm", "transformer.blocks.{}.norm_1"},
    {"self_attn.q_proj", "transformer.blocks.{}.attn.Wqkv", Rows::kFused},
    {"self_attn.k_proj", "transformer.blocks.{}.attn.Wqkv", Rows::kFused},
    {"self_attn.v_proj", "transformer.blocks.{}.attn.Wqkv", Rows::kFused},
    {"self_attn.o_proj", "transformer.blocks.{}.attn.out_proj"},
    {"post_attention_layernorm", "transformer.blocks.{}.norm_2"},
    {"mlp.up_proj", "transformer.blocks.{}.ffn.up_proj"},
    {"mlp.down_proj", "transformer.blocks.{}.ffn.down_proj"},
};

}  // namespace

const Family kMpt{.model_type = "mpt",
                  .model_class = "MptForCausalLM",
                  .other_class = "MPTForCausalLM",
                  .read = read,
                  .names = kNames,
                  .prefix = "transformer."};

}  // namespace catenary::weights
