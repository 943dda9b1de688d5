#pragma once

#include "catenary/cli/args.h"

namespace catenary::cli {

/// `catenary score`: a JSON line an item on standard output. Returns the exit code.
int score(const ScoreArgs& args);

}  // namespace catenary::cli
