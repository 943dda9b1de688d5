#pragma once

#include "catenary/cli/args.h"

namespace catenary::cli {

/// `catenary status`: what of a sweep is done, failed, pending, to standard output. Returns the exit code.
int status(const StatusArgs& args);

}  // namespace catenary::cli
