#pragma once

#include <string>
#include <string_view>

namespace catenary::cli {

/// One word of a shell's command line, in single quotes where it is not made of letters, digits and "%+,-./:=@_" alone.
std::string shell_quoted(std::string_view word);

}  // namespace catenary::cli
