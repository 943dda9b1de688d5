#pragma once

#include <cstdint>
#include <string>

#include "catenary/spec/sweep_spec.h"
#include "catenary/task/task_reader.h"

namespace catenary::task {

/// The text that a model sees before the continuations of item `item_index` (a position in `task.items`).
///   zero_shot   the item's prompt
///   few_shot    k times (exemplar's prompt + its right class + separator), then the item's prompt
/// Exemplars are other items of the same file, never the item itself. `per_item` draws k of them from a generator
/// seeded by (seed, item_index); `fixed` draws k + 1 from one seeded by seed and takes the first k that are not the
/// item. The generator is std::mt19937_64, so a seed gives the same prompts on any machine. Throws SpecError if the
/// task has no more than k items.
std::string build_context(const Task& task, std::int64_t item_index, const spec::ConditionSpec& condition);

}  // namespace catenary::task
