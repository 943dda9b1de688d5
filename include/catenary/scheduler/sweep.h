#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "catenary/parallel/communicator.h"
#include "catenary/scheduler/policy.h"
#include "catenary/spec/unit_result.h"

namespace catenary::scheduler {

/// How far a sweep is; counted on rank 0.
struct SweepProgress {
  std::size_t num_ranges = 0;  // to be computed by this run
  std::size_t num_done = 0;
  std::size_t num_failed = 0;
  bool stopped = false;             // ended early on request
  std::int64_t num_tokens_fed = 0;  // of the ranges that are done; on rank 0
  double flops = 0;                 // the same
};

/// What a sweep does, as callables, so that it can be tested without a model or a file.
struct SweepActions {
  /// On every rank of the group that got the range, in the same order. An exception becomes a failed result with its
  /// message. The group's first rank has the result; its `seconds` correct what the policy predicts.
  std::function<spec::RangeResult(std::size_t range_index, const Group& group)> run;
  /// On the group's first rank, right after, unless it failed and another group is to try it. An exception ends the
  /// sweep on all ranks: results that cannot be kept are not worth computing.
  std::function<void(std::size_t range_index, const spec::RangeResult& result)> record;
  /// May be empty. Told of a range that will be run on this rank after what it is running, as soon as that is known.
  /// From any thread; must return at once and not throw.
  std::function<void(std::size_t range_index)> prepare;
  /// May be empty; from a thread of its own. True when this rank was asked to stop (a signal). Ranges in hand are
  /// finished, on all ranks; no more are begun.
  std::function<bool()> stop_requested;
  /// May be empty. On rank 0, from its service thread, after each range that is done or failed for good.
  std::function<void(const SweepProgress&, std::size_t range_index)> progress;
};

/// Collective. Hands the ranges of `work` to groups of ranks until all are recorded or somebody is asked to stop.
/// `work` is read on rank 0 only; it has a place for each rank. A thread of rank 0 decides, so rank 0 computes like the
/// others. Waiting ranks sleep. Returns the same counts on all ranks. Throws on all ranks if `record` threw on one, or
/// if the ranks cannot form a group that a model needs.
SweepProgress run_sweep(const parallel::Communicator& communicator, const Work& work, const SweepActions& actions);

}  // namespace catenary::scheduler
