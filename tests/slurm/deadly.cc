// Deaths at places that a test names, for LD_PRELOAD. A rank dies as by kill -9
//   CATENARY_DEADLY_UNIT   once it has noted in STORE.running that it begins the unit with this id
//   CATENARY_DEADLY_START  in MPI_Init, if this file is not there yet; makes it
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

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

extern "C" int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  const char* file = std::getenv("CATENARY_DEADLY_START");
  if (file != nullptr && ::open(file, O_CREAT | O_EXCL, 0600) >= 0) std::raise(SIGKILL);
  const auto real = reinterpret_cast<decltype(&MPI_Init_thread)>(::dlsym(RTLD_NEXT, "MPI_Init_thread"));
  return real(argc, argv, required, provided);
}
