#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <vector>

#include "catenary/scheduler/sweep.h"
#include "catenary/spec/work_unit.h"

namespace catenary::cli {

/// How far the sweep is, on standard error: one line that is drawn anew in a terminal, a line a minute in a log. Used
/// on rank 0, from one thread at a time.
class Progress {
 public:
  Progress(const std::vector<spec::ItemRange>& ranges, const std::vector<scheduler::PendingUnit>& pending);

  void report(const scheduler::SweepProgress& now, std::size_t range_index);
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
  bool terminal_;
};

}  // namespace catenary::cli
