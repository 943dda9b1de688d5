// A field that changes what a model computes is either understood or refused, never skipped: a skipped rope scaling or
// bias gives log-likelihoods that look right. Fields that only concern training, generation or storage are not looked
// at. Defaults are those of transformers' LlamaConfig.
#include "weights/read_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "catenary/base/error.h"
#include "weights/json_file.h"
#include "weights/layout.h"

namespace catenary::weights {
namespace {

using nlohmann::json;

constexpr std::int64_t kMaxSize = std::numeric_limits<std::int32_t>::max();
constexpr double kDefaultRopeTheta = 10000;

bool is_size(std::int64_t value) {
  return value >= 1 && value <= kMaxSize;
}
bool is_positive(double value) {
  return std::isfinite(value) && value > 0;
}

/// Reads optional and required fields from either format, and collects what is wrong with them.
class Fields {
 public:
  Fields(std::string file, Problems& problems) : file_(std::move(file)), problems_(problems) {}

  void problem(std::string_view field, std::string_view what) {
    problems_.add(fmt::format("{}: {}: {}", file_, field, what));
  }
  void unsupported(std::string_view field, std::string_view what) {
    problem(field, fmt::format("{} is not supported yet", what));
  }

  /// `found`, or else `fallback`; 0 and a problem if there is neither or `found` is no size.
  std::int64_t size(std::string_view field, std::optional<std::int64_t> found,
                    std::optional<std::int64_t> fallback = {}) {
    if (found && is_size(*found)) return *found;
    if (!found && fallback) return *fallback;
    problem(field, found ? fmt::format("expected an integer from 1 to {}, found {}", kMaxSize, *found) : "is missing");
    return 0;
  }

  double positive(std::string_view field, std::optional<double> found) {
    if (found && is_positive(*found)) return *found;
    problem(field, found ? fmt::format("expected a positive number, found {}", *found) : "is missing");
    return 0;
  }

  /// How the sizes fit together. The names are those of the file. Sizes of 0 have been reported before.
  void check_sizes(const ModelConfig& c, std::string_view heads, std::string_view kv_heads, std::string_view head_dim) {
    if (c.num_kv_heads > 0 && c.num_heads % c.num_kv_heads != 0) {
      problem(kv_heads, fmt::format("{} does not divide {} ({})", c.num_kv_heads, heads, c.num_heads));
    }
    if (c.head_dim % 2 != 0) problem(head_dim, fmt::format("{} is odd, and rotary embedding needs pairs", c.head_dim));
    if (c.num_heads * c.head_dim > kMaxSize) {
      problem(heads, fmt::format("{} heads of {} elements are more than {}", c.num_heads, c.head_dim, kMaxSize));
    }
  }

 private:
  std::string file_;
  Problems& problems_;
};

/// hidden_size / num_heads, or nothing if that is not whole.
std::optional<std::int64_t> default_head_dim(const ModelConfig& c) {
  if (c.num_heads == 0) return 0;
  if (c.hidden_size % c.num_heads != 0) return std::nullopt;
  return c.hidden_size / c.num_heads;
}

class HfConfigReader {
 public:
  explicit HfConfigReader(const std::filesystem::path& path)
      : config_(read_json(path)), fields_(path.string(), problems_) {
    if (!config_.is_object()) throw DataError(fmt::format("{}: expected a JSON object", path.string()));
  }

  ModelConfig read() {
    ModelConfig c;
    c.architecture = read_architecture();
    problems_.throw_if_any<DataError>();  // the other fields of another architecture mean other things
    c.hidden_size = size("hidden_size");
    c.intermediate_size = size("intermediate_size");
    c.num_layers = size("num_hidden_layers");
    c.num_heads = size("num_attention_heads");
    c.num_kv_heads = size("num_key_value_heads", c.num_heads);
    c.head_dim = size("head_dim", default_head_dim(c));
    c.vocab_size = size("vocab_size");
    c.max_position_embeddings = size("max_position_embeddings");
    c.rms_norm_eps = positive(config_, "", "rms_norm_eps").value_or(0);
    if (find(config_, "rms_norm_eps") == nullptr) fields_.problem("/rms_norm_eps", "is missing");
    c.rope_theta = read_rope();
    c.tie_word_embeddings = flag("tie_word_embeddings");
    refuse_unsupported();
    fields_.check_sizes(c, "num_attention_heads", "/num_key_value_heads", "/head_dim");
    problems_.throw_if_any<DataError>();
    return c;
  }

 private:
  /// The member, or nothing if it is absent or null, which transformers takes for absent.
  static const json* find(const json& object, std::string_view key) {
    const auto found = object.find(key);
    return found == object.end() || found->is_null() ? nullptr : &*found;
  }

  void expected(std::string_view pointer, std::string_view what, const json& found) {
    fields_.problem(pointer, fmt::format("expected {}, found {}", what, shown_json(found)));
  }

  std::int64_t size(std::string_view key, std::optional<std::int64_t> fallback = {}) {
    const json* value = find(config_, key);
    if (value == nullptr) return fields_.size(pointer_to(key), std::nullopt, fallback);
    if (value->is_number_integer() && *value >= 1 && *value <= kMaxSize) return value->get<std::int64_t>();
    expected(pointer_to(key), fmt::format("an integer from 1 to {}", kMaxSize), *value);
    return 0;
  }

  std::optional<double> positive(const json& object, std::string_view prefix, std::string_view key) {
    const json* value = find(object, key);
    if (value == nullptr) return std::nullopt;
    if (value->is_number() && is_positive(value->get<double>())) return value->get<double>();
    expected(fmt::format("{}/{}", prefix, key), "a positive number", *value);
    return std::nullopt;
  }

  bool flag(std::string_view key) {
    const json* value = find(config_, key);
    if (value == nullptr) return false;
    if (value->is_boolean()) return value->get<bool>();
    expected(pointer_to(key), "true or false", *value);
    return false;
  }

  std::string read_architecture() {
    const json* type = find(config_, "model_type");
    const json* classes = find(config_, "architectures");
    if (type == nullptr && classes == nullptr) fields_.problem("/model_type", "is missing");
    if (type != nullptr && *type != "llama") {
      fields_.problem("/model_type", fmt::format("{} is not supported yet (supported: llama)", shown_json(*type)));
    }
    if (classes != nullptr && *classes != json::array({"LlamaForCausalLM"})) {
      fields_.problem("/architectures",
                      fmt::format("{} is not supported yet (supported: LlamaForCausalLM)", shown_json(*classes)));
    }
    return "llama";
  }

  /// rope_theta lies at the top level, or, as transformers 5 writes it, in rope_parameters beside the kind of scaling.
  double read_rope() {
    std::optional<double> theta = positive(config_, "", "rope_theta");
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
      const json* rope = find(config_, key);
      if (rope == nullptr) continue;
      const std::string pointer = pointer_to(key);
      if (!rope->is_object()) {
        expected(pointer, "an object", *rope);
        continue;
      }
      for (const char* type_key : {"rope_type", "type"}) {
        const json* type = find(*rope, type_key);
        if (type != nullptr && *type != "default") {
          fields_.unsupported(fmt::format("{}/{}", pointer, type_key),
                              fmt::format("rope scaling {}", shown_json(*type)));
        }
      }
      if (std::ranges::any_of(*rope, [](const json& member) { return member.is_object(); })) {
        fields_.unsupported(pointer, "a rope for each kind of layer");
      }
      refuse_partial_rotary(*rope, pointer);
      const auto nested = positive(*rope, pointer, "rope_theta");
      if (theta && nested && *theta != *nested) {
        fields_.problem(pointer + "/rope_theta", fmt::format("{} differs from /rope_theta, {}", *nested, *theta));
      }
      if (nested) theta = nested;
    }
    return theta.value_or(kDefaultRopeTheta);
  }

  void refuse_partial_rotary(const json& object, std::string_view prefix) {
    const json* factor = find(object, "partial_rotary_factor");
    if (factor != nullptr && *factor != 1) {
      fields_.unsupported(fmt::format("{}/partial_rotary_factor", prefix), shown_json(*factor));
    }
  }

  void refuse_unsupported() {
    refuse_partial_rotary(config_, "");
    for (const char* key : {"attention_bias", "mlp_bias"}) {
      if (flag(key)) fields_.unsupported(pointer_to(key), "true");
    }
    const json* activation = find(config_, "hidden_act");
    if (activation != nullptr && *activation != "silu") {
      fields_.unsupported("/hidden_act", fmt::format("{} (only \"silu\")", shown_json(*activation)));
    }
    if (const json* quantization = find(config_, "quantization_config")) {
      const json* method = quantization->is_object() ? find(*quantization, "quant_method") : nullptr;
      fields_.unsupported("/quantization_config",
                          fmt::format("quantisation {}", method != nullptr ? shown_json(*method) : "of this kind"));
    }
  }

  json config_;
  Problems problems_;
  Fields fields_;
};

/// GGUF keeps numbers as float32. The decimal that config.json had is the shortest one that rounds to it, so a model's
/// config is the same from either container.
double as_written(double value) {
  const auto narrow = static_cast<float>(value);
  if (!std::isfinite(narrow) || static_cast<double>(narrow) != value) return value;
  const std::string text = fmt::format("{}", narrow);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

ModelConfig read_hf_config(const std::filesystem::path& config_json) {
  return HfConfigReader(config_json).read();
}

ModelConfig read_gguf_config(const GgufFile& gguf) {
  Problems problems;
  Fields fields(gguf.path().string(), problems);
  const auto architecture = gguf.get_string("general.architecture");
  if (architecture != "llama") {
    fields.problem("general.architecture",
                   fmt::format("{} is not supported yet (supported: llama)", shown(architecture)));
    problems.throw_if_any<DataError>();
  }
  const auto find_tensor = [&](std::string_view name) {
    const auto found = std::ranges::find(gguf.tensors(), name, &TensorInfo::name);
    return found == gguf.tensors().end() ? nullptr : &*found;
  };
  const auto size = [&](std::string_view key, std::optional<std::int64_t> fallback = {}) {
    return fields.size(key, gguf.find_integer(key), fallback);
  };

  ModelConfig c;
  c.architecture = "llama";
  c.hidden_size = size("llama.embedding_length");
  c.intermediate_size = size("llama.feed_forward_length");
  c.num_layers = size("llama.block_count");
  c.num_heads = size("llama.attention.head_count");
  c.num_kv_heads = size("llama.attention.head_count_kv", c.num_heads);
  c.head_dim = size("llama.attention.key_length", default_head_dim(c));
  c.max_position_embeddings = size("llama.context_length");
  std::optional<std::int64_t> embedding_rows;
  if (const TensorInfo* embedding = find_tensor("token_embd.weight")) embedding_rows = embedding->shape.front();
  c.vocab_size = fields.size("llama.vocab_size",
                             gguf.has("llama.vocab_size") ? gguf.find_integer("llama.vocab_size") : embedding_rows);
  constexpr std::string_view kEps = "llama.attention.layer_norm_rms_epsilon";
  c.rms_norm_eps = as_written(fields.positive(kEps, gguf.find_number(kEps)));
  constexpr std::string_view kTheta = "llama.rope.freq_base";
  c.rope_theta = as_written(fields.positive(kTheta, gguf.find_number(kTheta).value_or(kDefaultRopeTheta)));
  c.tie_word_embeddings = find_tensor("output.weight") == nullptr;
  fields.check_sizes(c, "llama.attention.head_count", "llama.attention.head_count_kv", "llama.attention.key_length");

  for (const char* key : {"llama.rope.dimension_count", "llama.attention.value_length"}) {
    const auto found = gguf.find_integer(key);
    if (found && *found != c.head_dim) {
      fields.unsupported(key, fmt::format("{}, other than the {} elements of a head,", *found, c.head_dim));
    }
  }
  const auto scaling = gguf.find_string("llama.rope.scaling.type");
  if (scaling && *scaling != "none") {
    fields.unsupported("llama.rope.scaling.type", fmt::format("rope scaling {}", shown(*scaling)));
  }
  for (const char* key : {"llama.rope.scaling.factor", "llama.rope.scale_linear"}) {
    if (!scaling && gguf.find_number(key).value_or(1) != 1) fields.unsupported(key, "rope scaling");
  }
  if (find_tensor("rope_freqs.weight") != nullptr) {
    fields.unsupported("rope_freqs.weight", "rope scaling \"llama3\"");
  }
  for (const char* key : {"llama.expert_count", "llama.attention.sliding_window", "llama.attention.scale",
                          "llama.logit_scale", "llama.residual_scale", "llama.embedding_scale"}) {
    const double value = gguf.find_number(key).value_or(0);
    if (value != 0) fields.unsupported(key, fmt::format("{}", value));
  }
  if (gguf.find_integer("split.count").value_or(1) > 1) {
    fields.unsupported("split.count", "a file in several parts (join them with `llama-gguf-split --merge`)");
  }
  problems.throw_if_any<DataError>();
  return c;
}

}  // namespace catenary::weights
