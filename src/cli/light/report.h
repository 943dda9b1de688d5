#pragma once

#include "catenary/cli/args.h"

namespace catenary::cli {

/// Writes the page of a study. Returns the exit code.
int report(const ReportArgs& args);

}  // namespace catenary::cli
