#pragma once

#include <string>
#include <vector>

namespace catenary::cli {

/// Rows of cells as lines, columns as wide as their widest cell (in code points), two spaces apart. The first row is
/// the heading. Columns whose number is in `right` are set to the right.
std::string text_table(const std::vector<std::vector<std::string>>& rows, const std::vector<std::size_t>& right);

}  // namespace catenary::cli
