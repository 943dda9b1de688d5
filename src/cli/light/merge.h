#pragma once

#include "catenary/cli/args.h"

namespace catenary::cli {

/// `catenary merge`: joins stores. Returns the exit code.
int merge(const MergeArgs& args);

}  // namespace catenary::cli
