#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "catenary/scheduler/sweep.h"
#include "catenary/spec/work_unit.h"
#include "cli/progress_bar.h"

namespace catenary::cli {

/// How far the sweep is, on standard error: a bar that is drawn anew in a terminal, a line a minute in a log. Used
/// on rank 0, from one thread at a time.
class Progress {
 public:
  Progress(const std::vector<spec::ItemRange>& ranges, const std::vector<scheduler::PendingUnit>& pending);

  void report(const scheduler::SweepProgress& now, std::size_t range_index);
  /// From any thread, before something else is printed: removes the bar until the next report.
  void clear();
  /// The last line; says nothing on other ranks than 0.
  void finish(const scheduler::SweepProgress& end);

 private:
  using Clock = std::chrono::steady_clock;

  const std::vector<spec::ItemRange>& ranges_;
  std::map<std::int32_t, std::size_t> num_ranges_left_;  // of each unit
  std::size_t num_units_done_ = 0;
  std::int64_t num_items_ = 0;  // to be scored by this run
  std::int64_t num_items_done_ = 0;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_shown_ = start_;
  std::optional<Terminal> terminal_;
  std::atomic<bool> is_drawn_ = false;
};

}  // namespace catenary::cli
