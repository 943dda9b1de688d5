#pragma once

#include <functional>

#include "catenary/parallel/communicator.h"

namespace catenary::cli {

/// Initialises MPI and runs a command on all ranks that mpirun or srun started; alone without them. `among_ranks` is
/// for the messages of groups. Returns the exit code: the command's, or that of what it threw, which is told once where
/// all ranks know of it (parallel::agree).
int on_all_ranks(
    const std::function<int(const parallel::Communicator& world, const parallel::Communicator& among_ranks)>& command);

}  // namespace catenary::cli
