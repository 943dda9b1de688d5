#include "catenary/base/check.h"

#include <fmt/format.h>

#include <stdexcept>

namespace catenary {

void check(bool condition, std::string_view what, std::source_location where) {
  if (condition) return;
  throw std::logic_error(
      fmt::format("internal error: {} ({}:{}). Please report it.", what, where.file_name(), where.line()));
}

}  // namespace catenary
