#include "catenary/analysis/estimate_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace catenary::analysis {

int decimals_for(double error) {
  return error > 0 && error < 0.003 ? std::clamp(static_cast<int>(std::ceil(-std::log10(error))), 2, 5) : 2;
}

std::string signed_text(double value, int decimals) {
  const std::string text = fmt::format("{:+.{}f}", value, decimals);
  return text.find_first_of("123456789") == std::string::npos ? fmt::format("{:+.{}f}", 0.0, decimals) : text;
}

std::string signed_text(const Estimate& estimate) {
  return signed_text(estimate.value, decimals_for(estimate.standard_error));
}

std::string interval_text(const Estimate& estimate, std::string_view what) {
  if (!std::isfinite(estimate.low)) return signed_text(estimate);
  const int decimals = decimals_for(estimate.standard_error);
  return fmt::format("{} ({}{} to {})", signed_text(estimate), what, signed_text(estimate.low, decimals),
                     signed_text(estimate.high, decimals));
}

std::string p_text(double p_value) {
  if (std::isnan(p_value)) return "–";
  return p_value < 0.001 ? "<0.001" : fmt::format("{:.3f}", p_value);
}

}  // namespace catenary::analysis
