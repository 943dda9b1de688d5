#include "cli/run/on_all_ranks.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <optional>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/base/to_number.h"
#include "catenary/parallel/mpi_environment.h"
#include "cli/environment.h"
#include "cli/guard.h"

namespace catenary::cli {
namespace {

using parallel::Communicator;

// The tasks of a step of srun that has no MPI plugin; 0 for all other processes.
int num_tasks_without_mpi() {
  if (environment("SLURM_PROCID").empty()) return 0;
  for (const char* rank : {"PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK"}) {
    if (!environment(rank).empty()) return 0;
  }
  return to_number<int>(environment("SLURM_STEP_NUM_TASKS")).value_or(0);
}

}  // namespace

int on_all_ranks(const std::function<int(const Communicator&, const Communicator&)>& command) {
  if (const int num_strangers = num_tasks_without_mpi(); num_strangers > 1) {
    return guard(
        [&]() -> int {
          throw SpecError(
              fmt::format("srun started {} tasks that do not know of one another; use srun --mpi=pmix, or what "
                          "`srun --mpi=list` has for this MPI",
                          num_strangers));
        },
        [] { return environment("SLURM_PROCID") == "0"; });
  }
  std::optional<parallel::MpiEnvironment> mpi;
  std::optional<Communicator> world, among_ranks;
  bool returned = false;
  const int code = guard(
      [&] {
        mpi.emplace();
        world.emplace(Communicator::world());
        log::set_rank(world->rank(), world->size());
        among_ranks.emplace(Communicator::world());
        const int exit_code = command(*world, *among_ranks);
        returned = true;
        return exit_code;
      },
      // What all know of, rank 0 says. What one rank alone met, that rank says.
      [&] { return !world || world->rank() == 0 || !world->failed_together(); });
  if (!returned && world && !world->failed_together()) {  // MPI_Finalize would wait for ranks that know nothing of this
    std::fflush(nullptr);
    if (world->size() == 1) std::_Exit(code);
    parallel::MpiEnvironment::abort(code);
  }
  among_ranks.reset();
  world.reset();
  return code;
}

}  // namespace catenary::cli
