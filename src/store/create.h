#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "catenary/spec/work_unit.h"
#include "catenary/store/reader.h"
#include "catenary/store/schema.h"

namespace catenary::store {

/// What the file says it is. Tests make files of other programs and of a future Catenary.
struct FileIdentity {
  std::string_view format = "catenary store";
  std::int32_t schema_version = kSchemaVersion;
};

/// Independent; one process makes the file. Makes `path` with all ranges pending but for those that `sources` have
/// (carry_over.h), and returns their states. In place of a file of that name, all at once: until it is complete and
/// on the disk it is called `PATH.tmp-1`, or the next number that no file has. Space for all results is taken, so a
/// disk that is too small is found out here. Throws StoreError, also where a text of the layout cannot be stored (one
/// with a NUL, a sweep name of over 60,000 bytes); then nothing is left behind.
std::vector<RangeState> create_store(const std::filesystem::path& path, const Layout& layout,
                                     const std::vector<spec::ItemRange>& ranges,
                                     const std::vector<Reader>& sources = {}, const FileIdentity& identity = {});

}  // namespace catenary::store
