#include "weights/fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "weights/json_file.h"
#include "weights/layout.h"

namespace catenary::weights {
namespace {

using nlohmann::json;

constexpr std::int64_t kMaxSize = std::numeric_limits<std::int32_t>::max();

bool is_size(std::int64_t value) {
  return value >= 1 && value <= kMaxSize;
}
bool is_positive(double value) {
  return std::isfinite(value) && value > 0;
}

std::string size_range() {
  return fmt::format("an integer from 1 to {}", kMaxSize);
}

/// GGUF keeps numbers as float32. The decimal that config.json had is the shortest one that rounds to it, so a model's
/// config is the same from either container.
double as_written(double value) {
  const auto narrow = static_cast<float>(value);
  if (!std::isfinite(narrow) || static_cast<double>(narrow) != value) return value;
  const std::string text = fmt::format("{}", narrow);
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::optional<std::int64_t> quotient(std::int64_t size, std::int64_t heads) {
  if (heads == 0) return 0;
  if (size % heads != 0) return std::nullopt;
  return size / heads;
}

}  // namespace

std::vector<bool> shortest_period(std::vector<bool> layers) {
  if (layers.size() > kMaxListedLayers) return layers;  // of no model; the search takes the square of it
  for (std::size_t period = 1; period < layers.size(); ++period) {
    bool repeats = true;
    for (std::size_t i = period; i < layers.size() && repeats; ++i) repeats = layers[i] == layers[i - period];
    if (repeats) {
      layers.resize(period);
      return layers;
    }
  }
  return layers;
}

// ---- config.json --------------------------------------------------------------------------------------------------

HfFields::HfFields(std::string file, const json& object, Problems& problems, std::string prefix)
    : file_(std::move(file)), prefix_(std::move(prefix)), object_(&object), problems_(&problems) {}

void HfFields::problem(std::string_view key, std::string_view what) {
  problems_->add(fmt::format("{}: {}{}: {}", file_, prefix_, pointer_to(key), what));
}
void HfFields::unsupported(std::string_view key, std::string_view what) {
  problem(key, fmt::format("{} is not supported yet", what));
}
void HfFields::expected(std::string_view key, std::string_view what, const json& found) {
  problem(key, fmt::format("expected {}, found {}", what, shown_json(found)));
}

// Null means absent, as transformers takes it.
const json* HfFields::find(std::string_view key) const {
  const auto found = object_->find(key);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

std::int64_t HfFields::size(Keys keys, std::optional<std::int64_t> fallback) {
  std::optional<std::int64_t> result;
  for (const std::string_view key : keys) {
    const json* value = find(key);
    if (value == nullptr) continue;
    if (!value->is_number_integer() || *value < 1 || *value > kMaxSize) {
      expected(key, size_range(), *value);
      return 0;
    }
    if (result && *result != *value)
      problem(key, fmt::format("{} differs from /{}, {}", shown_json(*value), *keys.begin(), *result));
    result = value->get<std::int64_t>();
  }
  if (!result && !fallback) problem(*keys.begin(), "is missing");
  return result.value_or(fallback.value_or(0));
}

double HfFields::positive(Keys keys, std::optional<double> fallback) {
  for (const std::string_view key : keys) {
    const json* value = find(key);
    if (value == nullptr) continue;
    if (value->is_number() && is_positive(value->get<double>())) return value->get<double>();
    expected(key, "a positive number", *value);
    return fallback.value_or(0);
  }
  if (!fallback) problem(*keys.begin(), "is missing");
  return fallback.value_or(0);
}

bool HfFields::flag(std::string_view key, bool fallback) {
  const json* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  expected(key, "true or false", *value);
  return fallback;
}

std::string HfFields::word(std::string_view key, std::string_view fallback) {
  const json* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (value->is_string()) return value->get<std::string>();
  expected(key, "a string", *value);
  return std::string(fallback);
}

ModelConfig::Activation HfFields::activation(std::string_view key, std::string_view fallback) {
  using enum ModelConfig::Activation;
  static constexpr std::pair<std::string_view, ModelConfig::Activation> kNames[] = {
      {"silu", kSilu},          {"swish", kSilu},        {"gelu", kGelu},
      {"gelu_python", kGelu},   {"gelu_new", kGeluTanh}, {"gelu_pytorch_tanh", kGeluTanh},
      {"gelu_fast", kGeluTanh}, {"relu", kRelu}};
  const std::string name = word(key, fallback);
  for (const auto& [known, value] : kNames) {
    if (name == known) return value;
  }
  unsupported(key, fmt::format("activation {}", shown(name)));
  return kSilu;
}

void HfFields::only(std::string_view key, std::initializer_list<json> values) {
  const json* value = find(key);
  if (value == nullptr || std::ranges::find(values, *value) != values.end()) return;
  unsupported(key, shown_json(*value));
}

std::optional<HfFields> HfFields::object(std::string_view key) {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_object()) return HfFields(file_, *value, *problems_, prefix_ + pointer_to(key));
  expected(key, "an object", *value);
  return std::nullopt;
}

void HfFields::read_sizes(ModelConfig& c) {
  c.hidden_size = size("hidden_size");
  c.intermediate_size = size("intermediate_size");
  c.num_layers = size("num_hidden_layers");
  c.num_heads = size("num_attention_heads");
  c.num_kv_heads = size("num_key_value_heads", c.num_heads);
  c.head_dim = has("head_dim") ? size("head_dim") : 0;
  c.vocab_size = size("vocab_size");
  c.max_position_embeddings = size("max_position_embeddings");
  derive(c);
}

void HfFields::derive(ModelConfig& c) {
  if (c.head_dim == 0) {
    const auto head_dim = quotient(c.hidden_size, c.num_heads);
    if (!head_dim) problem("head_dim", "is missing, and the number of heads does not divide the hidden size");
    c.head_dim = head_dim.value_or(0);
  }
  c.embedding_size = c.hidden_size;
  if (c.head_dim > 0) c.attention_scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
  if (c.num_kv_heads > 0 && c.num_heads % c.num_kv_heads != 0) {
    problem("num_key_value_heads",
            fmt::format("{} does not divide num_attention_heads ({})", c.num_kv_heads, c.num_heads));
  }
  if (c.num_heads * c.head_dim > kMaxSize) {
    problem("num_attention_heads",
            fmt::format("{} heads of {} elements are more than {}", c.num_heads, c.head_dim, kMaxSize));
  }
}

std::vector<double> HfFields::positives(std::string_view key, std::size_t count) {
  const json* value = find(key);
  const auto is_good = [](const json& v) { return v.is_number() && is_positive(v.get<double>()); };
  if (value != nullptr && value->is_array() && value->size() == count && std::ranges::all_of(*value, is_good)) {
    return value->get<std::vector<double>>();
  }
  problem(key, fmt::format("expected {} positive numbers, one for each pair that is rotated", count));
  return {};
}

// The scaling of rope_scaling or rope_parameters; *this is that object.
void HfFields::read_scaling(const ModelConfig& c, RopeConfig& rope) {
  using Scaling = RopeConfig::Scaling;
  std::string_view type_key = has("rope_type") ? "rope_type" : "type";
  const std::string type = word(type_key, "default");
  const auto original_context = [&] {
    // at the top level it wins, as in transformers
    return rope.original_context > 0 ? rope.original_context
                                     : size("original_max_position_embeddings", c.max_position_embeddings);
  };
  if (type == "default") return;
  if (type == "linear") {
    rope.scaling = Scaling::kLinear;
    rope.factor = positive("factor");
  } else if (type == "dynamic") {
    rope.scaling = Scaling::kDynamic;
    rope.factor = positive("factor");
    rope.original_context = c.max_position_embeddings;
  } else if (type == "llama3") {
    rope.scaling = Scaling::kLlama3;
    rope.factor = positive("factor");
    rope.low_freq_factor = positive("low_freq_factor");
    rope.high_freq_factor = positive("high_freq_factor");
    rope.original_context = original_context();
  } else if (type == "yarn") {
    rope.scaling = Scaling::kYarn;
    rope.original_context = original_context();
    rope.factor = positive("factor");
    rope.beta_fast = positive("beta_fast", 32);
    rope.beta_slow = positive("beta_slow", 1);
    rope.truncate = flag("truncate", true);
    // 0.1 · mscale · ln(factor) + 1, as in DeepSeek's and Peng's YaRN
    const auto attenuation = [&](double mscale) {
      return rope.factor <= 1 ? 1.0 : 0.1 * mscale * std::log(rope.factor) + 1;
    };
    const double mscale = positive("mscale", 0), mscale_all = positive("mscale_all_dim", 0);
    const double fallback =
        mscale > 0 && mscale_all > 0 ? attenuation(mscale) / attenuation(mscale_all) : attenuation(1);
    rope.attention_factor = positive("attention_factor", fallback);
  } else if (type == "longrope" || type == "su") {
    rope.scaling = Scaling::kFactors;
    rope.original_context = original_context();
    const auto pairs = static_cast<std::size_t>(rope.dim / 2);
    rope.short_factors = positives("short_factor", pairs);
    rope.long_factors = positives("long_factor", pairs);
    const double factor = positive("factor", static_cast<double>(c.max_position_embeddings) /
                                                 static_cast<double>(std::max<std::int64_t>(1, rope.original_context)));
    const double fallback =
        factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(rope.original_context)));
    rope.attention_factor = positive("attention_factor", fallback);
  } else {
    unsupported(type_key, fmt::format("rope scaling {}", shown(type)));
  }
}

RopeConfig HfFields::rope(const ModelConfig& c, const RopeDefaults& defaults) {
  RopeConfig result{.theta = 0};
  std::optional<double> theta, share;
  if (has(defaults.theta_key)) theta = positive(defaults.theta_key, defaults.theta);
  if (has(defaults.share_key)) share = positive(defaults.share_key, defaults.rotated_share);
  if (has("original_max_position_embeddings")) result.original_context = size("original_max_position_embeddings");
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    auto nested = object(key);
    if (!nested) continue;
    if (std::ranges::any_of(*nested->object_, [](const json& member) { return member.is_object(); })) {
      unsupported(key, "a rope for each kind of layer");
    }
    if (nested->has("rope_theta")) {
      const double value = nested->positive("rope_theta", defaults.theta);
      if (theta && *theta != value)
        nested->problem("rope_theta", fmt::format("{} differs from /{}, {}", value, defaults.theta_key, *theta));
      theta = value;
    }
    if (nested->has("partial_rotary_factor")) share = nested->positive("partial_rotary_factor", defaults.rotated_share);
  }
  result.theta = theta.value_or(defaults.theta);
  const double rotated = share.value_or(defaults.rotated_share);
  if (rotated < 1 && !defaults.may_be_partial) unsupported(defaults.share_key, fmt::format("{}", rotated));
  if (rotated > 1) problem(defaults.share_key, fmt::format("expected at most 1, found {}", rotated));
  // transformers cuts to an integer, and takes the pairs 0, 2, … below it
  result.dim = (static_cast<std::int64_t>(static_cast<double>(c.head_dim) * std::min(rotated, 1.0)) + 1) / 2 * 2;
  if (result.dim > c.head_dim) {
    problem("head_dim", fmt::format("{} is odd, and rotary embedding needs pairs", c.head_dim));
  }
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const json* value = find(key);
    if (value != nullptr && value->is_object()) object(key)->read_scaling(c, result);
  }
  if (result.scaling == RopeConfig::Scaling::kNone) result.original_context = 0;
  return result;
}

RopeConfig HfFields::rope_of_kind(const ModelConfig& c, std::string_view kind, const RopeDefaults& defaults) {
  RopeConfig result{.theta = defaults.theta, .dim = c.head_dim};
  if (has(defaults.theta_key)) result.theta = positive(defaults.theta_key, defaults.theta);
  if (auto all = object("rope_parameters")) {
    if (auto nested = all->object(kind)) {
      result.theta = nested->positive("rope_theta", result.theta);
      nested->only("partial_rotary_factor", {1});
      nested->read_scaling(c, result);
    }
  }
  return result;
}

void HfFields::read_layer_types(ModelConfig& c, std::vector<bool> fallback) {
  const json* types = find("layer_types");
  std::vector<bool> slides = std::move(fallback);
  if (types != nullptr) {
    slides.clear();
    if (!types->is_array() || std::cmp_not_equal(types->size(), c.num_layers)) {
      expected("layer_types", "a list with the kind of each layer", *types);
      return;
    }
    for (const json& type : *types) {
      if (type != "sliding_attention" && type != "full_attention") {
        unsupported("layer_types", fmt::format("a layer of kind {}", shown_json(type)));
        return;
      }
      slides.push_back(type == "sliding_attention");
    }
  }
  c.sliding_layers = shortest_period(std::move(slides));
  if (std::ranges::find(c.sliding_layers, true) != c.sliding_layers.end()) c.sliding_window = size("sliding_window");
}

// ---- GGUF ---------------------------------------------------------------------------------------------------------

GgufFields::GgufFields(const GgufFile& gguf, std::span<const GgufFile> rest, std::string architecture,
                       Problems& problems)
    : gguf_(gguf), rest_(rest), architecture_(std::move(architecture)), problems_(problems) {}

std::string GgufFields::full(std::string_view key) const {
  return fmt::format("{}.{}", architecture_, key);
}
void GgufFields::problem(std::string_view key, std::string_view what) {
  problems_.add(fmt::format("{}: {}: {}", gguf_.path().string(), key, what));
}
void GgufFields::unsupported(std::string_view key, std::string_view what) {
  problem(key, fmt::format("{} is not supported yet", what));
}

const TensorInfo* GgufFields::find_tensor(std::string_view name) const {
  const auto find_in = [&](const GgufFile& part) {
    const auto found = std::ranges::find(part.tensors(), name, &TensorInfo::name);
    return found == part.tensors().end() ? nullptr : &*found;
  };
  const TensorInfo* found = find_in(gguf_);
  for (const GgufFile& part : rest_) {
    if (found == nullptr) found = find_in(part);
  }
  return found;
}

std::int64_t GgufFields::size(std::string_view key, std::optional<std::int64_t> fallback) {
  const auto found = gguf_.find_integer(full(key));
  if (found && is_size(*found)) return *found;
  if (!found && fallback) return *fallback;
  problem(full(key), found ? fmt::format("expected {}, found {}", size_range(), *found) : "is missing");
  return 0;
}

double GgufFields::positive(std::string_view key, std::optional<double> fallback) {
  const auto found = gguf_.find_number(full(key));
  if (found && is_positive(*found)) return as_written(*found);
  if (!found && fallback) return *fallback;
  problem(full(key), found ? fmt::format("expected a positive number, found {}", *found) : "is missing");
  return 0;
}

void GgufFields::refuse_number(std::string_view key, double harmless) {
  const double value = gguf_.find_number(full(key)).value_or(harmless);
  if (value != harmless && value != 0) unsupported(full(key), fmt::format("{}", value));
}

void GgufFields::read_llama(ModelConfig& c) {
  c.hidden_size = c.embedding_size = size("embedding_length");
  c.intermediate_size = size("feed_forward_length");
  c.num_layers = size("block_count");
  c.num_heads = size("attention.head_count");
  c.num_kv_heads = size("attention.head_count_kv", c.num_heads);
  c.head_dim = size("attention.key_length", quotient(c.hidden_size, c.num_heads));
  c.max_position_embeddings = size("context_length");
  std::optional<std::int64_t> embedding_rows;
  if (const TensorInfo* embedding = find_tensor("token_embd.weight")) embedding_rows = embedding->shape.front();
  c.vocab_size = size("vocab_size", embedding_rows);
  c.norm = {.kind = NormConfig::Kind::kRms, .eps = positive("attention.layer_norm_rms_epsilon")};
  c.rope = {.theta = positive("rope.freq_base", 10000), .dim = c.head_dim};
  c.tie_word_embeddings = !has_tensor("output.weight");
  if (c.head_dim > 0) c.attention_scale = 1 / std::sqrt(static_cast<double>(c.head_dim));
  if (c.num_kv_heads > 0 && c.num_heads % c.num_kv_heads != 0) {
    problem(full("attention.head_count_kv"),
            fmt::format("{} does not divide {} ({})", c.num_kv_heads, full("attention.head_count"), c.num_heads));
  }
  if (c.head_dim % 2 != 0) {
    problem(full("attention.key_length"), fmt::format("{} is odd, and rotary embedding needs pairs", c.head_dim));
  }
  if (c.num_heads * c.head_dim > kMaxSize) {
    problem(full("attention.head_count"),
            fmt::format("{} heads of {} elements are more than {}", c.num_heads, c.head_dim, kMaxSize));
  }

  for (const char* key : {"rope.dimension_count", "attention.value_length"}) {
    const auto found = gguf_.find_integer(full(key));
    if (found && *found != c.head_dim) {
      unsupported(full(key), fmt::format("{}, other than the {} elements of a head,", *found, c.head_dim));
    }
  }
  const auto scaling = gguf_.find_string(full("rope.scaling.type"));
  if (scaling && *scaling == "linear") {
    c.rope.scaling = RopeConfig::Scaling::kLinear;
    c.rope.factor = positive("rope.scaling.factor");
  } else if (scaling && *scaling != "none") {
    unsupported(full("rope.scaling.type"), fmt::format("rope scaling {}", shown(*scaling)));
  }
  for (const char* key : {"rope.scaling.factor", "rope.scale_linear"}) {
    if (!scaling && gguf_.find_number(full(key)).value_or(1) != 1) unsupported(full(key), "rope scaling");
  }
  for (const char* key : {"attention.scale", "logit_scale", "residual_scale", "embedding_scale", "attention.clamp_kqv",
                          "attention.max_alibi_bias"}) {
    refuse_number(key);
  }
}

}  // namespace catenary::weights
