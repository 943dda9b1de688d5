// A disk that fails, for LD_PRELOAD: writes to one file, or its fsync, give EIO on chosen ranks.
//   CATENARY_FAILING_FILE   the file's path
//   CATENARY_FAILING_RANK   a rank, or "all"
//   CATENARY_FAILING_CALL   "write" or "fsync"
//   CATENARY_FAILING_AFTER  how many such calls succeed before
#include <dlfcn.h>
#include <limits.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

std::string_view setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool fails(int descriptor, std::string_view call) {
  static std::atomic<int> num_calls = 0;
  if (setting("CATENARY_FAILING_CALL") != call) return false;
  const std::string_view rank = setting("CATENARY_FAILING_RANK");
  if (rank != "all" && rank != setting("OMPI_COMM_WORLD_RANK")) return false;
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t size = ::readlink(link.c_str(), path, sizeof path);
  if (size < 0 || std::string_view(path, static_cast<std::size_t>(size)) != setting("CATENARY_FAILING_FILE")) {
    return false;
  }
  return num_calls++ >= std::atoi(std::getenv("CATENARY_FAILING_AFTER"));
}

template <class Function, class... Arguments>
auto call(Function*, const char* name, std::string_view kind, int descriptor, Arguments... arguments) {
  const auto real = reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
  if (!fails(descriptor, kind)) return real(descriptor, arguments...);
  errno = EIO;
  return decltype(real(descriptor, arguments...)){-1};
}

}  // namespace

extern "C" {
ssize_t write(int descriptor, const void* bytes, size_t size) {
  return call(&write, "write", "write", descriptor, bytes, size);
}
ssize_t writev(int descriptor, const iovec* pieces, int count) {
  return call(&writev, "writev", "write", descriptor, pieces, count);
}
ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t offset) {
  return call(&pwrite, "pwrite", "write", descriptor, bytes, size, offset);
}
ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t offset) {
  return call(&pwrite64, "pwrite64", "write", descriptor, bytes, size, offset);
}
ssize_t pwritev(int descriptor, const iovec* pieces, int count, off_t offset) {
  return call(&pwritev, "pwritev", "write", descriptor, pieces, count, offset);
}
ssize_t pwritev64(int descriptor, const iovec* pieces, int count, off64_t offset) {
  return call(&pwritev64, "pwritev64", "write", descriptor, pieces, count, offset);
}
int fsync(int descriptor) {
  return call(&fsync, "fsync", "fsync", descriptor);
}
int fdatasync(int descriptor) {
  return call(&fdatasync, "fdatasync", "fsync", descriptor);
}
}
