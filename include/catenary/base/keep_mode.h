#pragma once

#include <filesystem>

namespace catenary {

/// Gives a file that is to replace `old` its permissions and, as far as this user may, its owner and group. Nothing
/// happens where there is no such file.
void keep_mode(const std::filesystem::path& old, const std::filesystem::path& replacement);

}  // namespace catenary
