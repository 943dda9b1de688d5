// GPT-J: interleaved rotary embedding of the first rotary_dim elements; attention and MLP side by side.
// Source: models/gptj of huggingface/transformers.
#include <fmt/format.h>

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
  c.rope = {.theta = 10000, .dim = f.size("rotary_dim"), .interleaved = true};
  if (c.rope.dim % 2 != 0 || c.rope.dim > c.head_dim) {
    f.problem("rotary_dim",
              fmt::format("expected an even number up to {}, the size of a head, found {}", c.head_dim, c.rope.dim));
  }
  c.norm = {.kind = NormConfig::Kind::kLayer, .eps = f.positive("layer_norm_epsilon", 1e-5), .has_bias = true};
  c.residual = ModelConfig::Residual::kParallel;
  c.shared_pre_norm = true;
  c.mlp_bias = c.lm_head_bias = true;
  c.gated_mlp = false;
  c.activation = f.activation("activation_function", "gelu_new");
  c.tie_word_embeddings = f.flag("tie_word_embeddings");
  if (c.tie_word_embeddings) f.unsupported("tie_word_embeddings", "true");
}

constexpr TensorName kNames[] = {
    {"model.embed_tokens", "transformer.wte"},
    {"model.norm", "transformer.ln_f"},
    {"input_layernorm", "transformer.h.{}.ln_1"},
    {"self_attn.q_proj", "transformer.h.{}.attn.q_proj"},
    {"self_attn.k_proj", "transformer.h.{}.attn.k_proj"},
    {"self_attn.v_proj", "transformer.h.{}.attn.v_proj"},
    {"self_attn.o_proj", "transformer.h.{}.attn.out_proj"},
    {"mlp.up_proj", "transformer.h.{}.mlp.fc_in"},
    {"mlp.down_proj", "transformer.h.{}.mlp.fc_out"},
};
constexpr std::string_view kMasks[] = {".attn.bias", ".attn.masked_bias"};

}  // namespace

const Family kGptJ{.model_type = "gptj",
                   .model_class = "GPTJForCausalLM",
                   .read = read,
                   .names = kNames,
                   .prefix = "transformer.",
                   .ignored = kMasks};

}  // namespace catenary::weights
