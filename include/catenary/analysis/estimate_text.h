#pragma once

#include <string>
#include <string_view>

#include "catenary/analysis/statistics.h"

namespace catenary::analysis {

/// Decimals of a number with this error: two, and up to five to show the first digit of an error below 0.003.
int decimals_for(double error);

/// With its sign; zero has a plus, whichever side it was rounded from.
std::string signed_text(double value, int decimals);
std::string signed_text(const Estimate& estimate);

/// "+0.42 (+0.41 to +0.44)", with `what` before the interval; the number alone where the data cannot bound it.
std::string interval_text(const Estimate& estimate, std::string_view what = "");

/// "0.016", "<0.001", a dash for what was not tested.
std::string p_text(double p_value);

}  // namespace catenary::analysis
