#pragma once

#include <string>

namespace catenary::cli {

/// "0.1.0 (f5d9407)": version and commit, "-dirty" after a commit that the sources differ from. Without a repository
/// the version alone.
std::string version();

}  // namespace catenary::cli
