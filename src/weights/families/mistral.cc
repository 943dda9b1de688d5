// Mistral: Llama with attention that slides in every layer. Mixtral: with experts.
// Source: models/mistral, models/mixtral of huggingface/transformers.
#include "weights/families/families.h"

namespace catenary::weights {
namespace {

void read_sliding(HfFields& f, ModelConfig& c) {
  if (!f.has("sliding_window")) return;
  c.sliding_window = f.size("sliding_window");
  c.sliding_layers = {true};
  c.sliding_rope = c.rope;
}

void read(HfFields& f, ModelConfig& c) {
  read_llama_config(f, c);
  read_sliding(f, c);
  // null means none, but absent means transformers' default
  if (f.is_absent("sliding_window")) f.problem("sliding_window", "is missing (null, where attention does not slide)");
}

void read_mixtral(HfFields& f, ModelConfig& c) {
  read_llama_config(f, c, {.theta = 1e6});
  read_sliding(f, c);
  c.num_experts = f.size({"num_local_experts", "num_experts"}, 8);
  c.num_experts_per_token = f.size("num_experts_per_tok", 2);
  c.expert_intermediate_size = c.intermediate_size;
  c.normalize_expert_weights = true;
}

constexpr TensorName kMixtralNames[] = {
    {"mlp.router", "model.layers.{}.block_sparse_moe.gate"},
    {"mlp.experts.gate_proj", "model.layers.{}.block_sparse_moe.experts.{}.w1"},
    {"mlp.experts.down_proj", "model.layers.{}.block_sparse_moe.experts.{}.w2"},
    {"mlp.experts.up_proj", "model.layers.{}.block_sparse_moe.experts.{}.w3"},
};

}  // namespace

const Family kMistral{.model_type = "mistral", .model_class = "MistralForCausalLM", .read = read};
const Family kMixtral{
    .model_type = "mixtral", .model_class = "MixtralForCausalLM", .read = read_mixtral, .names = kMixtralNames};

}  // namespace catenary::weights
