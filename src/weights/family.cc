#include "weights/family.h"

#include <algorithm>

#include "weights/families/families.h"

namespace catenary::weights {
namespace {

constexpr const Family* kFamilies[] = {
    &kBloom,   &kFalcon, &kGemma,   &kGemma2,  &kGemma3,   &kGpt2,  &kGptJ,     &kGptNeo,
    &kGptNeox, &kLlama,  &kMistral, &kMixtral, &kMpt,      &kOlmo,  &kOlmo2,    &kOlmoe,
    &kOpt,     &kPhi,    &kPhi3,    &kQwen2,   &kQwen2Moe, &kQwen3, &kQwen3Moe, &kStableLm,
};

constexpr TensorName kLlama_[] = {
    {"model.embed_tokens", "model.embed_tokens"},
    {"model.norm", "model.norm"},
    {"lm_head", "lm_head"},
    {"input_layernorm", "model.layers.{}.input_layernorm"},
    {"self_attn.q_proj", "model.layers.{}.self_attn.q_proj"},
    {"self_attn.k_proj", "model.layers.{}.self_attn.k_proj"},
    {"self_attn.v_proj", "model.layers.{}.self_attn.v_proj"},
    {"self_attn.o_proj", "model.layers.{}.self_attn.o_proj"},
    {"self_attn.q_norm", "model.layers.{}.self_attn.q_norm"},
    {"self_attn.k_norm", "model.layers.{}.self_attn.k_norm"},
    {"post_attention_layernorm", "model.layers.{}.post_attention_layernorm"},
    {"mlp.gate_proj", "model.layers.{}.mlp.gate_proj"},
    {"mlp.up_proj", "model.layers.{}.mlp.up_proj"},
    {"mlp.down_proj", "model.layers.{}.mlp.down_proj"},
    {"mlp.router", "model.layers.{}.mlp.gate"},
    {"mlp.experts.gate_proj", "model.layers.{}.mlp.experts.{}.gate_proj"},
    {"mlp.experts.up_proj", "model.layers.{}.mlp.experts.{}.up_proj"},
    {"mlp.experts.down_proj", "model.layers.{}.mlp.experts.{}.down_proj"},
    {"mlp.shared_expert.gate_proj", "model.layers.{}.mlp.shared_expert.gate_proj"},
    {"mlp.shared_expert.up_proj", "model.layers.{}.mlp.shared_expert.up_proj"},
    {"mlp.shared_expert.down_proj", "model.layers.{}.mlp.shared_expert.down_proj"},
    {"mlp.shared_expert_gate", "model.layers.{}.mlp.shared_expert_gate"},
};

// Source: gguf-py/gguf/tensor_mapping.py of ggml-org/llama.cpp.
constexpr TensorName kGguf_[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
    {"input_layernorm", "blk.{}.attn_norm"},
    {"self_attn.q_proj", "blk.{}.attn_q"},
    {"self_attn.k_proj", "blk.{}.attn_k"},
    {"self_attn.v_proj", "blk.{}.attn_v"},
    {"self_attn.o_proj", "blk.{}.attn_output"},
    {"self_attn.q_norm", "blk.{}.attn_q_norm"},
    {"self_attn.k_norm", "blk.{}.attn_k_norm"},
    {"attention_output_norm", "blk.{}.post_attention_norm"},
    {"post_attention_layernorm", "blk.{}.ffn_norm"},
    {"mlp.gate_proj", "blk.{}.ffn_gate"},
    {"mlp.up_proj", "blk.{}.ffn_up"},
    {"mlp.down_proj", "blk.{}.ffn_down"},
    {"mlp_output_norm", "blk.{}.post_ffw_norm"},
    {"mlp.router", "blk.{}.ffn_gate_inp"},
    {"mlp.experts.gate_proj", "blk.{}.ffn_gate_exps", Rows::kStackedExperts},
    {"mlp.experts.up_proj", "blk.{}.ffn_up_exps", Rows::kStackedExperts},
    {"mlp.experts.down_proj", "blk.{}.ffn_down_exps", Rows::kStackedExperts},
};

}  // namespace

const std::span<const TensorName> kLlamaNames = kLlama_;
const std::span<const TensorName> kGgufNames = kGguf_;

std::span<const Family* const> families() {
  return kFamilies;
}

const Family* find_family(std::string_view model_type) {
  const auto* found = std::ranges::find(kFamilies, model_type, &Family::model_type);
  return found == std::end(kFamilies) ? nullptr : *found;
}

const Family* find_gguf_family(std::string_view architecture) {
  const auto* found = std::ranges::find_if(
      kFamilies, [&](const Family* f) { return f->gguf != nullptr && f->gguf->architecture == architecture; });
  return found == std::end(kFamilies) ? nullptr : *found;
}

}  // namespace catenary::weights
