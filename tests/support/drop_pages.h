#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

namespace catenary::test {

/// Has the system forget what it keeps of a file in memory, where it does. Returns whether that could be asked.
inline bool drop_pages(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY);
  if (descriptor < 0) return false;
  const bool is_asked = ::fsync(descriptor) == 0 && ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0;
  ::close(descriptor);
  return is_asked;
}

}  // namespace catenary::test
