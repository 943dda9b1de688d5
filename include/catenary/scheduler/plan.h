#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace catenary::scheduler {

/// One item range that is still to be computed.
struct PendingRange {
  std::size_t range_index = 0;  // the caller's number for it
  std::int32_t model_index = 0;
  double cost = 0;  // any unit, the same for all: FLOPs, say
};

/// Who gets what next. A rank keeps the model it holds while that has ranges left; otherwise it takes the model with
/// the most work left for each rank that would then be on it. Within a model, ranges go out in the order given.
/// Deterministic, without communication or clock.
class WorkQueue {
 public:
  explicit WorkQueue(const std::vector<PendingRange>& pending);

  /// The next range for a rank that holds `held_model`; nothing when all are handed out.
  std::optional<std::size_t> take(std::optional<std::int32_t> held_model);

  std::size_t num_left() const { return num_left_; }

 private:
  struct Model {
    std::deque<PendingRange> ranges;
    double cost_left = 0;
    int num_ranks = 0;  // on it
  };
  std::map<std::int32_t, Model> models_;
  std::size_t num_left_ = 0;
};

}  // namespace catenary::scheduler
