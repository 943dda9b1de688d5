// GPT-Neo: attention without a scale, and a window in every other layer.
// Source: models/gpt_neo of huggingface/transformers.
#include <nlohmann/json.hpp>

#include "weights/families/families.h"

namespace catenary::weights {
namespace {

using nlohmann::json;

/// [[["global", "local"], 12]]: the kinds of layers, and how often they repeat.
void read_attention_types(HfFields& f, ModelConfig& c) {
  static const json kDefault = json::parse(R"([[["global", "local"], 12]])");
  const json* types = f.find("attention_types");
  if (types == nullptr) types = &kDefault;
  std::vector<bool> slides;
  const auto read_item = [&](const json& item) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_array() || !item[1].is_number_unsigned()) return false;
    for (auto times = item[1].get<std::uint64_t>(); times > 0; --times) {
      for (const json& kind : item[0]) {
        if (kind != "global" && kind != "local") return false;
        slides.push_back(kind == "local");
        if (std::cmp_greater(slides.size(), c.num_layers) || slides.size() > kMaxListedLayers) return false;
      }
      if (item[0].empty()) break;
    }
    return true;
  };
  bool good = types->is_array();
  for (std::size_t i = 0; good && i < types->size(); ++i) good = read_item((*types)[i]);
  if (!good || std::cmp_not_equal(slides.size(), c.num_layers)) {
    f.problem("attention_types",
              "expected lists of \"global\" and \"local\", each with how often it repeats, for all layers");
    return;
  }
  c.sliding_layers = shortest_period(std::move(slides));
  c.sliding_window = f.size("window_size", 256);
}

void read(HfFields& f, ModelConfig& c) {
  c.hidden_size = f.size("hidden_size");
  c.intermediate_size = f.size("intermediate_size", 4 * c.hidden_size);
  c.num_layers = f.size({"num_layers", "num_hidden_layers"});
  c.num_heads = c.num_kv_heads = f.size({"num_heads", "num_attention_heads"});
  c.vocab_size = f.size("vocab_size");
  c.max_position_embeddings = f.size("max_position_embeddings");
  f.derive(c);
  c.attention_scale = 1;
  c.position = ModelConfig::Position::kLearned;
  c.norm = {.kind = NormConfig::Kind::kLayer, .eps = f.positive("layer_norm_epsilon", 1e-5), .has_bias = true};
  c.o_bias = c.mlp_bias = true;
  c.gated_mlp = false;
  c.activation = f.activation("activation_function", "gelu_new");
  c.tie_word_embeddings = f.flag("tie_word_embeddings", true);
  read_attention_types(f, c);
}

constexpr TensorName kNames[] = {
    {"model.embed_tokens", "transformer.wte"},
    {"model.embed_positions", "transformer.wpe"},
    {"model.norm", "transformer.ln_f"},
    {"input_layernorm", "transformer.h.{}.ln_1"},
    {"self_attn.q_proj", "transformer.h.{}.attn.attention.q_proj"},
    {"self_attn.k_proj", "transformer.h.{}.attn.attention.k_proj"},
    {"self_attn.v_proj", "transformer.h.{}.attn.attention.v_proj"},
    {"self_attn.o_proj", "transformer.h.{}.attn.attention.out_proj"},
    {"post_attention_layernorm", "transformer.h.{}.ln_2"},
    {"mlp.up_proj", "transformer.h.{}.mlp.c_fc"},
    {"mlp.down_proj", "transformer.h.{}.mlp.c_proj"},
};
constexpr std::string_view kMasks[] = {".attn.attention.bias", ".attn.attention.masked_bias"};

}  // namespace

const Family kGptNeo{.model_type = "gpt_neo",
                     .model_class = "GPTNeoForCausalLM",
                     .read = read,
                     .names = kNames,
                     .prefix = "transformer.",
                     .ignored = kMasks};

}  // namespace catenary::weights
