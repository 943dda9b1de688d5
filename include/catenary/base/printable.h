#pragma once

#include <string>
#include <string_view>

namespace catenary {

/// `text` with control characters, line ends included, replaced by '?': what comes from a file must not steer a terminal.
std::string printable(std::string_view text);

/// The same, line ends kept.
std::string printable_lines(std::string_view text);

}  // namespace catenary
