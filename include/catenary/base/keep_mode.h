#pragma once

#include <filesystem>

namespace catenary {

/// Gives a file that is to replace `old` its permissions and, as far as this user may, its owner and group; where the
/// group cannot be kept, the new one gets no rights. Nothing happens where there is no `old`.
void keep_mode(const std::filesystem::path& old, const std::filesystem::path& replacement);

}  // namespace catenary
