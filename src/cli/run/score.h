#pragma once

#include "catenary/cli/args.h"

namespace catenary::cli {

/// `catenary score`: a JSON line an item on standard output, from rank 0. Several ranks hold the model together.
/// Initialises MPI. Returns the exit code.
int score(const ScoreArgs& args);

}  // namespace catenary::cli
