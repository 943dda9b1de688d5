#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace catenary::spec {

/// One cell of a sweep: a model on a task under a condition. Indices are positions in the sweep's lists.
struct WorkUnit {
  std::string id;  // 32 hexadecimal digits: hash of weights, tokenizer, items, condition and numerics
  std::int32_t model_index = 0;
  std::int32_t task_index = 0;
  std::int32_t condition_index = 0;
  std::int32_t num_texts_per_item = 0;  // that the model generates: one a prompt, or none
  std::int32_t num_bytes_per_text = 0;  // what a store keeps free for each; a range's texts share what they do not need
};

/// A text of n tokens gets n times as many bytes: twice the mean of English in common tokenizers.
inline constexpr std::int32_t kTextBytesPerToken = 8;

/// What is handed out, stored and resumed as one: items [first_item, first_item + num_items) of a unit. Ranges are cut
/// from the unit alone (kItemsPerRange), never from the number of ranks, so what is computed together does not depend
/// on who computes it.
struct ItemRange {
  std::int32_t unit_index = 0;
  std::int64_t first_item = 0;
  std::int64_t num_items = 0;
};

inline constexpr std::int64_t kItemsPerRange = 64;

/// The ranges of a unit of `num_items` items, in order.
std::vector<ItemRange> cut_into_ranges(std::int32_t unit_index, std::int64_t num_items);

}  // namespace catenary::spec
