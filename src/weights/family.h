#pragma once

#include <span>
#include <string_view>

#include "catenary/weights/model_config.h"
#include "weights/fields.h"
#include "weights/needed_tensors.h"

namespace catenary::weights {

/// What llama.cpp's converter makes of a family.
struct GgufFamily {
  std::string_view architecture;  // general.architecture
  void (*read)(GgufFields& fields, ModelConfig& config);
  std::span<const TensorName> names = {};          // where other than kGgufNames
  std::span<const std::string_view> ignored = {};  // tensors that are part of the config
};

/// A model family as data: how its config.json becomes a ModelConfig, and where its files keep the tensors.
struct Family {
  std::string_view model_type;        // of config.json
  std::string_view model_class;       // in its "architectures"
  std::string_view other_class = {};  // the same, as published with code of its own
  void (*read)(HfFields& fields, ModelConfig& config);
  std::span<const TensorName> names;               // where other than kLlamaNames
  std::string_view prefix = "model.";              // that files of the base model alone leave out
  std::span<const std::string_view> ignored = {};  // ends of names of tensors that follow from the config
  const GgufFamily* gguf = nullptr;
};

/// All of them, by model_type.
std::span<const Family* const> families();
/// Nothing if there is no such family.
const Family* find_family(std::string_view model_type);
const Family* find_gguf_family(std::string_view architecture);

/// Names of transformers' Llama and of llama.cpp: of every part that some family keeps under this name.
extern const std::span<const TensorName> kLlamaNames;
extern const std::span<const TensorName> kGgufNames;

}  // namespace catenary::weights
