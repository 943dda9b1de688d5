#pragma once

#include <string>

namespace catenary {

/// A number of parameters, tokens or FLOPs in three digits: 9.01K, 1.64M, 135M, 2.1e+20.
std::string short_number(double value);

}  // namespace catenary
