#include "catenary/base/short_number.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace catenary {

std::string short_number(double value) {
  constexpr std::array<std::pair<double, const char*>, 4> kUnits{{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "K"}}};
  if (value >= 1e15) return fmt::format("{:.2g}", value);
  for (const auto& [unit, letter] : kUnits) {
    if (value >= unit) return fmt::format("{:.3g}{}", value / unit, letter);
  }
  return fmt::format("{:.3g}", value);
}

}  // namespace catenary
