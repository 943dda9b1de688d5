#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "catenary/base/error.h"
#include "catenary/weights/gguf.h"
#include "catenary/weights/model_config.h"

namespace catenary::weights {

/// Reads a config.json and collects everything that is wrong with it. A field that is absent or null has its fallback;
/// where there is none, that is a problem. Several keys are several names of one field. A value is returned after a
/// problem, too, so that reading goes on.
class HfFields {
 public:
  using Keys = std::initializer_list<std::string_view>;

  /// `prefix` is the JSON pointer of `object` in the file, "" at the top.
  HfFields(std::string file, const nlohmann::json& object, Problems& problems, std::string prefix = "");

  void problem(std::string_view key, std::string_view what);
  void unsupported(std::string_view key, std::string_view what);

  bool has(std::string_view key) const { return find(key) != nullptr; }
  bool is_absent(std::string_view key) const { return !object_->contains(key); }  // and not null either
  const nlohmann::json* find(std::string_view key) const;

  std::int64_t size(Keys keys, std::optional<std::int64_t> fallback = {});
  std::int64_t size(std::string_view key, std::optional<std::int64_t> fallback = {}) {
    return size(Keys{key}, fallback);
  }
  double positive(Keys keys, std::optional<double> fallback = {});
  double positive(std::string_view key, std::optional<double> fallback = {}) { return positive(Keys{key}, fallback); }
  bool flag(std::string_view key, bool fallback = false);
  std::string word(std::string_view key, std::string_view fallback);
  ModelConfig::Activation activation(std::string_view key, std::string_view fallback);

  /// Refuses any value but these by name; absent is fine.
  void only(std::string_view key, std::initializer_list<nlohmann::json> values);

  /// Member of the object, an object itself; nothing where it is absent.
  std::optional<HfFields> object(std::string_view key);

  /// hidden_size, …, max_position_embeddings under Llama's names. `head_dim` falls back to hidden_size / num_heads.
  void read_sizes(ModelConfig& c);
  /// The rest that most families share: embedding_size and attention_scale, from the sizes.
  void derive(ModelConfig& c);

  struct RopeDefaults {
    double theta = 10000;
    double rotated_share = 1;  // partial_rotary_factor
    std::string_view theta_key = "rope_theta";
    std::string_view share_key = "partial_rotary_factor";
    bool may_be_partial = false;  // transformers rotates whole heads in the other families
  };
  /// rope_theta, partial_rotary_factor and the scaling lie at the top level and in rope_scaling, or, as transformers 5
  /// writes them, in rope_parameters. Needs head_dim and max_position_embeddings.
  RopeConfig rope(const ModelConfig& c) { return rope(c, RopeDefaults{}); }
  RopeConfig rope(const ModelConfig& c, const RopeDefaults& defaults);
  /// The same where each kind of layer has its own: rope_parameters/`kind`.
  RopeConfig rope_of_kind(const ModelConfig& c, std::string_view kind, const RopeDefaults& defaults);

  /// sliding_window and, by layer, layer_types; where that is absent, `fallback` (repeated).
  void read_layer_types(ModelConfig& c, std::vector<bool> fallback);

 private:
  void expected(std::string_view key, std::string_view what, const nlohmann::json& found);
  void read_scaling(const ModelConfig& c, RopeConfig& rope);
  std::vector<double> positives(std::string_view key, std::size_t count);

  std::string file_;
  std::string prefix_;
  const nlohmann::json* object_;
  Problems* problems_;
};

/// The same for GGUF metadata; keys begin with the architecture's name, which is left out here.
class GgufFields {
 public:
  /// Metadata are those of `gguf`; the tensors of a split file lie in `rest` as well.
  GgufFields(const GgufFile& gguf, std::span<const GgufFile> rest, std::string architecture, Problems& problems);

  void problem(std::string_view key, std::string_view what);
  void unsupported(std::string_view key, std::string_view what);
  std::string full(std::string_view key) const;

  bool has(std::string_view key) const { return gguf_.has(full(key)); }
  bool has_tensor(std::string_view name) const { return find_tensor(name) != nullptr; }
  const TensorInfo* find_tensor(std::string_view name) const;
  std::int64_t size(std::string_view key, std::optional<std::int64_t> fallback = {});
  double positive(std::string_view key, std::optional<double> fallback = {});
  /// Refuses any value of a number but 0 and `harmless`.
  void refuse_number(std::string_view key, double harmless = 0);

  /// What all architectures of llama.cpp that resemble Llama have: sizes, norm, rope, tied or not.
  void read_llama(ModelConfig& c);

  const GgufFile& gguf() const { return gguf_; }

 private:
  const GgufFile& gguf_;
  std::span<const GgufFile> rest_;
  std::string architecture_;
  Problems& problems_;
};

/// Layers of which a config may tell the kinds one by one.
constexpr std::size_t kMaxListedLayers = 10000;

/// Shortest list that repeats to `layers`.
std::vector<bool> shortest_period(std::vector<bool> layers);

}  // namespace catenary::weights
