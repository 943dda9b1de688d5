#pragma once

#include <cstdlib>
#include <string_view>

namespace catenary::cli {

/// A variable of the environment; "" where it is not set.
inline std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace catenary::cli
