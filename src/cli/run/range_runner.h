#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <exception>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "catenary/parallel/communicator.h"
#include "catenary/parallel/tensor_parallel_group.h"
#include "catenary/scheduler/policy.h"
#include "catenary/spec/unit_result.h"
#include "catenary/store/writer.h"
#include "cli/run/loaded_model.h"
#include "cli/study.h"

namespace catenary::cli {

/// Runs the ranges of this rank, keeping the last model loaded.
class RangeRunner {
 public:
  /// Keeps references to what it is given. `among_ranks` is for the messages of groups alone.
  RangeRunner(const Study& study, const store::Writer& writer, const store::Layout& layout, at::Device device,
              std::int64_t memory_bytes, const parallel::Communicator& among_ranks);

  /// In the background: the tokens of a range of the model that is loaded, or the files of another one. That saves
  /// time; where there are no threads or no memory for it, run() does what it would have done. From any thread.
  void prepare(std::size_t range_index) noexcept;

  /// Collective over the group. Throws what loading the model or scoring threw.
  spec::RangeResult run(std::size_t range_index, const scheduler::Group& ranks);

 private:
  using Items = std::vector<LoadedModel::Item>;

  void join(const scheduler::Group& ranks);
  void load(std::int32_t model_index);
  void unload();
  Items prepare_now(std::size_t range_index) const;
  Items take_prepared(std::size_t range_index);

  const spec::ItemRange& range_at(std::size_t range_index) const { return writer_.ranges()[range_index]; }
  const spec::WorkUnit& unit_of(std::size_t range_index) const;
  const weights::Checkpoint& checkpoint_of(std::int32_t model_index) const;
  const task::Task& task_of(std::size_t range_index) const;
  const spec::ConditionSpec& condition_of(std::size_t range_index) const;

  const Study& study_;
  const store::Writer& writer_;
  const store::Layout& layout_;
  at::Device device_;
  std::int64_t memory_bytes_;
  const parallel::Communicator& among_ranks_;
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
  std::jthread reading_;
};

}  // namespace catenary::cli
