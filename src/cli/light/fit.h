#pragma once

#include "catenary/cli/args.h"

namespace catenary::cli {

/// `catenary fit`: curves and verdicts to standard output. Returns the exit code.
int fit(const FitArgs& args);

}  // namespace catenary::cli
