#include "catenary/base/printable.h"

#include <algorithm>

namespace catenary {
namespace {

std::string replace_controls(std::string_view text, bool keep_line_ends) {
  std::string result(text);
  std::replace_if(
      result.begin(), result.end(),
      [&](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 || byte == 0x7F) && !(keep_line_ends && c == '\n');
      },
      '?');
  // The C1 controls, U+0080 to U+009F, are C2 80 to C2 9F in UTF-8; some terminals obey them.
  for (std::size_t i = 0; i + 1 < result.size(); ++i) {
    const auto next = static_cast<unsigned char>(result[i + 1]);
    if (static_cast<unsigned char>(result[i]) == 0xC2 && next >= 0x80 && next < 0xA0) result.replace(i, 2, "?");
  }
  return result;
}

}  // namespace

std::string printable(std::string_view text) {
  return replace_controls(text, false);
}
std::string printable_lines(std::string_view text) {
  return replace_controls(text, true);
}

}  // namespace catenary
