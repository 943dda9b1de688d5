#pragma once

#include "catenary/cli/args.h"

namespace catenary::cli {

/// `catenary submit`: sizes a job, writes its batch script beside the store, shows and submits it. Returns the exit
/// code.
int submit(const SubmitArgs& args);

}  // namespace catenary::cli
