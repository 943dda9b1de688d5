#pragma once

#include "catenary/cli/args.h"

namespace catenary::cli {

/// `catenary nightly`: a sweep, what became of it, and what changed since the last good night. Returns the exit code.
int nightly(const NightlyArgs& args);

}  // namespace catenary::cli
