#pragma once

#include <string_view>

namespace catenary {

/// What the JSON library says of a text that it cannot read, without its own names for kinds of errors.
std::string_view json_error_text(std::string_view message);

}  // namespace catenary
