#pragma once

#include <filesystem>

namespace catenary::cli {

/// What `catenary doctor` starts on all ranks: tries MPI, the devices and a store in `folder`. Rank 0 prints a JSON
/// object a finding: what, found, ok, to_do.
int probe(const std::filesystem::path& folder);

}  // namespace catenary::cli
