#pragma once

#include <algorithm>
#include <utility>
#include <vector>

namespace catenary::cli {

/// The value of a key in a list of pairs; where the key is new, an empty one at the list's end.
template <class Key, class Value>
Value& entry_of(std::vector<std::pair<Key, Value>>& entries, const Key& key) {
  const auto found = std::ranges::find(entries, key, &std::pair<Key, Value>::first);
  return found != entries.end() ? found->second : entries.emplace_back(key, Value{}).second;
}

}  // namespace catenary::cli
