#pragma once

#include <time.h>

#include <cstddef>
#include <filesystem>
#include <span>
#include <stop_token>
#include <string_view>

namespace catenary {

/// A file mapped read-only into memory. Move-only. Spans into it are valid while it lives; a moved-to object keeps them
/// valid.
class MappedFile {
 public:
  /// Throws DataError if the file cannot be opened or is not a regular file. An empty file gives an empty span.
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  /// Copies `part`, a part of bytes(), to `out`, of the same size, by reading the file: much faster than touching pages
  /// that are not in memory. Throws DataError if the file cannot be read or has become shorter. Thread-safe.
  void read(std::span<const std::byte> part, std::span<std::byte> out) const;
  /// Reads what is not in memory, from front to back, and throws it away: a disk is fastest so, and who then reads the
  /// file in another order finds it in memory. Ends early when told to stop, or at an error. Thread-safe.
  void warm(const std::stop_token& stop) const noexcept;
  /// Throws DataError if the file's size or time of writing is no longer what it was when it was opened. Takes less
  /// than a microsecond. A file that was put in its place under the same name does not matter. Thread-safe.
  void check_unchanged() const;
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  timespec written_{};
  int descriptor_ = -1;
};

}  // namespace catenary
