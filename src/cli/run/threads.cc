#include "cli/run/threads.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <string>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/base/to_number.h"
#include "cli/counted.h"
#include "cli/environment.h"
#include "cli/run/host.h"

namespace catenary::cli {

namespace {

// 0 if nobody says.
int threads_by_environment() {
  const std::string_view text = environment("OMP_NUM_THREADS");
  if (text.empty()) return 0;
  const auto value = to_number<int>(text);
  if (!value || *value < 1 || *value > kMostThreads) {
    throw SpecError(fmt::format("OMP_NUM_THREADS: expected a number of threads, found \"{}\"", text));
  }
  return *value;
}

}  // namespace

int threads_per_rank(int requested, const parallel::Communicator* communicator) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  const bool known = ::sched_getaffinity(0, sizeof mask, &mask) == 0;
  const int num_cores = known ? CPU_COUNT(&mask) : 1;

  std::string place = host_name();
  for (std::size_t i = 0; i < CPU_SETSIZE; ++i) place += CPU_ISSET(i, &mask) ? '1' : '0';
  const int num_sharing = num_ranks_at(place, communicator);

  const int num_threads = requested > 0 ? requested : threads_by_environment();
  if (num_threads == 0) return std::max(1, num_cores / num_sharing);
  if (num_threads > 1 && num_threads * num_sharing > num_cores) {
    log::info(fmt::format("more threads than cores: {} of {} threads on {}", counted(num_sharing, "rank"), num_threads,
                          counted(num_cores, "core")));
  }
  return num_threads;
}

}  // namespace catenary::cli
