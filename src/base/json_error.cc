#include "catenary/base/json_error.h"

namespace catenary {

std::string_view json_error_text(std::string_view message) {
  for (const std::string_view end : {"] ", "parse error at "}) {
    const std::size_t at = message.find(end);
    if (at != std::string_view::npos) message.remove_prefix(at + end.size());
  }
  return message;
}

}  // namespace catenary
