#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "catenary/parallel/communicator.h"
#include "catenary/scheduler/plan.h"
#include "catenary/spec/unit_result.h"

namespace catenary::scheduler {

/// How far a sweep is; counted on rank 0.
struct SweepProgress {
  std::size_t num_ranges = 0;  // to be computed by this run
  std::size_t num_done = 0;
  std::size_t num_failed = 0;
  bool stopped = false;  // ended early on request
};

/// What a sweep does, as callables, so that it can be tested without a model or a file.
struct SweepActions {
  /// On the rank that got the range. An exception becomes a failed result with its message.
  std::function<spec::RangeResult(std::size_t range_index)> run;
  /// On the same rank, right after. An exception ends the sweep on all ranks: results that cannot be kept are not worth
  /// computing.
  std::function<void(std::size_t range_index, const spec::RangeResult& result)> record;
  /// True when this rank was asked to stop (a signal). Ranges in hand are finished; no more are handed out to anybody.
  std::function<bool()> stop_requested;
  /// On rank 0, from its service thread, after each result.
  std::function<void(const SweepProgress&, std::size_t range_index)> progress;
};

/// Collective. Hands the pending ranges to the ranks as they ask, until all are recorded or somebody is asked to stop.
/// `pending` is read on rank 0 only. A thread of rank 0 answers, so rank 0 computes like the others. Returns the same
/// counts on all ranks. Throws on all ranks if `record` threw on one.
SweepProgress run_sweep(const parallel::Communicator& communicator, const std::vector<PendingRange>& pending,
                        const SweepActions& actions);

}  // namespace catenary::scheduler
