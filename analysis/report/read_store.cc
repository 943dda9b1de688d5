#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/report/readers.h"
#include "catenary/store/reader.h"
#include "catenary/task/metric.h"

namespace catenary::analysis {
namespace {

std::string reason_for_absence(const store::Reader& store, std::size_t unit_index) {
  if (!store.errors()[unit_index].empty()) return "failed: " + store.errors()[unit_index];
  const bool all_done = std::ranges::all_of(store.ranges(), [&](const store::StoredRange& range) {
    return static_cast<std::size_t>(range.range.unit_index) != unit_index || range.state == store::RangeState::kDone;
  });
  return all_done ? "damaged or not a number; run the sweep again" : "pending";
}

}  // namespace

// A unit gives accuracy, loss and log-odds over its items, or nothing unless all of them are there.
Table read_store(const std::filesystem::path& path) {
  const store::Reader store(path);
  const store::Layout& layout = store.layout();
  Table table{.name = layout.sweep_name, .series = {}, .problems = {}};
  for (std::size_t u = 0; u < layout.units.size(); ++u) {
    const spec::WorkUnit& unit = layout.units[u];
    const store::ModelRow& model = layout.models[static_cast<std::size_t>(unit.model_index)];
    const store::TaskRow& task = layout.tasks[static_cast<std::size_t>(unit.task_index)];
    const store::ConditionRow& condition = layout.conditions[static_cast<std::size_t>(unit.condition_index)];
    Series accuracy{.task = task.name,
                    .condition = condition.name,
                    .family = model.family,
                    .model = model.name,
                    .metric = describe_metric("accuracy"),
                    .num_parameters = static_cast<double>(model.num_parameters),
                    .training_tokens = model.training_tokens,
                    .training_flops = model.training_flops,
                    .items = {},
                    .values = {},
                    .task_fingerprint = task.fingerprint,
                    .condition_definition = condition.definition};
    Series loss = accuracy, log_odds = accuracy;
    const spec::TaskFormat format = spec::parse_task_format(task.format);
    const bool is_log_odds =
        format == spec::TaskFormat::kLogodds || format == spec::TaskFormat::kAbsoluteLogodds;  // two prompts an item
    std::vector<std::int32_t> num_classes;
    for (const store::TaskItemRow& item : task.items)
      num_classes.push_back(static_cast<std::int32_t>(item.class_num_bytes.size()) / (is_log_odds ? 2 : 1));
    accuracy.chance = task::random_accuracy(num_classes);
    loss.metric = describe_metric("loss");
    log_odds.metric = describe_metric("log_odds");
    const auto scores = store.read_unit(u);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (!scores[i]) break;
      const auto& log_likelihoods = scores[i]->log_likelihoods;
      if (!std::ranges::all_of(log_likelihoods, [](double x) { return std::isfinite(x); })) break;
      const auto metrics = task::measure(
          format, {log_likelihoods, scores[i]->num_tokens, task.items[i].class_num_bytes, task.items[i].answer_index});
      accuracy.items.push_back(task.items[i].item);
      accuracy.values.push_back(metrics.accuracy);
      loss.values.push_back(metrics.loss);
      log_odds.values.push_back(metrics.log_odds);
    }
    const bool is_complete = accuracy.values.size() == scores.size();
    loss.items = log_odds.items = accuracy.items;
    for (Series* series : {&accuracy, &loss, &log_odds}) {
      const bool is_defined = std::ranges::none_of(series->values, [](double x) { return std::isnan(x); });
      if (!is_defined) continue;  // the task's format has no such metric
      if (is_complete) {
        summarize(*series);
      } else {
        series->items.clear();
        series->values.clear();
        series->absence = reason_for_absence(store, u);
      }
      table.series.push_back(std::move(*series));
    }
  }
  return table;
}

}  // namespace catenary::analysis
