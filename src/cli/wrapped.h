#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace catenary::cli {

/// The text's words in lines of at most `width` code points, where no word is longer; before all but the first comes
/// `indent`, which is not counted.
std::string wrapped(const std::string& text, std::size_t width, std::string_view indent = "");

/// How many code points a text has.
std::size_t width_of(const std::string& text);

}  // namespace catenary::cli
