#pragma once

#include <source_location>
#include <string_view>

namespace catenary {

/// A condition that only a mistake in Catenary itself can break. Never compiled out. Throws std::logic_error that names
/// the place; user mistakes get one of the types in error.h instead.
void check(bool condition, std::string_view what, std::source_location where = std::source_location::current());

}  // namespace catenary
