#pragma once

#include <cstddef>
#include <string>

namespace catenary::cli {

/// The text's words in lines of at most `width` code points, where no word is longer.
std::string wrapped(const std::string& text, std::size_t width);

/// How many code points a text has.
std::size_t width_of(const std::string& text);

}  // namespace catenary::cli
