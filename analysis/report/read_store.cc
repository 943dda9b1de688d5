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

std::vector<std::string_view> metrics_of(spec::TaskFormat format, const store::TaskRow& task) {
  if (format == spec::TaskFormat::kSequenceProb) return {"loss"};
  if (format != spec::TaskFormat::kNumeric) return {"accuracy", "loss", "log_odds"};
  const bool has_anchor = std::ranges::any_of(task.items, [](const store::TaskItemRow& item) {
    return !std::isnan(item.anchor) && item.anchor != item.true_answer;
  });
  if (!has_anchor) return {"accuracy", "unparsable", "relative_error"};
  return {"accuracy", "unparsable", "relative_error", "anchoring"};
}

// At least the values that metrics_of names, in its order; NaN where the item does not define one.
std::vector<double> measure_item(spec::TaskFormat format, const store::TaskItemRow& item,
                                 const spec::ItemScore& score) {
  if (format == spec::TaskFormat::kNumeric) {
    const auto metrics = task::measure_number(score.texts.back().text, item.true_answer, item.anchor);
    return {metrics.accuracy, metrics.estimate ? 0.0 : 1.0, metrics.relative_error, metrics.anchoring};
  }
  const auto metrics =
      task::measure(format, {score.log_likelihoods, score.num_tokens, item.class_num_bytes, item.answer_index});
  if (format == spec::TaskFormat::kSequenceProb) return {metrics.loss};
  return {metrics.accuracy, metrics.loss, metrics.log_odds};
}

double chance_of(spec::TaskFormat format, const store::TaskRow& task) {
  const bool is_log_odds = format == spec::TaskFormat::kLogodds || format == spec::TaskFormat::kAbsoluteLogodds;
  std::vector<std::int32_t> num_classes;
  for (const store::TaskItemRow& item : task.items)
    num_classes.push_back(static_cast<std::int32_t>(item.class_num_bytes.size()) / (is_log_odds ? 2 : 1));
  return format == spec::TaskFormat::kNumeric ? 0 : task::random_accuracy(num_classes);
}

}  // namespace

// A unit gives its format's metrics over its items, or nothing unless all of them are there.
Table read_store(const std::filesystem::path& path) {
  const store::Reader store(path);
  const store::Layout& layout = store.layout();
  Table table{.name = layout.sweep_name, .series = {}, .problems = {}};
  for (std::size_t u = 0; u < layout.units.size(); ++u) {
    const spec::WorkUnit& unit = layout.units[u];
    const store::ModelRow& model = layout.models[static_cast<std::size_t>(unit.model_index)];
    const store::TaskRow& task = layout.tasks[static_cast<std::size_t>(unit.task_index)];
    const store::ConditionRow& condition = layout.conditions[static_cast<std::size_t>(unit.condition_index)];
    const spec::TaskFormat format = spec::parse_task_format(task.format);
    const Series names{.task = task.name,
                       .condition = condition.name,
                       .family = model.family,
                       .model = model.name,
                       .num_parameters = static_cast<double>(model.num_parameters),
                       .training_tokens = model.training_tokens,
                       .training_flops = model.training_flops,
                       .task_fingerprint = task.fingerprint,
                       .condition_definition = condition.definition};
    std::vector<Series> all;  // by metric
    for (const std::string_view metric : metrics_of(format, task)) {
      all.push_back(names);
      all.back().metric = describe_metric(metric);
    }
    if (all[0].metric.name == "accuracy") all[0].chance = chance_of(format, task);
    const auto scores = store.read_unit(u);
    const bool is_complete = std::ranges::all_of(scores, [](const std::optional<spec::ItemScore>& score) {
      return score && std::ranges::all_of(score->log_likelihoods, [](double x) { return std::isfinite(x); });
    });
    for (std::size_t i = 0; is_complete && i < scores.size(); ++i) {
      const std::vector<double> values = measure_item(format, task.items[i], *scores[i]);
      for (std::size_t m = 0; m < all.size(); ++m) {
        if (std::isnan(values[m])) continue;
        all[m].items.push_back(task.items[i].item);
        all[m].values.push_back(values[m]);
      }
    }
    for (Series& one : all) {
      if (!is_complete) {
        one.absence = reason_for_absence(store, u);
      } else if (one.values.empty()) {
        one.absence = "none of its answers could be read as a number";
      } else {
        summarize(one);
      }
      table.series.push_back(std::move(one));
    }
  }
  return table;
}

}  // namespace catenary::analysis
