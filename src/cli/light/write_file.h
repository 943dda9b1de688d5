#pragma once

#include <filesystem>
#include <span>
#include <string_view>

namespace catenary::cli {

struct NewFile {
  std::filesystem::path path;
  std::string_view content;
};

/// Writes whole files, each beside its place first; renamed are they when all are written, so that a full disk does not
/// cost older ones, nor leave a mixture. One that is replaced leaves its owner and mode to the new one. What is no
/// regular file (a pipe, /dev/stdout) is written as it is. Throws Error with the reason.
void write_files(std::span<const NewFile> files);
void write_file(const std::filesystem::path& path, std::string_view content);

/// Makes the folder, and those above it, if it is not there. Throws Error with the reason.
void make_folder(const std::filesystem::path& path);

}  // namespace catenary::cli
