#include "catenary/scheduler/plan.h"

#include <algorithm>

namespace catenary::scheduler {

WorkQueue::WorkQueue(const std::vector<PendingRange>& pending) : num_left_(pending.size()) {
  for (const PendingRange& range : pending) {
    Model& model = models_[range.model_index];
    model.ranges.push_back(range);
    model.cost_left += range.cost;
  }
}

std::optional<std::size_t> WorkQueue::take(std::optional<std::int32_t> held_model) {
  if (num_left_ == 0) return std::nullopt;
  auto chosen = held_model ? models_.find(*held_model) : models_.end();
  if (chosen == models_.end() || chosen->second.ranges.empty()) {
    if (chosen != models_.end()) --chosen->second.num_ranks;
    const auto work_per_rank = [](const auto& entry) {
      return entry.second.ranges.empty() ? -1.0 : entry.second.cost_left / (entry.second.num_ranks + 1);
    };
    chosen = std::max_element(models_.begin(), models_.end(),
                              [&](const auto& a, const auto& b) { return work_per_rank(a) < work_per_rank(b); });
    ++chosen->second.num_ranks;
  }
  Model& model = chosen->second;
  const PendingRange range = model.ranges.front();
  model.ranges.pop_front();
  model.cost_left -= range.cost;
  --num_left_;
  return range.range_index;
}

}  // namespace catenary::scheduler
