#include "cli/slurm/running_units.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "catenary/base/check.h"

namespace catenary::cli {
namespace {

constexpr std::size_t kLineBytes = 33;  // an id of 32 digits
constexpr std::size_t kMostBytes = kLineBytes * 1'000'000;

std::filesystem::path path_of(const std::filesystem::path& store) {
  return store.string() + ".running";
}

// An id or blanks, and a line's end; zeros where a rank has not written yet.
bool is_line(std::string_view line) {
  if (line.find_first_not_of('\0') == std::string_view::npos) return true;
  const std::string_view digits = "0123456789abcdef";
  const std::string_view id = line.substr(0, kLineBytes - 1);
  const bool is_id = id.find_first_not_of(digits) == std::string_view::npos;
  const bool is_blank = id.find_first_not_of(' ') == std::string_view::npos;
  return line.size() == kLineBytes && line.back() == '\n' && (is_id || is_blank);
}

// A regular file of ids, blanks and rows that no rank has written yet; nothing else may be written to or removed.
std::optional<std::string> content_of_ours(int file) {
  struct stat status {};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  if (static_cast<std::size_t>(status.st_size) > kMostBytes) return std::nullopt;
  std::string content(static_cast<std::size_t>(status.st_size), '\0');
  const ssize_t num_read = ::pread(file, content.data(), content.size(), 0);
  if (num_read < 0) return std::nullopt;
  content.resize(static_cast<std::size_t>(num_read));
  for (std::size_t begin = 0; begin < content.size(); begin += kLineBytes) {
    if (!is_line(std::string_view(content).substr(begin, kLineBytes))) return std::nullopt;
  }
  return content;
}

// -1 if there is none that is ours. A link is not followed, and nobody waits for a pipe's other end.
int open_ours(const std::filesystem::path& store, int flags) {
  const int file = ::open(path_of(store).c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
  if (file < 0 || content_of_ours(file)) return file;
  ::close(file);
  return -1;
}

}  // namespace

RunningUnits::RunningUnits(const std::filesystem::path& store, int rank)
    : file_(open_ours(store, O_RDWR | O_CREAT)), rank_(rank) {}

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
  const int file = open_ours(store, O_RDONLY);
  if (file < 0) return {};
  const std::string content = content_of_ours(file).value_or("");
  ::close(file);
  std::map<int, std::string> units;
  for (std::size_t rank = 0; (rank + 1) * kLineBytes <= content.size(); ++rank) {
    const std::string line = content.substr(rank * kLineBytes, kLineBytes);
    const std::string id = line.substr(0, line.find_first_of(std::string_view(" \n\0", 3)));
    if (!id.empty()) units[static_cast<int>(rank)] = id;
  }
  return units;
}

void RunningUnits::remove(const std::filesystem::path& store) {
  const int file = open_ours(store, O_RDONLY);
  if (file < 0) return;
  ::close(file);
  std::error_code ignored;
  std::filesystem::remove(path_of(store), ignored);
}

}  // namespace catenary::cli
