#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "catenary/engine/generator.h"
#include "catenary/engine/scorer.h"
#include "catenary/model/decoder.h"
#include "catenary/model/memory_plan.h"
#include "catenary/parallel/communicator.h"
#include "catenary/spec/sweep_spec.h"
#include "catenary/spec/unit_result.h"
#include "catenary/task/task_reader.h"
#include "catenary/weights/checkpoint.h"
#include "cli/item_encoder.h"

namespace catenary::cli {

/// What a model and its batches may take, in bytes: the user's budget, or what is free, where a host's ranks share its
/// memory; of that the least that any rank has, so that all form the same batches. Collective if there is a
/// communicator.
std::int64_t memory_of_rank(std::optional<std::int64_t> budget_bytes, at::Device device,
                            const parallel::Communicator* communicator);

/// Calls `act`. What libtorch throws becomes an Error without its backtrace.
void without_backtrace(const std::function<void()>& act);

/// Ranks [first_rank, first_rank + num_ranks) as a group that holds a model: through MPI on the CPU, NCCL on GPUs.
/// Throws SpecError where that needs NCCL, and this build has none.
std::unique_ptr<parallel::TensorParallelGroup> make_group(const parallel::Communicator& among_ranks, int first_rank,
                                                          int num_ranks, at::Device device);

/// A checkpoint ready to score: tokenizer, chat templates and decoder; with a group, this rank's share of it.
class LoadedModel {
 public:
  /// Keeps a reference to the checkpoint where the memory that there is asks for streaming.
  LoadedModel(const weights::Checkpoint& checkpoint, const std::vector<spec::ConditionSpec>& conditions,
              spec::DType dtype, at::Device device, std::int64_t memory_bytes,
              parallel::TensorParallelGroup& group = parallel::single_rank());
  LoadedModel(const LoadedModel&) = delete;  // scorer_ refers to decoder_
  LoadedModel& operator=(const LoadedModel&) = delete;

  /// An item on its way through the model.
  struct Item {
    std::int64_t index;  // in the task file
    std::vector<RenderedPrompt> prompts;
    engine::Request request;                 // none as long as the model has to write first
    std::vector<spec::GeneratedText> texts;  // what it wrote
    bool is_truncated = false;
  };

  /// Items [first, first + count) of the task file under one of the conditions, tokenized where the model has not to
  /// write first. Throws DataError that names the item if one cannot be scored: too long for the model's context
  /// (unless the condition has it cut), a token that is not in its vocabulary. Thread-safe.
  std::vector<Item> prepare(const task::Task& task, std::int64_t first, std::int64_t count,
                            const spec::ConditionSpec& condition) const;

  /// Scores what was prepared. Collective where ranks hold the model together: throws on all if it throws on one. With
  /// cot the model reasons first, and of a numeric item it writes the answer: what it wrote is in `texts`. What it
  /// draws depends on the condition's seed and the item's place in the file. Reasoning after which the answer would not
  /// fit into the model's context is cut at its end. Throws DataError as prepare does, and for a log-likelihood that is
  /// not finite.
  engine::Scores score(const std::vector<Item>& items, spec::TaskFormat format, const spec::ConditionSpec& condition);

 private:
  engine::Scores score_here(std::vector<Item> items, spec::TaskFormat format, const spec::ConditionSpec& condition);
  /// Has the model go on after each prompt of each item; the texts are added to the items'. Returns the tokens fed.
  std::int64_t write_texts(std::span<Item> items, engine::GenerationOptions options,
                           const spec::ConditionSpec& condition);
  void add_fitting_reasoning(RenderedPrompt& prompt, std::string& reasoning,
                             const spec::ConditionSpec& condition) const;
  std::int64_t num_tokens_to_feed(const RenderedPrompt& prompt) const;
  void tokenize(Item& item, const spec::ConditionSpec& condition) const;
  engine::Scores score_classes(std::span<const Item> items);

  model::MemoryPlan plan_;
  ItemEncoder encoder_;
  std::vector<tokenizer::TokenId> end_tokens_;
  model::Decoder decoder_;
  engine::Scorer scorer_;
};

}  // namespace catenary::cli
