// What goes wrong where a test says so, for LD_PRELOAD. A rank dies, as by kill -9,
//   CATENARY_DEADLY_UNIT   once it has noted in STORE.running that it begins a range of the unit with this id
//   CATENARY_DEADLY_START  in MPI_Init, if this file is not there yet; makes it
// or ends with 1 (and blames no unit):
//   CATENARY_ENDS_AT       when it begins its range of this number, from 1
// or takes its time:
//   CATENARY_SLOW_RANGE    milliseconds that it sleeps before each range
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <thread>

extern "C" ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t offset) {
  static const auto real = reinterpret_cast<decltype(&pwrite)>(::dlsym(RTLD_NEXT, "pwrite"));
  const ssize_t written = real(descriptor, bytes, size, offset);
  const std::string_view line(static_cast<const char*>(bytes), size);
  const bool begins_range = size == 33 && line[0] != ' ';  // src/cli/slurm/running_units.h
  if (!begins_range) return written;
  const char* id = std::getenv("CATENARY_DEADLY_UNIT");
  if (id != nullptr && line.starts_with(id)) std::raise(SIGKILL);
  static std::atomic<int> num_begun = 0;
  const char* last = std::getenv("CATENARY_ENDS_AT");
  if (last != nullptr && ++num_begun >= std::atoi(last)) ::_exit(1);
  if (const char* slow = std::getenv("CATENARY_SLOW_RANGE")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(std::atoi(slow)));
  }
  return written;
}

extern "C" int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  const char* file = std::getenv("CATENARY_DEADLY_START");
  if (file != nullptr && ::open(file, O_CREAT | O_EXCL, 0600) >= 0) std::raise(SIGKILL);
  const auto real = reinterpret_cast<decltype(&MPI_Init_thread)>(::dlsym(RTLD_NEXT, "MPI_Init_thread"));
  return real(argc, argv, required, provided);
}
