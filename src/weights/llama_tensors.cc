#include "weights/llama_tensors.h"

#include <fmt/format.h>

namespace catenary::weights {

std::vector<NeededTensor> llama_tensors(const ModelConfig& config) {
  const std::int64_t hidden = config.hidden_size;
  const std::int64_t mlp = config.intermediate_size;
  const std::int64_t q = config.num_heads * config.head_dim;
  const std::int64_t kv = config.num_kv_heads * config.head_dim;

  std::vector<NeededTensor> tensors = {
      {"model.embed_tokens.weight", "token_embd.weight", {config.vocab_size, hidden}},
      {"model.norm.weight", "output_norm.weight", {hidden}},
  };
  if (!config.tie_word_embeddings) tensors.push_back({"lm_head.weight", "output.weight", {config.vocab_size, hidden}});

  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    const auto add = [&](std::string_view name, std::string_view gguf_name, std::vector<std::int64_t> shape) {
      tensors.push_back({fmt::format("model.layers.{}.{}.weight", layer, name),
                         fmt::format("blk.{}.{}.weight", layer, gguf_name), std::move(shape)});
    };
    add("input_layernorm", "attn_norm", {hidden});
    add("self_attn.q_proj", "attn_q", {q, hidden});
    add("self_attn.k_proj", "attn_k", {kv, hidden});
    add("self_attn.v_proj", "attn_v", {kv, hidden});
    add("self_attn.o_proj", "attn_output", {hidden, q});
    add("post_attention_layernorm", "ffn_norm", {hidden});
    add("mlp.gate_proj", "ffn_gate", {mlp, hidden});
    add("mlp.up_proj", "ffn_up", {mlp, hidden});
    add("mlp.down_proj", "ffn_down", {hidden, mlp});
  }
  return tensors;
}

bool is_rotary_projection(std::string_view name) {
  return name.ends_with(".q_proj.weight") || name.ends_with(".k_proj.weight");
}

std::int64_t gguf_row(std::int64_t row, std::int64_t head_dim) {
  const std::int64_t in_head = row % head_dim;
  const std::int64_t half = head_dim / 2;
  return row - in_head + 2 * (in_head % half) + in_head / half;
}

}  // namespace catenary::weights
