#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "catenary/weights/tensor_info.h"

namespace catenary::weights {

static_assert(std::endian::native == std::endian::little, "checkpoints are little-endian and are read in place");

/// The value at `at`, whatever its alignment.
template <class T>
T load(const void* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// Bytes that a tensor takes in a file; nothing if its rows are not whole blocks or the product overflows.
std::optional<std::int64_t> stored_bytes(Encoding encoding, std::span<const std::int64_t> shape);

/// For messages: a name or value that a file holds, shortened and without control characters; `shown` also quotes it.
std::string printable(std::string_view text);
std::string shown(std::string_view text);
/// For messages: "[192, 576]".
std::string shown(std::span<const std::int64_t> shape);

}  // namespace catenary::weights
