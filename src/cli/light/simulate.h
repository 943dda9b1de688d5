#pragma once

#include <filesystem>

#include "catenary/cli/args.h"
#include "cli/light/json.h"
#include "cli/light/workload.h"

namespace catenary::cli {

/// Plays the sweep on a machine that is not there and prints what came out, or returns it as JSON and prints nothing.
/// Throws SpecError if a model does not fit the machine.
Json simulate_plan(const Workload& workload, const SimulateArgs& args, bool print);

}  // namespace catenary::cli
