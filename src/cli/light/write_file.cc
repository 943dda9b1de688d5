#include "cli/light/write_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/keep_mode.h"

namespace catenary::cli {
namespace {

namespace fs = std::filesystem;

// A file that is written and not yet in its place; goes if it does not get there.
class Written {
 public:
  explicit Written(const NewFile& file) : path_(file.path) {
    std::error_code failed;
    is_special_ = fs::exists(path_, failed) && !fs::is_regular_file(path_, failed);
    target_ = fs::weakly_canonical(path_, failed);  // a link stays a link
    if (failed) target_ = path_;
    place_ = is_special_ ? path_ : fs::path(target_.string() + ".partial");
    errno = 0;
    std::ofstream stream(place_, std::ios::binary);
    if (!stream) {
      place_.clear();  // what is there is not ours
      fail(std::strerror(errno));
    }
    if (!is_special_) keep_mode(target_, place_);
    stream << file.content;
    stream.close();
    if (!stream) fail(std::strerror(errno));
  }
  Written(Written&& other) noexcept
      : path_(std::move(other.path_)),
        target_(std::move(other.target_)),
        place_(std::exchange(other.place_, {})),
        is_special_(other.is_special_) {}
  Written& operator=(Written&&) = delete;
  ~Written() { remove(); }

  void put_in_place() {
    std::error_code failed;
    if (!is_special_) fs::rename(place_, target_, failed);
    if (failed) fail(failed.message());
    place_.clear();
  }

 private:
  void remove() {
    std::error_code ignored;
    if (!is_special_ && !place_.empty()) fs::remove(place_, ignored);
  }
  [[noreturn]] void fail(const std::string& reason) {
    remove();
    throw Error(fmt::format("{}: cannot be written: {}", path_.string(), reason));
  }

  fs::path path_, target_, place_;  // as named; without links; where it is for now, empty when it is in its place
  bool is_special_ = false;
};

}  // namespace

void write_files(std::span<const NewFile> files) {
  std::vector<Written> written;
  for (const NewFile& file : files) written.emplace_back(file);
  for (Written& file : written) file.put_in_place();
}

void write_file(const fs::path& path, std::string_view content) {
  const NewFile file{path, content};
  write_files({&file, 1});
}

void make_folder(const fs::path& path) {
  std::error_code failed;
  fs::create_directories(path, failed);
  if (failed) throw Error(fmt::format("{}: the folder cannot be made: {}", path.string(), failed.message()));
}

}  // namespace catenary::cli
