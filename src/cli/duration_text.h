#pragma once

#include <string>

namespace catenary::cli {

/// "0.25 s", "41 s", "3 min 20 s", "2 h 05 min".
std::string duration_text(double seconds);

}  // namespace catenary::cli
