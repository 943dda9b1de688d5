#pragma once

#include <string>

#include "catenary/analysis/regression.h"

namespace catenary::report {

/// What changed between two sweeps as one HTML file, in the style of make_page.
std::string make_comparison_page(const std::string& before, const std::string& after,
                                 const analysis::RegressionOptions& options, const analysis::Changes& changes);

}  // namespace catenary::report
