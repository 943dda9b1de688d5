#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "catenary/analysis/statistics.h"

namespace catenary::report {

using Json = nlohmann::ordered_json;

/// A number to the four digits that a chart can show; null where there is none.
Json number(double value);
/// [value, low, high]; null where there is none.
Json to_json(const std::optional<analysis::Estimate>& estimate);

/// The template with the data and a program that shows them.
std::string to_html(const Json& data, std::string_view program);

}  // namespace catenary::report
