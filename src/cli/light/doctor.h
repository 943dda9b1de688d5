#pragma once

#include "catenary/cli/args.h"

namespace catenary::cli {

/// `catenary doctor`: checks the machine, a line a finding. Returns 0, or 1 if something is wrong.
int doctor(const DoctorArgs& args);

}  // namespace catenary::cli
