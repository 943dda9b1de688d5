#pragma once

#include <cstdint>
#include <string>

#include "catenary/store/schema.h"
#include "store/tables.h"

namespace catenary::store {

/// The store's identity and integrity: hash of the root attributes that come from the layout and of all its tables.
std::string layout_hash(const Layout& layout, const Tables& tables);

/// See docs/store-format.md, "Checksums".
std::uint32_t values_checksum(const std::string& unit_id, std::int64_t first_item, const Values& values);
std::uint32_t record_checksum(const std::string& unit_id, std::int64_t first_item, const RangeRecord& record);
/// `host` and versions as they are stored: cut to their width.
std::uint32_t run_checksum(const Run& run);

}  // namespace catenary::store
