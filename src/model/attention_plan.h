#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "catenary/model/prefix_tree.h"

namespace catenary::model {

/// Tokens that go through the model together, and what each of them sees.
struct TokenLayout {
  std::vector<std::int64_t> slots;      // by token, ascending within a branch
  std::vector<std::int64_t> positions;  // by token
  std::vector<std::int64_t> branches;   // by token: an index of
  std::vector<std::vector<SlotRange>> paths;

  static TokenLayout of(const PrefixTree& tree);
};

/// Queries that meet consecutive keys: segment i has queries [query_begins[i], query_begins[i + 1]) of a list and the
/// keys in slots [key_begins[i], key_begins[i] + num_keys[i]).
struct Segments {
  std::vector<std::int32_t> query_begins{0};
  std::vector<std::int32_t> key_begins, num_keys;

  std::int64_t size() const { return std::ssize(key_begins); }
  std::int32_t num_queries() const { return query_begins.back(); }
  std::int32_t most_queries() const;
  std::int32_t most_keys() const;
  void add(std::int64_t num_queries, std::int64_t key_begin, std::int64_t key_end);
};

/// Attention over a prefix tree in two variable-length calls, whatever its depth, without copies of keys. A query meets
/// its own branch in the first call and each branch above in the second, where the queries of all branches that saw the
/// same keys lie side by side; what a query got from its parts is then merged by their log-sum-exp (Juravsky et al.,
/// Hydragen, 2024; Ye et al., FlashInfer, 2025).
///
/// Work is in tiles of some 128 queries by 64 keys. The other way, each branch against a copy of all the keys that it
/// sees, needs no merge, but a tile of each branch walks over the whole path. For a header of 1,000 tokens and a
/// hundred items of 28 that is 14 million pairs of query and key instead of 3.7, for a thousand continuations, of two
/// tokens, of a prompt of 100 it is 16 instead of 8.5, and keys are copied a hundred and a thousand times. With two to
/// four short continuations of a prompt either is small beside the matrix products. Where nothing is shared both are
/// the same call.
struct AttentionPlan {
  Segments own;  // the queries as they are; of a segment's keys the last query sees all, the one before all but one, …
  Segments above;                        // each query sees all keys of its segment
  std::vector<std::int64_t> above_rows;  // the queries of `above`

  // The rows that have parts above, ascending; row merged_rows[i] those in parts[part_begins[i]], …
  std::vector<std::int32_t> merged_rows, part_begins{0}, parts;
};

/// For `tokens` of the layout, ascending. No segment gets more than `max_queries`.
AttentionPlan plan_attention(const TokenLayout& layout, std::span<const std::int64_t> tokens, std::int64_t max_queries);

}  // namespace catenary::model
