#include "cli/light/write_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "catenary/base/error.h"

namespace catenary::cli {

void write_file(const std::filesystem::path& path, std::string_view content) {
  std::error_code failed;
  const bool is_special = std::filesystem::exists(path, failed) && !std::filesystem::is_regular_file(path, failed);
  std::filesystem::path target = std::filesystem::weakly_canonical(path, failed);  // a link stays a link
  if (failed) target = path;
  const std::filesystem::path written = is_special ? path : std::filesystem::path(target.string() + ".partial");
  errno = 0;
  std::ofstream file(written, std::ios::binary);
  file << content;
  file.close();
  std::string reason = file ? "" : std::strerror(errno);
  if (file && !is_special) {
    std::filesystem::rename(written, target, failed);
    if (failed) reason = failed.message();
  }
  if (reason.empty()) return;
  if (!is_special) std::filesystem::remove(written, failed);
  throw Error(fmt::format("{}: cannot be written: {}", path.string(), reason));
}

void make_folder(const std::filesystem::path& path) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) throw Error(fmt::format("{}: the folder cannot be made: {}", path.string(), failed.message()));
}

}  // namespace catenary::cli
