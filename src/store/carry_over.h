#pragma once

#include <filesystem>
#include <vector>

#include "catenary/spec/work_unit.h"
#include "catenary/store/reader.h"
#include "catenary/store/schema.h"

namespace catenary::store {

/// Writes into a store that is there, of this layout, what other stores have of the same units (the same id): every
/// range that is pending in `states` and done there, from the first source that has it intact; and how it failed, where
/// it failed in one and is done in none. `states` then tells what the store has. The sources' runs go with their
/// ranges.
void carry_over(const std::filesystem::path& path, const Layout& layout, const std::vector<spec::ItemRange>& ranges,
                const std::vector<Reader>& sources, std::vector<RangeState>& states);

/// Throws StoreError unless the store's items are cut into ranges as this program cuts them: its results would not be
/// found.
void check_same_cut(const std::filesystem::path& path, const Reader& reader);

}  // namespace catenary::store
