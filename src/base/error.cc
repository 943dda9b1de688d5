#include "catenary/base/error.h"

#include <fmt/format.h>

namespace catenary {

std::string Problems::text() const {
  std::string text;
  for (std::size_t i = 0; i < problems_.size() && i < kMaxShown; ++i) {
    if (i > 0) text += '\n';
    text += problems_[i];
  }
  if (problems_.size() > kMaxShown) text += fmt::format("\n… and {} more", problems_.size() - kMaxShown);
  return text;
}

}  // namespace catenary
