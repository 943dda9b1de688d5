#pragma once

#include <filesystem>

#include "catenary/weights/gguf.h"
#include "catenary/weights/model_config.h"

namespace catenary::weights {

/// The config of a Hugging Face folder. Throws DataError with every problem of the file: fields missing, of a wrong
/// type or out of range, and features that are not supported, by name.
ModelConfig read_hf_config(const std::filesystem::path& config_json);

/// The same from GGUF metadata.
ModelConfig read_gguf_config(const GgufFile& gguf);

}  // namespace catenary::weights
