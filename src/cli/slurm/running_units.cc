#include "cli/slurm/running_units.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>

#include "catenary/base/check.h"

namespace catenary::cli {
namespace {

constexpr std::size_t kLineBytes = 33;  // an id of 32 digits

std::filesystem::path path_of(const std::filesystem::path& store) {
  return store.string() + ".running";
}

}  // namespace

RunningUnits::RunningUnits(const std::filesystem::path& store, int rank)
    : file_(::open(path_of(store).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)), rank_(rank) {}

RunningUnits::~RunningUnits() {
  if (file_ >= 0) ::close(file_);
}

void RunningUnits::set(std::string_view unit_id) {
  const std::string line = fmt::format("{:<32.32}\n", unit_id);
  check(line.size() == kLineBytes, "a line of STORE.running has its size");
  const auto offset = static_cast<off_t>(static_cast<std::size_t>(rank_) * kLineBytes);
  [[maybe_unused]] const ssize_t ignored = ::pwrite(file_, line.data(), line.size(), offset);
}

std::map<int, std::string> RunningUnits::read(const std::filesystem::path& store) {
  std::ifstream file(path_of(store), std::ios::binary);
  std::map<int, std::string> units;
  std::string line(kLineBytes, '\0');
  for (int rank = 0; file.read(line.data(), static_cast<std::streamsize>(line.size())); ++rank) {
    const std::string id = line.substr(0, line.find_first_of(std::string_view(" \n\0", 3)));
    if (!id.empty()) units[rank] = id;
  }
  return units;
}

void RunningUnits::remove(const std::filesystem::path& store) {
  std::error_code ignored;
  std::filesystem::remove(path_of(store), ignored);
}

}  // namespace catenary::cli
