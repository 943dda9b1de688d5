#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "catenary/spec/sweep_spec.h"
#include "catenary/store/schema.h"
#include "catenary/task/task_reader.h"

namespace catenary::report {

/// A store's task with its texts and the spec's conditions, or nothing and why.
struct FoundTask {
  std::optional<task::Task> task;
  std::vector<spec::ConditionSpec> conditions;
  std::string note;
};

/// Reads the task's file where the store says it is; nothing if that is gone or is not what was scored.
FoundTask find_task(const store::TaskRow& row, const std::string& spec_text);

/// One item as a reader sees it.
struct SampledItem {
  std::int64_t item = 0;  // its position in the task file, from 0
  std::int32_t answer_index = 0;
  std::string prompt, other_prompt;                               // empty where the task file is gone
  std::vector<std::string> classes;                               // the same
  double true_answer = std::numeric_limits<double>::quiet_NaN();  // of numeric items
  double anchor = std::numeric_limits<double>::quiet_NaN();       // NaN: none
};

/// What one model under one condition says of the sampled items. Empty vectors: not measured.
struct SampledScores {
  std::string condition, model;
  std::vector<std::vector<double>> log_likelihoods;  // nats, by item and continuation, as the store has them
  std::vector<double> accuracy;                      // 0, 1; NaN where the format has none
  std::vector<std::vector<std::string>> texts;       // by item: what the model generated
};

/// Items of one task, evenly spread over it, with what every model says of them.
struct TaskSample {
  std::string task, format;
  std::int64_t num_items = 0;  // of the whole task
  std::vector<SampledItem> items;
  std::vector<SampledScores> scores;
  std::string note;  // why there are no texts; empty if there are
};

/// Samples every task of a store. Texts come from the task files that the store names; where such a file is gone, or
/// its items are not those that were scored, the sample has numbers alone and `note` says why. All samples together
/// take about `max_bytes`, so a large store gives fewer items a task. Throws StoreError.
std::vector<TaskSample> sample_tasks(const std::filesystem::path& store, std::size_t max_bytes);

}  // namespace catenary::report
