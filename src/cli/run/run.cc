#include "cli/run/run.h"

#include <c10/util/Exception.h>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/hash.h"
#include "catenary/base/log.h"
#include "catenary/model/device.h"
#include "catenary/parallel/communicator.h"
#include "catenary/parallel/mpi_environment.h"
#include "catenary/scheduler/sweep.h"
#include "catenary/store/writer.h"
#include "catenary/weights/cost.h"
#include "cli/exit_code.h"
#include "cli/guard.h"
#include "cli/run/host.h"
#include "cli/run/loaded_model.h"
#include "cli/run/progress.h"
#include "cli/run/stop_signal.h"
#include "cli/run/threads.h"
#include "cli/study.h"

namespace catenary::cli {
namespace {

using parallel::Communicator;

// Ranks that read other files than rank 0, from folders of the same name on other hosts, would lay out another store.
void check_same_inputs(const Communicator& world, const Study& study) {
  Hasher hasher;
  hasher.add(study.spec.text);
  for (const task::Task& task : study.tasks) hasher.add(task.fingerprint);
  for (const weights::Checkpoint& checkpoint : study.checkpoints) {
    hasher.add(static_cast<std::uint64_t>(checkpoint.num_parameters()));
  }
  const auto all = world.all_gather(hasher.hex());
  const auto other = std::find_if(all.begin(), all.end(), [&](const std::string& hash) { return hash != all[0]; });
  if (other == all.end()) return;
  throw SpecError(fmt::format(
      "rank {} reads another spec, task or model than rank 0; all must lie on a file system that all ranks share",
      other - all.begin()));
}

// Each rank reads its part of the ladder; all get all. Nothing if somebody was asked to stop meanwhile.
std::optional<std::vector<ModelFingerprint>> fingerprint_together(const Communicator& world,
                                                                  const std::vector<weights::Checkpoint>& checkpoints) {
  const auto size = static_cast<std::size_t>(world.size());
  const auto rank = static_cast<std::size_t>(world.rank());
  std::string own;
  parallel::agree(world, [&] {
    for (std::size_t i = rank; i < checkpoints.size() && !stop_signal_received(); i += size) {
      const ModelFingerprint fingerprint = fingerprint_of(checkpoints[i]);
      own += fingerprint.weights + fingerprint.tokenizer;
    }
  });
  const auto all = world.all_gather(own);
  if (world.sum(stop_signal_received() ? 1 : 0) > 0) return std::nullopt;
  constexpr std::size_t kDigits = 32;
  std::vector<ModelFingerprint> fingerprints;
  for (std::size_t i = 0; i < checkpoints.size(); ++i) {
    const std::string& text = all[i % size];
    const std::size_t begin = i / size * 2 * kDigits;
    fingerprints.push_back({text.substr(begin, kDigits), text.substr(begin + kDigits, kDigits)});
  }
  return fingerprints;
}

store::Provenance provenance_of_rank_0(const Communicator& world) {
  const std::string created = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  return {.catenary_version = CATENARY_VERSION,
          .libtorch_version = model::libtorch_version(),
          .host = world.broadcast(host_name()),
          .created = world.broadcast(created)};
}

std::vector<scheduler::PendingRange> pending_ranges(const store::Writer& writer, const store::Layout& layout) {
  std::vector<scheduler::PendingRange> pending;
  for (std::size_t i = 0; i < writer.ranges().size(); ++i) {
    if (writer.states()[i] == store::RangeState::kDone) continue;
    const spec::ItemRange& range = writer.ranges()[i];
    const std::int32_t model_index = layout.units[static_cast<std::size_t>(range.unit_index)].model_index;
    const auto num_parameters = layout.models[static_cast<std::size_t>(model_index)].num_parameters;
    pending.push_back({i, model_index, static_cast<double>(num_parameters) * static_cast<double>(range.num_items)});
  }
  return pending;
}

// Of the model's weights: attention, which prefixes share, is not counted.
double flops_of(const weights::ModelConfig& config, const spec::RangeResult& result) {
  const auto per_token = weights::forward_flops(config, /*num_tokens_seen=*/1);
  std::int64_t num_scored = 0;
  for (const spec::ItemScore& item : result.items) {
    num_scored = std::accumulate(item.num_tokens.begin(), item.num_tokens.end(), num_scored);
  }
  return static_cast<double>(result.num_tokens_fed) * per_token.layers +
         static_cast<double>(num_scored) * per_token.logits;
}

// Runs the ranges of this rank, keeping the last model loaded.
class RangeRunner {
 public:
  RangeRunner(const Study& study, const store::Layout& layout, at::Device device, std::int64_t memory_bytes)
      : study_(study), layout_(layout), device_(device), memory_bytes_(memory_bytes) {}

  spec::RangeResult run(const spec::ItemRange& range) {
    try {
      const spec::WorkUnit& unit = layout_.units[static_cast<std::size_t>(range.unit_index)];
      LoadedModel& model = load(unit.model_index);
      const task::Task& task = study_.tasks[static_cast<std::size_t>(unit.task_index)];
      const auto start = std::chrono::steady_clock::now();
      engine::Scores scores = model.score(task, task.first + range.first_item, range.num_items,
                                          study_.spec.conditions[static_cast<std::size_t>(unit.condition_index)]);
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      spec::RangeResult result{.items = std::move(scores.items),
                               .error = "",
                               .seconds = seconds.count(),
                               .num_tokens_fed = scores.num_tokens_fed};
      result.flops = flops_of(study_.checkpoints[static_cast<std::size_t>(unit.model_index)].config(), result);
      return result;
    } catch (const c10::Error& e) {
      throw Error(e.what_without_backtrace());
    }
  }

 private:
  // A model that could not be loaded is not tried again for each of its ranges.
  LoadedModel& load(std::int32_t model_index) {
    if (model_index_ != model_index) {
      model_.reset();  // before the next one is loaded: two may not fit
      model_index_ = model_index;
      load_problem_ = nullptr;
      try {
        model_.emplace(study_.checkpoints[static_cast<std::size_t>(model_index)], study_.spec.conditions,
                       study_.spec.dtype, device_, memory_bytes_);
      } catch (...) {
        load_problem_ = std::current_exception();
      }
    }
    if (load_problem_) std::rethrow_exception(load_problem_);
    return *model_;
  }

  const Study& study_;
  const store::Layout& layout_;
  at::Device device_;
  std::int64_t memory_bytes_;
  std::int32_t model_index_ = -1;
  std::optional<LoadedModel> model_;
  std::exception_ptr load_problem_;
};

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

// A rank that computed with other numerics than the rest would make the stored values depend on who computed them.
store::Numerics agreed_numerics(const Communicator& world, const Study& study, at::Device device, int num_threads) {
  const store::Numerics numerics{.dtype = std::string(to_string(study.spec.dtype)),
                                 .device_kind = model::device_kind(device),
                                 .tensor_parallel_size = 1,
                                 .threads_per_rank = num_threads};
  const std::string own = fmt::format("{} with {} threads", numerics.device_kind, num_threads);
  const auto all = world.all_gather(own);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    throw SpecError(
        fmt::format("all ranks must compute alike, but rank 0 has {} and rank {} has {}; use --device and --threads",
                    all[0], rank, all[rank]));
  }
  return numerics;
}

int run_on_all_ranks(const Communicator& world, const RunArgs& args) {
  listen_for_stop_signals();
  std::optional<Study> study;
  std::optional<at::Device> device;
  int num_threads = 1;
  store::Numerics numerics;
  parallel::agree(world, [&] {
    study = read_study(args.spec);
    device = model::choose_device(args.compute.device, world.local_rank());
  });
  parallel::agree(world, [&] { num_threads = threads_per_rank(args.compute.num_threads, &world); });
  parallel::agree(world, [&] {
    check_same_inputs(world, *study);
    numerics = agreed_numerics(world, *study, *device, num_threads);
  });
  model::set_num_threads(num_threads);
  const auto fingerprints = fingerprint_together(world, study->checkpoints);
  if (!fingerprints) {
    log::info("stopped before the first item; run the same command again");
    return kExitStoppedEarly;
  }
  const store::Layout layout = make_layout(*study, *fingerprints, numerics, provenance_of_rank_0(world));

  store::Writer writer = store::Writer::open(world, args.store, layout, args.writing);
  const auto pending = pending_ranges(writer, layout);
  const auto plural = [](std::int64_t n) { return n == 1 ? "" : "s"; };
  log::info(fmt::format(
      "{} {}: {} model{} x {} task{} x {} condition{}, {} of {} item ranges to do; {} rank{} on {}, {} thread{} each",
      writer.resumed() ? "going on with" : "writing", args.store.string(), layout.models.size(),
      plural(std::ssize(layout.models)), layout.tasks.size(), plural(std::ssize(layout.tasks)),
      layout.conditions.size(), plural(std::ssize(layout.conditions)), pending.size(), writer.ranges().size(),
      world.size(), plural(world.size()), numerics.device_kind, num_threads, plural(num_threads)));

  RangeRunner runner(*study, layout, *device, memory_of_rank(args.compute.memory_budget_bytes, *device, &world));
  FailureLog failures(layout);
  Progress progress(writer.ranges(), pending);
  const scheduler::SweepProgress end =
      run_sweep(world, pending,
                {.run = [&](std::size_t i) { return runner.run(writer.ranges()[i]); },
                 .record =
                     [&](std::size_t i, const spec::RangeResult& result) {
                       if (!result.error.empty()) failures.add(writer.ranges()[i].unit_index, result.error);
                       writer.write(i, result);
                     },
                 .stop_requested = stop_signal_received,
                 .progress = [&](const scheduler::SweepProgress& now, std::size_t i) { progress.report(now, i); }});
  writer.close();
  progress.finish(end);
  if (end.stopped) {
    log::info("stopped early; run the same command again to go on");
    return kExitStoppedEarly;
  }
  if (end.num_failed > 0) {
    log::info(fmt::format("ended with failures; `catenary status {}` tells which", args.store.string()));
    return kExitWithFailures;
  }
  log::info(fmt::format("done; next: catenary fit {}", args.store.string()));
  return kExitDone;
}

}  // namespace

int run(const RunArgs& args) {
  std::optional<parallel::MpiEnvironment> mpi;
  std::optional<Communicator> world;
  bool returned = false;
  const int code = guard(
      [&] {
        mpi.emplace();
        world.emplace(Communicator::world());
        log::set_rank(world->rank(), world->size());
        const int exit_code = run_on_all_ranks(*world, args);
        returned = true;
        return exit_code;
      },
      // What all know of, rank 0 says. What one rank alone met, that rank says.
      [&] { return !world || world->rank() == 0 || !world->failed_together(); });
  if (!returned && world && !world->failed_together()) {  // MPI_Finalize would wait for ranks that know nothing of this
    std::fflush(nullptr);
    if (world->size() == 1) std::_Exit(code);
    parallel::MpiEnvironment::abort(code);
  }
  world.reset();
  return code;
}

}  // namespace catenary::cli
