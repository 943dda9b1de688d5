#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace catenary::store {

/// What a user of the file is told of a column.
struct ColumnInfo {
  std::string_view path;   // "models/name"
  std::string_view units;  // empty where there is none
  std::string_view description;
};

/// Text of a fixed width, padded with zero bytes.
template <std::size_t kWidth>
using FixedText = std::array<char, kWidth>;

}  // namespace catenary::store
