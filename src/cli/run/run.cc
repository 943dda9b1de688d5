#include "cli/run/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/parallel/communicator.h"
#include "catenary/scheduler/sweep.h"
#include "catenary/store/reader.h"
#include "catenary/store/writer.h"
#include "cli/counted.h"
#include "cli/exit_code.h"
#include "cli/run/loaded_model.h"
#include "cli/run/on_all_ranks.h"
#include "cli/run/progress.h"
#include "cli/run/range_runner.h"
#include "cli/run/rank_device.h"
#include "cli/run/same_on_all_ranks.h"
#include "cli/run/stop_signal.h"
#include "cli/run/threads.h"
#include "cli/run/work.h"
#include "cli/shell_quoted.h"
#include "cli/slurm/running_units.h"
#include "cli/study.h"

namespace catenary::cli {
namespace {

using parallel::Communicator;

// Tells of a failed unit once, not for each of its ranges.
class FailureLog {
 public:
  explicit FailureLog(const store::Layout& layout) : layout_(layout) {}

  void add(std::int32_t unit_index, const std::string& error) {
    if (!told_.insert(unit_index).second) return;
    const spec::WorkUnit& unit = layout_.units[static_cast<std::size_t>(unit_index)];
    log::warning(fmt::format("{} x {} x {} failed: {}", layout_.models[static_cast<std::size_t>(unit.model_index)].name,
                             layout_.tasks[static_cast<std::size_t>(unit.task_index)].name,
                             layout_.conditions[static_cast<std::size_t>(unit.condition_index)].name, error));
  }

 private:
  const store::Layout& layout_;
  std::set<std::int32_t> told_;
};

void check_left_out(const RunArgs& args, const store::Layout& layout) {
  for (const std::string& id : args.left_out) {
    if (std::ranges::none_of(layout.units, [&](const spec::WorkUnit& unit) { return unit.id == id; })) {
      throw SpecError(fmt::format("--leave-out {}: the sweep has no unit with this id", id));
    }
  }
}

int run_on_all_ranks(const Communicator& world, const Communicator& among_ranks, const RunArgs& args) {
  std::optional<Study> study;
  parallel::agree(world, [&] {
    study = read_study(args.spec);
    if (args.num_parts > 1) keep_part(*study, args.part_index, args.num_parts);
  });
  store::StoredChoices stored;
  parallel::agree(world, [&] {
    if (std::error_code ignored; std::filesystem::exists(args.store, ignored)) stored = store::read_choices(args.store);
  });
  ComputeArgs compute = args.compute;
  if (compute.num_threads == 0) compute.num_threads = std::clamp(stored.threads_per_rank, 0, kMostThreads);
  const auto [device, numerics] = set_up(world, *study, compute);
  const auto fingerprints = fingerprint_together(world, study->checkpoints);
  if (!fingerprints) {
    log::info("stopped before the first item; run the same command again");
    return kExitStoppedEarly;
  }
  const std::int64_t memory_bytes = memory_of_rank(compute.memory_budget_bytes, device, &world);
  std::vector<int> sizes;
  parallel::agree(world, [&] {
    sizes = tensor_parallel_sizes(*study, args.store, stored.tensor_parallel_sizes, device, memory_bytes, world.size());
  });
  const store::Layout layout = make_layout(*study, *fingerprints, sizes, numerics, provenance_of_rank_0(world));

  check_left_out(args, layout);

  store::Writer writer = store::Writer::open(world, args.store, layout, args.writing);
  const auto work = make_work(world, *study, layout, writer);
  const auto num_pending =
      std::ranges::count_if(writer.states(), [](auto state) { return state != store::RangeState::kDone; });
  log::info(fmt::format("{} {}: {} x {} x {}", writer.resumed() ? "going on with" : "writing", args.store.string(),
                        counted(std::ssize(layout.models), "model"), counted(std::ssize(layout.tasks), "task"),
                        counted(std::ssize(layout.conditions), "condition")));
  log::info(fmt::format("{} of {} item ranges to do; {} on {}, {} each", num_pending, writer.ranges().size(),
                        counted(world.size(), "rank"), numerics.device_kind,
                        counted(numerics.threads_per_rank, "thread")));

  RangeRunner runner(*study, writer, layout, device, memory_bytes, among_ranks);
  RunningUnits running(args.store, world.rank());
  FailureLog failures(layout);
  Progress progress(writer.ranges(), work.units);
  const scheduler::SweepProgress end =
      run_sweep(world, work,
                {.run =
                     [&](std::size_t i, const scheduler::Group& group) {
                       const auto unit_index = static_cast<std::size_t>(writer.ranges()[i].unit_index);
                       const std::string& unit_id = layout.units[unit_index].id;
                       if (std::ranges::count(args.left_out, unit_id)) {
                         throw Error("left out on request (--leave-out); ranks that computed it died");
                       }
                       running.set(unit_id);
                       spec::RangeResult result = runner.run(i, group);
                       if (group.first_rank != world.rank()) running.set("");  // another rank records it
                       return result;
                     },
                 .record =
                     [&](std::size_t i, const spec::RangeResult& result) {
                       if (!result.error.empty()) {
                         progress.clear();
                         failures.add(writer.ranges()[i].unit_index, result.error);
                       }
                       writer.write(i, result);
                       running.set("");
                     },
                 .prepare = [&](std::size_t i) { runner.prepare(i); },
                 .stop_requested = stop_signal_received,
                 .progress = [&](const scheduler::SweepProgress& now, std::size_t i) { progress.report(now, i); }});
  writer.close();
  if (world.rank() == 0) RunningUnits::remove(args.store);
  progress.finish(end);
  if (end.stopped) {
    log::info("stopped early; run the same command again to go on");
    return kExitStoppedEarly;
  }
  if (end.num_failed > 0) {
    log::info(fmt::format("ended with failures; `catenary status {}` tells which", shell_quoted(args.store.string())));
    return kExitWithFailures;
  }
  log::info(fmt::format("done; next: catenary fit {}", shell_quoted(args.store.string())));
  return kExitDone;
}

}  // namespace

int run(const RunArgs& args) {
  listen_for_stop_signals();
  return on_all_ranks([&](const Communicator& world, const Communicator& among_ranks) {
    return run_on_all_ranks(world, among_ranks, args);
  });
}

}  // namespace catenary::cli
