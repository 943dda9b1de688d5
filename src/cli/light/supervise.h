#pragma once

#include "catenary/cli/args.h"

namespace catenary::cli {

/// `catenary supervise`: the batch script's one command. Starts the sweep as a job step, starts it again when a rank or
/// a node dies, stops and requeues when Slurm asks to. Returns the exit code.
int supervise(const SuperviseArgs& args);

}  // namespace catenary::cli
