#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "catenary/model/prefix_tree.h"

namespace catenary::test {

/// Sequences of a small alphabet, so that many begin alike, sorted as the engine sorts them.
inline model::PrefixTree random_tree(std::mt19937& random, std::int64_t prefix_length, int num_sequences,
                                     int max_length) {
  std::vector<std::vector<std::int32_t>> sequences(static_cast<std::size_t>(num_sequences));
  for (auto& sequence : sequences) {
    sequence.resize(std::uniform_int_distribution<std::size_t>(1, static_cast<std::size_t>(max_length))(random));
    for (auto& token : sequence) token = std::uniform_int_distribution(1, 2)(random);
  }
  std::ranges::sort(sequences);
  model::PrefixTree tree(prefix_length);
  for (const auto& sequence : sequences) tree.add(sequence);
  return tree;
}

}  // namespace catenary::test
