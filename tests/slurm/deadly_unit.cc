// A unit that kills whoever computes it, for LD_PRELOAD: a rank dies, as by kill -9, once it has noted in STORE.running
// that it begins the unit whose id is CATENARY_DEADLY_UNIT.
#include <dlfcn.h>
#include <sys/types.h>

#include <csignal>
#include <cstdlib>
#include <string_view>

extern "C" ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t offset) {
  static const auto real = reinterpret_cast<decltype(&pwrite)>(::dlsym(RTLD_NEXT, "pwrite"));
  const ssize_t written = real(descriptor, bytes, size, offset);
  const char* id = std::getenv("CATENARY_DEADLY_UNIT");
  const bool is_line = size == 33;  // src/cli/slurm/running_units.h
  if (is_line && id != nullptr && std::string_view(static_cast<const char*>(bytes), 32) == id) std::raise(SIGKILL);
  return written;
}
