#include "catenary/task/prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <vector>

#include "catenary/base/check.h"
#include "catenary/base/error.h"

namespace catenary::task {
namespace {

// `count` different item numbers below `num_items`, in the order drawn. The bias of taking a 64-bit number modulo is
// below 2^-40.
std::vector<std::int64_t> draw(std::mt19937_64 generator, std::int64_t count, std::int64_t num_items) {
  std::vector<std::int64_t> drawn;
  while (std::ssize(drawn) < count) {
    const auto candidate = static_cast<std::int64_t>(generator() % static_cast<std::uint64_t>(num_items));
    if (std::find(drawn.begin(), drawn.end(), candidate) == drawn.end()) drawn.push_back(candidate);
  }
  return drawn;
}

}  // namespace

std::string build_context(const Task& task, std::int64_t item_index, const spec::ConditionSpec& condition) {
  const auto num_items = std::ssize(task.items);
  check(item_index >= 0 && item_index < num_items, "item index within the task");
  std::string context;
  if (condition.kind == spec::ConditionKind::kFewShot) {
    if (num_items <= condition.k) {
      throw SpecError(fmt::format("condition \"{}\" needs {} exemplars besides the item, and the task has {} items",
                                  condition.name, condition.k, num_items));
    }
    constexpr std::uint64_t kGoldenRatio =
        0x9E3779B97F4A7C15;  // spreads (seed, item) over seeds that have nothing in common
    const bool per_item = condition.exemplars == spec::Exemplars::kPerItem;
    const std::uint64_t seed =
        condition.seed + (per_item ? kGoldenRatio * static_cast<std::uint64_t>(item_index + 1) : 0);
    auto exemplars = draw(std::mt19937_64(seed), condition.k + 1, num_items);
    std::erase(exemplars, item_index);
    exemplars.resize(static_cast<std::size_t>(condition.k));
    for (const std::int64_t index : exemplars) {
      const Item& exemplar = task.items[static_cast<std::size_t>(index)];
      context += exemplar.prompt;
      context += exemplar.classes[static_cast<std::size_t>(exemplar.answer_index)];
      context += condition.separator;
    }
  }
  return context + task.items[static_cast<std::size_t>(item_index)].prompt;
}

}  // namespace catenary::task
