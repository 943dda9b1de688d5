#pragma once

#include <charconv>
#include <optional>
#include <string_view>

namespace catenary {

/// The decimal number that `text` is from its first byte to its last, in any locale; nothing where there are spaces, a
/// plus sign or anything else around it, and where T cannot hold it. For a floating-point T also "inf" and "nan".
template <class T>
std::optional<T> to_number(std::string_view text) {
  T value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace catenary
