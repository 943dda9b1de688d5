#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "catenary/tokenizer/tokenizer.h"

namespace catenary::tokenizer {

/// Finds which tokens a text starts with.
class Trie {
 public:
  using Entry = std::pair<std::string_view, std::uint32_t>;

  /// `entries` are distinct tokens, none empty, each with its value.
  explicit Trie(std::vector<Entry> entries);

  /// Calls `sink(length, value)` for each token that `text` starts with, the shortest first.
  template <class Sink>
  void for_each_prefix(std::string_view text, const Sink& sink) const {
    const Node* node = &nodes_.front();
    for (std::size_t i = 0; i < text.size(); ++i) {
      node = find_child(*node, static_cast<unsigned char>(text[i]));
      if (node == nullptr) return;
      if (node->value != kNoValue) sink(i + 1, node->value);
    }
  }

 private:
  static constexpr std::uint32_t kNoValue = 0xFFFFFFFF;

  // The children of a node lie side by side, in order of their bytes.
  struct Node {
    std::uint32_t first_child = 0;
    std::uint32_t value = kNoValue;
    std::uint16_t num_children = 0;
    unsigned char byte = 0;
  };

  const Node* find_child(const Node& node, unsigned char byte) const {
    const Node* low = nodes_.data() + node.first_child;
    if (node.num_children == 256) return low + byte;
    for (std::size_t size = node.num_children; size > 0;) {
      const std::size_t half = size / 2;
      if (low[half].byte == byte) return low + half;
      if (low[half].byte < byte) {
        low += half + 1;
        size -= half + 1;
      } else {
        size = half;
      }
    }
    return nullptr;
  }

  std::vector<Node> nodes_;
};

}  // namespace catenary::tokenizer
