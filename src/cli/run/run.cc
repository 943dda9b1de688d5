#include "cli/run/run.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "cli/study.h"
#include "catenary/model/device.h"
#include "catenary/parallel/communicator.h"
#include "catenary/parallel/mpi_environment.h"
#include "catenary/scheduler/sweep.h"
#include "catenary/store/writer.h"
#include "cli/exit_code.h"
#include "cli/guard.h"
#include "cli/run/loaded_model.h"
#include "cli/run/progress.h"
#include "cli/run/stop_signal.h"
#include "cli/run/threads.h"

namespace catenary::cli {
namespace {

using parallel::Communicator;

// Each rank reads its part of the ladder; all get all.
std::vector<ModelFingerprint> fingerprint_together(const Communicator& world,
                                                   const std::vector<weights::Checkpoint>& checkpoints) {
  const auto size = static_cast<std::size_t>(world.size());
  const auto rank = static_cast<std::size_t>(world.rank());
  std::string own;
  parallel::agree(world, [&] {
    for (std::size_t i = rank; i < checkpoints.size(); i += size) {
      const ModelFingerprint fingerprint = fingerprint_of(checkpoints[i]);
      own += fingerprint.weights + fingerprint.tokenizer;
    }
  });
  const auto all = world.all_gather(own);
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
  std::string host(256, '\0');
  ::gethostname(host.data(), host.size() - 1);
  const std::string created = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  return {.catenary_version = CATENARY_VERSION,
          .libtorch_version = model::libtorch_version(),
          .host = world.broadcast(host.c_str()),
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

// Runs the ranges of this rank, keeping the last model loaded.
class RangeRunner {
 public:
  RangeRunner(const Study& study, const store::Layout& layout, at::Device device)
      : study_(study), layout_(layout), device_(device) {}

  spec::RangeResult run(const spec::ItemRange& range) {
    const spec::WorkUnit& unit = layout_.units[static_cast<std::size_t>(range.unit_index)];
    const auto model_index = static_cast<std::size_t>(unit.model_index);
    if (model_index != model_index_ || !model_) {
      model_.reset();  // before the next one is loaded: two may not fit
      model_ = std::make_unique<LoadedModel>(study_.checkpoints[model_index], study_.spec.dtype, device_);
      model_index_ = model_index;
    }
    const task::Task& task = study_.tasks[static_cast<std::size_t>(unit.task_index)];
    const auto start = std::chrono::steady_clock::now();
    engine::Scores scores = model_->score(task, task.first + range.first_item, range.num_items,
                                          study_.spec.conditions[static_cast<std::size_t>(unit.condition_index)]);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return {.items = std::move(scores.items),
            .error = "",
            .seconds = seconds.count(),
            .num_tokens_fed = scores.num_tokens_fed};
  }

 private:
  const Study& study_;
  const store::Layout& layout_;
  at::Device device_;
  std::size_t model_index_ = 0;
  std::unique_ptr<LoadedModel> model_;
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
  std::optional<Study> study;
  std::optional<at::Device> device;
  parallel::agree(world, [&] {
    study = read_study(args.spec);
    device = model::choose_device(args.compute.device, world.local_rank());
  });
  int num_threads = 1;
  parallel::agree(world, [&] { num_threads = threads_per_rank(args.compute.num_threads, &world); });
  model::set_num_threads(num_threads);
  const auto numerics = agreed_numerics(world, *study, *device, num_threads);
  const store::Layout layout =
      make_layout(*study, fingerprint_together(world, study->checkpoints), numerics, provenance_of_rank_0(world));

  store::Writer writer = store::Writer::open(world, args.store, layout);
  const auto pending = pending_ranges(writer, layout);
  log::info(fmt::format(
      "{} {}: {} models x {} tasks x {} conditions, {} of {} item ranges to do; {} rank{} on {}, {} thread{} each",
      writer.resumed() ? "going on with" : "writing", args.store.string(), layout.models.size(), layout.tasks.size(),
      layout.conditions.size(), pending.size(), writer.ranges().size(), world.size(), world.size() == 1 ? "" : "s",
      numerics.device_kind, num_threads, num_threads == 1 ? "" : "s"));

  listen_for_stop_signals();
  RangeRunner runner(*study, layout, *device);
  Progress progress(writer.ranges(), pending);
  const scheduler::SweepProgress end = run_sweep(
      world, pending,
      {.run = [&](std::size_t i) { return runner.run(writer.ranges()[i]); },
       .record =
           [&](std::size_t i, const spec::RangeResult& result) {
             if (!result.error.empty()) {
               const spec::WorkUnit& unit = layout.units[static_cast<std::size_t>(writer.ranges()[i].unit_index)];
               log::warning(fmt::format(
                   "{} x {} x {} failed: {}", layout.models[static_cast<std::size_t>(unit.model_index)].name,
                   layout.tasks[static_cast<std::size_t>(unit.task_index)].name,
                   layout.conditions[static_cast<std::size_t>(unit.condition_index)].name, result.error));
             }
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
  const int code = guard(
      [&] {
        mpi.emplace();
        world.emplace(Communicator::world());
        log::set_rank(world->rank(), world->size());
        return run_on_all_ranks(*world, args);
      },
      [&] { return !world || world->rank() == 0; });
  world.reset();
  return code;
}

}  // namespace catenary::cli
