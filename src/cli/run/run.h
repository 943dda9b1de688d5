#pragma once

#include "catenary/cli/args.h"

namespace catenary::cli {

/// `catenary run`: a sweep on all ranks of MPI_COMM_WORLD. Initialises MPI. Returns the exit code.
int run(const RunArgs& args);

}  // namespace catenary::cli
