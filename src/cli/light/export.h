#pragma once

#include "catenary/cli/args.h"

namespace catenary::cli {

/// `catenary export`: the items of a store, as CSV or as JSON lines. Returns the exit code.
int export_items(const ExportArgs& args);

}  // namespace catenary::cli
