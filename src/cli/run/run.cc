#include "cli/run/run.h"

#include <c10/util/Exception.h>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/hash.h"
#include "catenary/base/log.h"
#include "catenary/model/device.h"
#include "catenary/parallel/communicator.h"
#include "catenary/parallel/mpi_environment.h"
#include "catenary/parallel/tensor_parallel_group.h"
#include "catenary/scheduler/sweep.h"
#include "catenary/store/writer.h"
#include "catenary/weights/cost.h"
#include "catenary/weights/share.h"
#include "cli/exit_code.h"
#include "cli/guard.h"
#include "cli/item_encoder.h"
#include "cli/run/host.h"
#include "cli/run/loaded_model.h"
#include "cli/run/progress.h"
#include "cli/run/rank_device.h"
#include "cli/run/stop_signal.h"
#include "cli/run/threads.h"
#include "cli/slurm/running_units.h"
#include "cli/study.h"
#include "cli/version.h"

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
  return {.catenary_version = version(),
          .libtorch_version = model::libtorch_version(),
          .host = world.broadcast(host_name()),
          .created = world.broadcast(created)};
}

// Bytes of text that a range's prompts are made of; a header that all share is computed once.
double prompt_bytes(const task::Task& task, const spec::ConditionSpec& condition, const spec::ItemRange& range) {
  const auto bytes_of = [&](std::int64_t i) {
    const task::Item& item = task.items[static_cast<std::size_t>(task.first + i)];
    std::size_t bytes = item.prompt.size() + item.other_prompt.size();
    for (const std::string& text : item.classes) bytes += text.size();
    return static_cast<double>(bytes);
  };
  double bytes = 0;
  for (std::int64_t i = range.first_item; i < range.first_item + range.num_items; ++i) bytes += bytes_of(i);
  const bool draws = condition.few_shot && condition.exemplars == spec::Exemplars::kPerItem;
  return draws ? bytes * static_cast<double>(1 + condition.k) : bytes;
}

// What is left to do. Costs are FLOPs, at a token for four bytes and as many written as may be: the policy corrects
// them by what it measures.
std::vector<scheduler::PendingUnit> pending_units(const store::Writer& writer, const store::Layout& layout,
                                                  const Study& study) {
  std::vector<scheduler::PendingUnit> pending;
  for (std::size_t i = 0; i < writer.ranges().size(); ++i) {
    if (writer.states()[i] == store::RangeState::kDone) continue;
    const spec::ItemRange& range = writer.ranges()[i];
    const spec::WorkUnit& unit = layout.units[static_cast<std::size_t>(range.unit_index)];
    const weights::Checkpoint& model = study.checkpoints[static_cast<std::size_t>(unit.model_index)];
    const task::Task& task = study.tasks[static_cast<std::size_t>(unit.task_index)];
    const spec::ConditionSpec& condition = study.spec.conditions[static_cast<std::size_t>(unit.condition_index)];
    const double num_tokens = prompt_bytes(task, condition, range) / 4 +
                              static_cast<double>(range.num_items * max_generated_tokens(task.format, condition));
    const auto num_parameters = static_cast<double>(weights::count_parameters(model.config()).active);
    const double cost = 2 * num_parameters * num_tokens;
    if (!pending.empty()) {
      scheduler::PendingUnit& last = pending.back();
      if (last.first_range + last.num_ranges == i && writer.ranges()[last.first_range].unit_index == range.unit_index) {
        last.range_cost += (cost - last.range_cost) / static_cast<double>(++last.num_ranges);
        continue;
      }
    }
    pending.push_back({unit.model_index, i, 1, cost});
  }
  return pending;
}

// Of the model's weights: attention, which prefixes share, is not counted.
double flops_of(const weights::ModelConfig& config, const spec::RangeResult& result) {
  const auto per_token = weights::forward_flops(config, /*num_tokens_seen=*/1);
  std::int64_t num_scored = 0;
  for (const spec::ItemScore& item : result.items) {
    num_scored = std::accumulate(item.num_tokens.begin(), item.num_tokens.end(), num_scored);
    for (const spec::GeneratedText& text : item.texts) num_scored += text.num_tokens;
  }
  return static_cast<double>(result.num_tokens_fed) * per_token.layers +
         static_cast<double>(num_scored) * per_token.logits;
}

bool fits_resident(const weights::ModelConfig& config, int size, spec::DType dtype, at::Device device,
                   std::int64_t memory_bytes) try {
  const auto share = weights::config_of(config, {size - 1, size});
  const auto plan = model::plan_memory(share, dtype, device, memory_bytes, engine::BatchOptions().max_tokens);
  return plan.placement == model::Placement::kResident;
} catch (const SpecError&) {  // not even streamed
  return false;
}

// How many ranks hold each model together: as the spec says, else the fewest GPUs that can. On the CPU, where ranks
// share the host's memory, it is one, and on too few GPUs, too: it streams what does not fit.
std::vector<int> tensor_parallel_sizes(const Study& study, at::Device device, std::int64_t memory_bytes,
                                       int num_ranks) {
  std::vector<int> sizes;
  Problems problems;
  for (std::size_t i = 0; i < study.checkpoints.size(); ++i) {
    const spec::ModelSpec& model = study.spec.models[i];
    const weights::ModelConfig& config = study.checkpoints[i].config();
    int& chosen = sizes.emplace_back(static_cast<int>(model.tensor_parallel.value_or(1)));
    if (chosen > num_ranks) {
      problems.add(
          fmt::format("model {}: \"tensor_parallel\" is {}, and there are {} ranks; start more with mpirun or srun",
                      model.name, chosen, num_ranks));
    }
    if (chosen > 1 && device.is_cuda() && !parallel::has_nccl()) {
      problems.add(
          fmt::format("model {}: \"tensor_parallel\" is {}, and this build has no NCCL, which GPUs need for that",
                      model.name, chosen));
    }
    if (model.tensor_parallel || device.is_cpu() || !parallel::has_nccl()) continue;
    for (int size = 1; size <= num_ranks; size *= 2) {
      if (!weights::share_problem(config, size).empty()) continue;
      if (!fits_resident(config, size, study.spec.dtype, device, memory_bytes)) continue;
      chosen = size;
      break;
    }
  }
  problems.throw_if_any<SpecError>();
  return sizes;
}

scheduler::Work make_work(const Communicator& world, const Study& study, const std::vector<int>& sizes,
                          std::vector<scheduler::PendingUnit> units) {
  constexpr double kFlops = 1e11, kLoadBytesPerSecond = 1e9;
  scheduler::Work work{.models = {}, .units = std::move(units), .ranks = {}};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    double bytes = 0;
    for (const auto& tensor : study.checkpoints[i].tensors()) bytes += static_cast<double>(tensor.bytes.size());
    work.models.push_back(
        {{.group_size = sizes[i], .rate = kFlops * sizes[i], .load_seconds = bytes / sizes[i] / kLoadBytesPerSecond}});
  }
  const auto hosts = world.all_gather(host_name());
  for (const std::string& host : hosts) {
    work.ranks.push_back({.node = static_cast<int>(std::ranges::find(hosts, host) - hosts.begin())});
  }
  return work;
}

// Has the system read a model's files, where the memory that is free holds twice as much.
void read_ahead(const weights::Checkpoint& checkpoint) {
  std::int64_t bytes = 0;
  for (const auto& file : checkpoint.files()) bytes += static_cast<std::int64_t>(std::filesystem::file_size(file));
  if (bytes > model::available_bytes(at::kCPU) / 2) return;
  for (const auto& file : checkpoint.files()) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) continue;  // loading will say so
    ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_WILLNEED);
    ::close(descriptor);
  }
}

// Runs the ranges of this rank, keeping the last model loaded. `among_ranks` is for the messages of groups alone.
class RangeRunner {
 public:
  RangeRunner(const Study& study, const store::Writer& writer, const store::Layout& layout, at::Device device,
              std::int64_t memory_bytes, const Communicator& among_ranks)
      : study_(study),
        writer_(writer),
        layout_(layout),
        device_(device),
        memory_bytes_(memory_bytes),
        among_ranks_(among_ranks) {}

  // In the background: the tokens of a range of the model that is loaded, or the files of another one. That saves time;
  // where there are no threads or no memory for it, run() does what it would have done.
  void prepare(std::size_t range_index) noexcept try {
    const std::scoped_lock lock(mutex_);
    const std::int32_t model_index = unit_of(range_index).model_index;
    // Letting go of a future waits for its thread.
    if (model_index == ready_index_) {
      if (prepared_.contains(range_index)) return;
      prepared_.emplace(range_index, std::async(std::launch::async, [=, this] { return prepare_now(range_index); }));
    } else if (model_index != read_ahead_index_ && !is_reading()) {
      read_ahead_index_ = model_index;
      reading_ = std::async(std::launch::async,
                            [=, this] { read_ahead(study_.checkpoints[static_cast<std::size_t>(model_index)]); });
    }
  } catch (const std::exception& e) {
    log::warning(fmt::format("nothing is prepared ahead: {}", e.what()));
  }

  // Collective over the group.
  spec::RangeResult run(std::size_t range_index, const scheduler::Group& ranks) {
    join(ranks);
    spec::RangeResult result;
    try {
      parallel::agree(*group_, [&] { result = run_here(range_index); });
    } catch (...) {
      if (model_) model_->forget_prefix();
      throw;
    }
    return result;
  }

 private:
  using Items = std::vector<LoadedModel::Item>;

  void join(const scheduler::Group& ranks) {
    if (ranks.first_rank == ranks_.first_rank && ranks.num_ranks == ranks_.num_ranks) return;
    unload();
    own_group_.reset();
    group_ = &parallel::single_rank();
    ranks_ = ranks;
    if (ranks.num_ranks == 1) return;
    const auto make = device_.is_cuda() ? parallel::make_nccl_group : parallel::make_mpi_group;
    own_group_ = make(among_ranks_, ranks.first_rank, ranks.num_ranks);
    group_ = own_group_.get();
  }

  spec::RangeResult run_here(std::size_t range_index) {
    try {
      LoadedModel& model = load(unit_of(range_index).model_index);
      const auto start = std::chrono::steady_clock::now();
      engine::Scores scores =
          model.score(take_prepared(range_index), task_of(range_index).format, condition_of(range_index));
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      spec::RangeResult result{.items = std::move(scores.items),
                               .error = "",
                               .seconds = seconds.count(),
                               .num_tokens_fed = scores.num_tokens_fed};
      result.flops =
          flops_of(study_.checkpoints[static_cast<std::size_t>(unit_of(range_index).model_index)].config(), result);
      return result;
    } catch (const c10::Error& e) {
      throw Error(e.what_without_backtrace());
    }
  }

  const spec::ItemRange& range_at(std::size_t range_index) const { return writer_.ranges()[range_index]; }
  const spec::WorkUnit& unit_of(std::size_t range_index) const {
    return layout_.units[static_cast<std::size_t>(range_at(range_index).unit_index)];
  }
  const task::Task& task_of(std::size_t range_index) const {
    return study_.tasks[static_cast<std::size_t>(unit_of(range_index).task_index)];
  }
  const spec::ConditionSpec& condition_of(std::size_t range_index) const {
    return study_.spec.conditions[static_cast<std::size_t>(unit_of(range_index).condition_index)];
  }

  Items prepare_now(std::size_t range_index) const {
    const task::Task& task = task_of(range_index);
    const spec::ItemRange& range = range_at(range_index);
    return model_->prepare(task, task.first + range.first_item, range.num_items, condition_of(range_index));
  }

  Items take_prepared(std::size_t range_index) {
    std::unique_lock lock(mutex_);
    auto prepared = prepared_.extract(range_index);
    lock.unlock();
    return prepared ? prepared.mapped().get() : prepare_now(range_index);
  }

  bool is_reading() const {
    return reading_.valid() && reading_.wait_for(std::chrono::seconds(0)) == std::future_status::timeout;
  }

  void unload() {
    std::map<std::size_t, std::future<Items>> unused;
    {
      const std::scoped_lock lock(mutex_);
      ready_index_ = -1;
      unused = std::exchange(prepared_, {});
    }
    unused.clear();  // waits for them: they use the model
    model_.reset();
    model_index_ = -1;
  }

  // A model that could not be loaded is not tried again for each of its ranges.
  LoadedModel& load(std::int32_t model_index) {
    if (model_index_ != model_index) {
      unload();  // before the next one is loaded: two may not fit
      model_index_ = model_index;
      load_problem_ = nullptr;
      try {
        model_.emplace(study_.checkpoints[static_cast<std::size_t>(model_index)], study_.spec.conditions,
                       study_.spec.dtype, device_, memory_bytes_, *group_);
        const std::scoped_lock lock(mutex_);
        ready_index_ = model_index;
      } catch (...) {
        load_problem_ = std::current_exception();
      }
    }
    if (load_problem_) std::rethrow_exception(load_problem_);
    return *model_;
  }

  const Study& study_;
  const store::Writer& writer_;
  const store::Layout& layout_;
  at::Device device_;
  std::int64_t memory_bytes_;
  const Communicator& among_ranks_;
  scheduler::Group ranks_ = {-1, 0};
  std::unique_ptr<parallel::TensorParallelGroup> own_group_;
  parallel::TensorParallelGroup* group_ = nullptr;
  std::int32_t model_index_ = -1;
  std::optional<LoadedModel> model_;
  std::exception_ptr load_problem_;
  std::mutex mutex_;                                    // of what follows
  std::int32_t ready_index_ = -1;                       // the model that is loaded
  std::map<std::size_t, std::future<Items>> prepared_;  // by range
  std::int32_t read_ahead_index_ = -1;
  std::future<void> reading_;
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

void check_left_out(const RunArgs& args, const store::Layout& layout) {
  for (const std::string& id : args.left_out) {
    if (std::ranges::none_of(layout.units, [&](const spec::WorkUnit& unit) { return unit.id == id; })) {
      throw SpecError(fmt::format("--leave-out {}: the sweep has no unit with this id", id));
    }
  }
}

// A rank that computed with other numerics than the rest would make the stored values depend on who computed them.
store::Numerics agreed_numerics(const Communicator& world, const Study& study, at::Device device, int num_threads) {
  const store::Numerics numerics{.dtype = std::string(to_string(study.spec.dtype)),
                                 .device_kind = model::device_kind(device),
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

// The tasks of a step of srun that has no MPI plugin; 0 for all other processes.
int num_tasks_without_mpi() {
  const char* num_tasks = std::getenv("SLURM_STEP_NUM_TASKS");
  if (num_tasks == nullptr || std::getenv("SLURM_PROCID") == nullptr) return 0;
  for (const char* rank : {"PMIX_RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK"}) {
    if (std::getenv(rank) != nullptr) return 0;
  }
  return std::atoi(num_tasks);
}

int run_on_all_ranks(const Communicator& world, const Communicator& among_ranks, const RunArgs& args) {
  listen_for_stop_signals();
  std::optional<Study> study;
  std::optional<at::Device> device;
  int num_threads = 1;
  store::Numerics numerics;
  parallel::agree(world, [&] {
    study = read_study(args.spec);
    if (args.num_parts > 1) keep_part(*study, args.part_index, args.num_parts);
  });
  parallel::agree(world, [&] { device = device_of_rank(args.compute.device, world); });
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
  const std::int64_t memory_bytes = memory_of_rank(args.compute.memory_budget_bytes, *device, &world);
  std::vector<int> sizes;
  parallel::agree(world, [&] { sizes = tensor_parallel_sizes(*study, *device, memory_bytes, world.size()); });
  const store::Layout layout = make_layout(*study, *fingerprints, sizes, numerics, provenance_of_rank_0(world));

  check_left_out(args, layout);

  store::Writer writer = store::Writer::open(world, args.store, layout, args.writing);
  const auto work = make_work(world, *study, sizes, pending_units(writer, layout, *study));
  const auto num_pending =
      std::ranges::count_if(writer.states(), [](auto state) { return state != store::RangeState::kDone; });
  const auto plural = [](std::int64_t n) { return n == 1 ? "" : "s"; };
  log::info(fmt::format(
      "{} {}: {} model{} x {} task{} x {} condition{}, {} of {} item ranges to do; {} rank{} on {}, {} thread{} each",
      writer.resumed() ? "going on with" : "writing", args.store.string(), layout.models.size(),
      plural(std::ssize(layout.models)), layout.tasks.size(), plural(std::ssize(layout.tasks)),
      layout.conditions.size(), plural(std::ssize(layout.conditions)), num_pending, writer.ranges().size(),
      world.size(), plural(world.size()), numerics.device_kind, num_threads, plural(num_threads)));

  RangeRunner runner(*study, writer, layout, *device, memory_bytes, among_ranks);
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
    log::info(fmt::format("ended with failures; `catenary status {}` tells which", args.store.string()));
    return kExitWithFailures;
  }
  log::info(fmt::format("done; next: catenary fit {}", args.store.string()));
  return kExitDone;
}

}  // namespace

int run(const RunArgs& args) {
  if (const int num_strangers = num_tasks_without_mpi(); num_strangers > 1) {
    return guard(
        [&]() -> int {
          throw SpecError(
              fmt::format("srun started {} tasks that do not know of one another; use srun --mpi=pmix, or what "
                          "`srun --mpi=list` has for this MPI",
                          num_strangers));
        },
        [] { return std::string_view(std::getenv("SLURM_PROCID")) == "0"; });
  }
  std::optional<parallel::MpiEnvironment> mpi;
  std::optional<Communicator> world, among_ranks;
  bool returned = false;
  const int code = guard(
      [&] {
        mpi.emplace();
        world.emplace(Communicator::world());
        log::set_rank(world->rank(), world->size());
        among_ranks.emplace(Communicator::world());
        const int exit_code = run_on_all_ranks(*world, *among_ranks, args);
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
  among_ranks.reset();
  world.reset();
  return code;
}

}  // namespace catenary::cli
