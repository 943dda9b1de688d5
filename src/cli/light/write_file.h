#pragma once

#include <filesystem>
#include <string_view>

namespace catenary::cli {

/// Writes a whole file, beside it first and then renamed, so that a full disk does not cost an older one. What is no
/// regular file (a pipe, /dev/stdout) is written as it is. Throws Error with the reason.
void write_file(const std::filesystem::path& path, std::string_view content);

/// Makes the folder, and those above it, if it is not there. Throws Error with the reason.
void make_folder(const std::filesystem::path& path);

}  // namespace catenary::cli
