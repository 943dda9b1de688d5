#pragma once

// Its file names are cut at 255 bytes on purpose.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstringop-truncation"
#include <libfccp/csv.h>
#pragma GCC diagnostic pop

#include <fmt/format.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string_view>

#include "catenary/base/error.h"
#include "catenary/base/to_number.h"

namespace catenary::analysis {

/// A CSV file with a heading: quotes as in RFC 4180, blanks around cells and empty lines ignored.
template <unsigned num_columns>
using CsvReader = io::CSVReader<num_columns, io::trim_chars<' ', '\t'>, io::double_quote_escape<',', '"'>,
                                io::throw_on_overflow, io::empty_line_comment>;

/// A number, NaN for an empty cell or a written nan.
inline double parse_number(std::string_view text, std::size_t line, std::string_view column, Problems& problems) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (text.empty() || text == "NaN" || text == "NA") return kNan;
  if (const auto value = to_number<double>(text)) return *value;
  problems.add(fmt::format("line {}, column {}: expected a number, found \"{}\"", line, column, text));
  return kNan;
}

/// Parameters, tokens, FLOPs: the same, and never infinite.
inline double parse_size(std::string_view text, std::size_t line, std::string_view column, Problems& problems) {
  const double size = parse_number(text, line, column, problems);
  if (std::isinf(size))
    problems.add(fmt::format("line {}, column {}: expected a finite number, found \"{}\"", line, column, text));
  return size;
}

/// Throws `problems`, if there are any, as one DataError, each with the file's name.
inline void throw_problems_of(const std::filesystem::path& path, const Problems& problems) {
  Problems named;
  for (const std::string& problem : problems.list()) named.add(fmt::format("{}: {}", path.string(), problem));
  named.throw_if_any<DataError>();
}

/// Throws DataError with the reason; the reader's own message has none.
inline void check_readable(const std::filesystem::path& path) {
  errno = 0;
  if (!std::ifstream(path)) throw DataError(fmt::format("{}: {}", path.string(), std::strerror(errno)));
}

}  // namespace catenary::analysis
