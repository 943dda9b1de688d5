#include "cli/light/text_table.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "catenary/base/printable.h"
#include "cli/progress_bar.h"
#include "cli/wrapped.h"

namespace catenary::cli {

std::string for_output(std::string text) {
  static const auto terminal = find_terminal(STDOUT_FILENO);
  if (!terminal || terminal->has_unicode) return text;
  for (const auto& [sign, ascii] :
       {std::pair<std::string_view, const char*>("±", "+-"), {"–", "-"}, {"≤", "<="}, {"µ", "u"}}) {
    for (auto at = text.find(sign); at != std::string::npos; at = text.find(sign)) text.replace(at, sign.size(), ascii);
  }
  return text;
}

std::string text_table(std::vector<std::vector<std::string>> rows, const std::vector<std::size_t>& right) {
  for (auto& row : rows)
    for (std::string& cell : row) cell = for_output(std::move(cell));
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    if (row.size() == 1) continue;
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
  }
  std::string text;
  for (const auto& row : rows) {
    if (row.size() == 1) {
      text += printable(row[0]) + '\n';
      continue;
    }
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string padding(widths[c] - width_of(row[c]), ' ');
      const std::string cell = printable(row[c]);
      const bool to_the_right = std::find(right.begin(), right.end(), c) != right.end();
      line += (c > 0 ? "  " : "") + (to_the_right ? padding + cell : cell + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace catenary::cli
