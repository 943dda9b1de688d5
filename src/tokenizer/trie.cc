#include "tokenizer/trie.h"

#include <algorithm>

namespace catenary::tokenizer {

Trie::Trie(std::vector<Entry> entries) : nodes_(1) {
  std::ranges::sort(entries);
  // Breadth first: node i stands for the entries [begin, end), which agree in their first `depth` bytes.
  struct Range {
    std::size_t begin, end, depth;
  };
  std::vector<Range> ranges{{0, entries.size(), 0}};
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    auto [begin, end, depth] = ranges[i];
    if (begin < end && entries[begin].first.size() == depth) nodes_[i].value = entries[begin++].second;
    nodes_[i].first_child = static_cast<std::uint32_t>(nodes_.size());
    while (begin < end) {
      const char byte = entries[begin].first[depth];
      std::size_t next = begin + 1;
      while (next < end && entries[next].first[depth] == byte) ++next;
      ranges.push_back({begin, next, depth + 1});
      nodes_.push_back({.byte = static_cast<unsigned char>(byte)});
      ++nodes_[i].num_children;
      begin = next;
    }
  }
}

}  // namespace catenary::tokenizer
