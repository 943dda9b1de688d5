#pragma once

#include <string>

namespace catenary::cli {

/// A field, quoted where it must be (RFC 4180).
std::string csv_field(const std::string& text);

/// An empty field for what is not a number.
std::string csv_number(double value);

}  // namespace catenary::cli
