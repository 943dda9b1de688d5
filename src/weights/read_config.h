#pragma once

#include <filesystem>
#include <span>

#include "catenary/weights/gguf.h"
#include "catenary/weights/model_config.h"
#include "weights/family.h"

namespace catenary::weights {

/// A model's architecture, and the family whose tables say where its tensors are.
struct Described {
  const Family* family = nullptr;
  ModelConfig config;
};

/// The config of a Hugging Face folder. Throws DataError with every problem of the file: fields missing, of a wrong
/// type or out of range, and features that are not supported, by name.
Described read_hf_config(const std::filesystem::path& config_json);

/// The same from GGUF metadata; `rest` are the other parts of a split file.
Described read_gguf_config(const GgufFile& gguf, std::span<const GgufFile> rest = {});

}  // namespace catenary::weights
