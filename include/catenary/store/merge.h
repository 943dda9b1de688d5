#pragma once

#include <filesystem>
#include <vector>

namespace catenary::store {

/// Independent; one process. Makes `output` from stores of parts of a study: their models, tasks, conditions and units
/// joined, with every result that one of them has intact; warns where the sweeps' names differ. Throws DataError that
/// lists every contradiction: other numerics, rows of the same name or units of the same model, task and condition that
/// differ, and ranges done in two stores with other results; also if `output` is there; StoreError for a store that
/// cannot be read. Then nothing is made.
void merge(const std::vector<std::filesystem::path>& stores, const std::filesystem::path& output);

}  // namespace catenary::store
