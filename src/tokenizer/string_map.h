#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace catenary::tokenizer {

struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

/// A hash map that finds a std::string_view without copying it.
template <class Value>
using StringMap = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

}  // namespace catenary::tokenizer
