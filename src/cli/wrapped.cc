#include "cli/wrapped.h"

#include <algorithm>
#include <sstream>

namespace catenary::cli {

std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string wrapped(const std::string& text, std::size_t width, std::string_view indent) {
  std::string lines;
  std::size_t length = 0;
  std::istringstream words(text);
  for (std::string word; words >> word; length += width_of(word)) {
    if (length > 0 && length + 1 + width_of(word) > width) {
      lines += '\n';
      lines += indent;
      length = 0;
    } else if (length > 0) {
      lines += ' ';
      ++length;
    }
    lines += word;
  }
  return lines;
}

}  // namespace catenary::cli
