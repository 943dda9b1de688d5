#include "cli/run/score.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/parallel/communicator.h"
#include "catenary/parallel/tensor_parallel_group.h"
#include "catenary/spec/work_unit.h"
#include "catenary/task/metric.h"
#include "catenary/task/prompt.h"
#include "catenary/task/task_reader.h"
#include "catenary/weights/checkpoint.h"
#include "cli/counted.h"
#include "cli/exit_code.h"
#include "cli/item_encoder.h"
#include "cli/run/loaded_model.h"
#include "cli/run/on_all_ranks.h"
#include "cli/run/same_on_all_ranks.h"
#include "cli/study.h"

namespace catenary::cli {
namespace {

using parallel::Communicator;

// Means over the items scored, to standard error.
class Summary {
 public:
  explicit Summary(const task::Task& task) : task_(task) {}

  void add(const task::Item& item, const spec::ItemScore& score) {
    if (task_.format == spec::TaskFormat::kNumeric) {
      add_number(item, score);
      return;
    }
    const auto num_bytes = continuation_bytes(task_.format, item);
    const auto metrics =
        task::measure(task_.format, {score.log_likelihoods, score.num_tokens, num_bytes, item.answer_index});
    num_classes_.push_back(static_cast<std::int32_t>(item.classes.size()));
    accuracy_.push_back(metrics.accuracy);
    confidence_.push_back(metrics.confidence);
    const std::array values{
        metrics.accuracy, metrics.accuracy_per_token, metrics.accuracy_per_byte, metrics.loss, metrics.log_odds,
        metrics.brier,    metrics.total_probability};
    for (std::size_t i = 0; i < values.size(); ++i) sums_[i] += values[i];
  }

  void log() const {
    if (task_.format == spec::TaskFormat::kNumeric) {
      log_numbers();
      return;
    }
    constexpr std::array kNames{"accuracy", "by token",    "by byte",          "loss",
                                "log-odds", "Brier score", "total probability"};
    std::string text;
    const auto n = static_cast<double>(accuracy_.size());
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      if (!std::isnan(sums_[i])) text += fmt::format(", {} {:.4g}", kNames[i], sums_[i] / n);
    }
    if (!std::isnan(sums_[0])) {
      text += fmt::format(", calibration error {:.4g}; guessing has accuracy {:.4g}",
                          task::calibration_error(confidence_, accuracy_), task::random_accuracy(num_classes_));
    }
    log::info(fmt::format("{}, {}{}", counted(std::ssize(accuracy_), "item"), to_string(task_.format), text));
  }

 private:
  void add_number(const task::Item& item, const spec::ItemScore& score) {
    const auto metrics = task::measure_number(score.texts.back().text, item.true_answer, item.anchor);
    accuracy_.push_back(metrics.accuracy);
    if (metrics.estimate) relative_errors_.push_back(metrics.relative_error);
    if (!std::isnan(metrics.anchoring)) anchoring_.push_back(metrics.anchoring);
  }

  void log_numbers() const {
    const auto mean = [](const std::vector<double>& values) {
      return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    };
    std::string text = fmt::format("{} items, numeric, accuracy {:.4g}, {} unparsable", accuracy_.size(),
                                   mean(accuracy_), accuracy_.size() - relative_errors_.size());
    if (!relative_errors_.empty()) text += fmt::format(", relative error {:.4g}", mean(relative_errors_));
    if (!anchoring_.empty()) text += fmt::format(", anchoring {:.4g}", mean(anchoring_));
    log::info(text);
  }

  const task::Task& task_;
  std::vector<std::int32_t> num_classes_;
  std::vector<double> accuracy_, confidence_, relative_errors_, anchoring_;
  std::array<double, 7> sums_{};
};

nlohmann::ordered_json line_of(std::int64_t index, spec::TaskFormat format, const spec::ItemScore& item) {
  nlohmann::ordered_json line;
  line["item"] = index;
  if (format != spec::TaskFormat::kNumeric) {
    line["class_logprobs"] = item.log_likelihoods;
    line["n_tokens"] = item.num_tokens;
    line["greedy"] = nlohmann::ordered_json::array();
    for (const auto is_greedy : item.is_greedy) line["greedy"].push_back(is_greedy != 0);
  }
  for (const auto& written : item.texts) line["texts"].push_back(written.text);
  if (format == spec::TaskFormat::kNumeric) {
    const auto estimate = task::parse_number(item.texts.back().text);
    line["estimate"] = estimate ? nlohmann::ordered_json(*estimate) : nlohmann::ordered_json();
  }
  return line;
}

int score_on_all_ranks(const Communicator& world, const Communicator& among_ranks, const ScoreArgs& args) {
  Study study;
  study.spec.dtype = args.dtype;
  std::unique_ptr<parallel::TensorParallelGroup> group;
  std::optional<LoadedModel> model;
  parallel::agree(world, [&] {
    study.tasks.push_back(task::read_task(args.task));
    check_condition(study.tasks.front(), args.condition);
    tell_doubtful_joins(study.tasks.front(), args.task, {&args.condition, 1});
    study.checkpoints.push_back(weights::Checkpoint::open(args.model));
  });
  const at::Device device = set_up(world, study, args.compute).device;
  const std::int64_t memory_bytes = memory_of_rank(args.compute.memory_budget_bytes, device, &world);
  parallel::agree(world, [&] {
    if (world.size() > 1) group = make_group(among_ranks, 0, world.size(), device);
    model.emplace(study.checkpoints.front(), std::vector{args.condition}, args.dtype, device, memory_bytes,
                  group ? *group : parallel::single_rank());
  });

  const task::Task& task = study.tasks.front();
  Summary summary(task);
  std::int64_t num_truncated = 0;
  for (const spec::ItemRange& range : spec::cut_into_ranges(0, task.count)) {
    const std::int64_t first = task.first + range.first_item;
    std::vector<LoadedModel::Item> items;
    engine::Scores scores;
    parallel::agree(world, [&] { items = model->prepare(task, first, range.num_items, args.condition); });
    parallel::agree(world, [&] { scores = model->score(items, task.format, args.condition); });
    if (world.rank() > 0) continue;
    for (std::size_t i = 0; i < scores.items.size(); ++i) {
      const spec::ItemScore& item = scores.items[i];
      if (item.is_truncated) ++num_truncated;
      const std::int64_t index = first + static_cast<std::int64_t>(i);
      summary.add(task.items[static_cast<std::size_t>(index)], item);
      std::puts(line_of(index, task.format, item).dump().c_str());
    }
    if (std::fflush(stdout) != 0) throw Error("standard output cannot be written");
  }
  if (num_truncated > 0) {
    log::warning(fmt::format("{} items were cut to fit the model's context", num_truncated));
  }
  if (world.rank() == 0) summary.log();
  return kExitDone;
}

}  // namespace

int score(const ScoreArgs& args) {
  return on_all_ranks([&](const Communicator& world, const Communicator& among_ranks) {
    return score_on_all_ranks(world, among_ranks, args);
  });
}

}  // namespace catenary::cli
