#include "cli/run/range_runner.h"

#include <fmt/format.h>

#include <chrono>
#include <numeric>
#include <utility>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/model/device.h"
#include "catenary/model/memory_plan.h"
#include "catenary/weights/cost.h"

namespace catenary::cli {
namespace {

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

}  // namespace

RangeRunner::RangeRunner(const Study& study, const store::Writer& writer, const store::Layout& layout,
                         at::Device device, std::int64_t memory_bytes, const parallel::Communicator& among_ranks)
    : study_(study),
      writer_(writer),
      layout_(layout),
      device_(device),
      memory_bytes_(memory_bytes),
      among_ranks_(among_ranks) {}

void RangeRunner::prepare(std::size_t range_index) noexcept try {
  const std::scoped_lock lock(mutex_);
  const std::int32_t model_index = unit_of(range_index).model_index;
  // Letting go of a future waits for its thread.
  if (model_index == ready_index_) {
    if (prepared_.contains(range_index)) return;
    prepared_.emplace(range_index, std::async(std::launch::async, [=, this] { return prepare_now(range_index); }));
  } else if (model_index != read_ahead_index_) {
    read_ahead_index_ = model_index;
    const weights::Checkpoint& next = checkpoint_of(model_index);
    if (model::has_room_to_read_ahead(next)) reading_ = next.read_ahead();
  }
} catch (const std::exception& e) {
  log::warning(fmt::format("nothing is prepared ahead: {}", e.what()));
}

spec::RangeResult RangeRunner::run(std::size_t range_index, const scheduler::Group& ranks) {
  join(ranks);
  const std::int32_t model_index = unit_of(range_index).model_index;
  Items items;
  std::chrono::steady_clock::time_point start;
  parallel::agree(*group_, [&] {
    without_backtrace([&] {
      load(model_index);
      start = std::chrono::steady_clock::now();
      items = take_prepared(range_index);
    });
  });
  engine::Scores scores = model_->score(items, task_of(range_index).format, condition_of(range_index));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  spec::RangeResult result{.items = std::move(scores.items),
                           .error = "",
                           .seconds = seconds.count(),
                           .num_tokens_fed = scores.num_tokens_fed};
  result.flops = flops_of(checkpoint_of(model_index).config(), result);
  return result;
}

void RangeRunner::join(const scheduler::Group& ranks) {
  if (ranks.first_rank == ranks_.first_rank && ranks.num_ranks == ranks_.num_ranks) return;
  unload();
  own_group_.reset();
  group_ = &parallel::single_rank();
  ranks_ = ranks;
  if (ranks.num_ranks == 1) return;
  own_group_ = make_group(among_ranks_, ranks.first_rank, ranks.num_ranks, device_);
  group_ = own_group_.get();
}

// A model that could not be loaded is not tried again for each of its ranges.
void RangeRunner::load(std::int32_t model_index) {
  if (model_index_ != model_index) {
    unload();  // before the next one is loaded: two may not fit
    model_index_ = model_index;
    load_problem_ = nullptr;
    try {
      model_.emplace(checkpoint_of(model_index), study_.spec.conditions, study_.spec.dtype, device_, memory_bytes_,
                     *group_);
      const std::scoped_lock lock(mutex_);
      ready_index_ = model_index;
    } catch (...) {
      load_problem_ = std::current_exception();
    }
  }
  if (load_problem_) std::rethrow_exception(load_problem_);
}

void RangeRunner::unload() {
  std::map<std::size_t, std::future<Items>> unused;
  {
    const std::scoped_lock lock(mutex_);
    ready_index_ = -1;
    unused = std::exchange(prepared_, {});
  }
  unused.clear();  // waits for them: they use the model
  model_.reset();
  model::give_back_memory(device_);
  model_index_ = -1;
}

RangeRunner::Items RangeRunner::prepare_now(std::size_t range_index) const {
  const task::Task& task = task_of(range_index);
  const spec::ItemRange& range = range_at(range_index);
  return model_->prepare(task, task.first + range.first_item, range.num_items, condition_of(range_index));
}

RangeRunner::Items RangeRunner::take_prepared(std::size_t range_index) {
  std::unique_lock lock(mutex_);
  auto prepared = prepared_.extract(range_index);
  lock.unlock();
  return prepared ? prepared.mapped().get() : prepare_now(range_index);
}

const spec::WorkUnit& RangeRunner::unit_of(std::size_t range_index) const {
  return layout_.units[static_cast<std::size_t>(range_at(range_index).unit_index)];
}

const weights::Checkpoint& RangeRunner::checkpoint_of(std::int32_t model_index) const {
  return study_.checkpoints[static_cast<std::size_t>(model_index)];
}

const task::Task& RangeRunner::task_of(std::size_t range_index) const {
  return study_.tasks[static_cast<std::size_t>(unit_of(range_index).task_index)];
}

const spec::ConditionSpec& RangeRunner::condition_of(std::size_t range_index) const {
  return study_.spec.conditions[static_cast<std::size_t>(unit_of(range_index).condition_index)];
}

}  // namespace catenary::cli
