#pragma once

#include <filesystem>

#include "catenary/store/reader.h"

namespace catenary::cli {

/// Writes a store as lm-evaluation-harness writes its runs, one for each condition and model:
/// FOLDER/CONDITION/MODEL/results_DATE.json and beside it samples_TASK_DATE.jsonl. Tasks that are not done are left out
/// with a warning, and so are those whose answers are generated numbers.
void export_lm_eval(const store::Reader& store, const std::filesystem::path& folder);

}  // namespace catenary::cli
