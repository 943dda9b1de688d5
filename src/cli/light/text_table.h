#pragma once

#include <string>
#include <vector>

namespace catenary::cli {

/// A text for standard output: in a terminal whose character set is not UTF-8, ± – ≤ µ are written in ASCII.
std::string for_output(std::string text);

/// Rows of cells as lines for standard output, columns as wide as their widest cell (in code points), two spaces apart.
/// The first row names the columns; a row of one cell is a heading of those below it, and may be wider than its column.
/// Columns whose number is in `right` are set to the right.
std::string text_table(std::vector<std::vector<std::string>> rows, const std::vector<std::size_t>& right);

}  // namespace catenary::cli
