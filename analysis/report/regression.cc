#include "catenary/analysis/regression.h"

#include <fmt/format.h>

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <tuple>
#include <unsupported/Eigen/SpecialFunctions>

#include "catenary/analysis/paired.h"
#include "catenary/base/error.h"

namespace catenary::analysis {
namespace {

using Key = std::tuple<std::string, std::string, std::string, std::string, std::string>;

Key key_of(const Series& series) {
  return {series.metric.name, series.task, series.condition, series.family, series.model};
}

std::string name_of(const Series& series) {
  return fmt::format("{} {} {} {}", series.task, series.condition, series.model, series.metric.name);
}

bool is_known_to_differ(const std::string& a, const std::string& b) {
  return !a.empty() && !b.empty() && a != b;
}

LostSeries make_lost(const Series& series, std::string reason) {
  return {series.task, series.condition, series.family, series.model, series.metric, std::move(reason)};
}

Change compare_series(const Series& before, const Series& after, const std::vector<std::int64_t>& items,
                      const RegressionOptions& options) {
  Change change{.task = after.task,
                .condition = after.condition,
                .family = after.family,
                .model = after.model,
                .metric = after.metric,
                .num_items = std::ssize(items)};
  std::vector<double> differences;
  std::size_t i = 0, j = 0;
  const double n = static_cast<double>(items.size());
  for (const std::int64_t item : items) {
    while (before.items[i] != item) ++i;
    while (after.items[j] != item) ++j;
    change.before += before.values[i] / n;
    change.after += after.values[j] / n;
    differences.push_back(after.values[j] - before.values[i]);
    change.up += differences.back() > 0 ? 1 : 0;
    change.down += differences.back() < 0 ? 1 : 0;
  }
  const std::vector<double> means = bootstrap_means(differences, 1, options.num_replicates, options.seed);
  change.difference = percentile_interval(change.after - change.before, means);
  if (change.metric.is_proportion) {
    change.p_value = mcnemar_p_value(change.up, change.down);
  } else if (change.up + change.down == 0) {
    change.p_value = 1;
  } else {
    const auto beyond =
        std::ranges::count_if(means, [&](double mean) { return change.difference.value > 0 ? mean <= 0 : mean >= 0; });
    change.p_value =
        std::min(1.0, 2.0 * static_cast<double>(beyond + 1) / static_cast<double>(options.num_replicates + 1));
  }
  return change;
}

}  // namespace

double mcnemar_p_value(std::int64_t up, std::int64_t down) {
  // P(X ≤ smaller) for X ~ B(n, 1/2) is the incomplete beta function I_1/2(n - smaller, smaller + 1).
  const double smaller = static_cast<double>(std::min(up, down)), n = static_cast<double>(up + down);
  if (up == down) return 1;
  return std::min(1.0, 2 * Eigen::numext::betainc(n - smaller, smaller + 1, 0.5));
}

Changes find_changes(const Table& before, const Table& after, const RegressionOptions& options) {
  Changes result;
  std::map<Key, const Series*> old;
  for (const Series& series : before.series) old.try_emplace(key_of(series), &series);
  std::map<Key, bool> is_found;
  for (const Series& series : after.series) {
    if (series.metric.name == "log_odds") continue;  // the loss says it already
    const auto entry = old.find(key_of(series));
    if (entry == old.end()) {
      result.problems.push_back(fmt::format("{}: only {} has it", name_of(series), after.name));
      continue;
    }
    is_found[entry->first] = true;
    const Series& earlier = *entry->second;
    if (is_known_to_differ(earlier.task_fingerprint, series.task_fingerprint)) {
      result.problems.push_back(fmt::format("{}: not compared, the task's items are others", name_of(series)));
      continue;
    }
    if (is_known_to_differ(earlier.condition_definition, series.condition_definition)) {
      const std::string note =
          fmt::format("condition {}: {} in {}, {} in {}", series.condition, earlier.condition_definition, before.name,
                      series.condition_definition, after.name);
      if (std::ranges::find(result.problems, note) == result.problems.end()) result.problems.push_back(note);
    }
    std::vector<std::int64_t> items;
    std::ranges::set_intersection(earlier.items, series.items, std::back_inserter(items));
    if (items.size() < 2) {
      const std::string why = !series.absence.empty() ? series.absence
                              : series.items.empty()  ? "it has no items"
                                                      : fmt::format("{} of its items are in both", items.size());
      if (earlier.items.size() < 2)
        result.problems.push_back(fmt::format("{}: not compared, {} in {}", name_of(series),
                                              earlier.absence.empty() ? "it has too few items" : earlier.absence,
                                              before.name));
      else
        result.lost.push_back(make_lost(series, why));
      continue;
    }
    if (items.size() < std::max(earlier.items.size(), series.items.size()))
      result.problems.push_back(
          fmt::format("{}: compared on the {} items that both have", name_of(series), items.size()));
    // A store has all items of a unit or none; an item without a value is then one for which the metric is not defined.
    if (series.task_fingerprint.empty() && items.size() < earlier.items.size())
      result.lost.push_back(make_lost(
          series, fmt::format("{} of its {} items", earlier.items.size() - items.size(), earlier.items.size())));
    result.changes.push_back(compare_series(earlier, series, items, options));
  }
  if (result.changes.empty() && result.lost.empty()) {
    Problems problems;
    problems.add(fmt::format("{} and {}: nothing to compare", before.name, after.name));
    for (const std::string& problem : result.problems) problems.add(problem);
    problems.throw_if_any<DataError>();
  }
  for (const auto& [key, series] : old) {
    if (is_found.contains(key) || series->metric.name == "log_odds") continue;
    if (series->items.size() < 2)
      result.problems.push_back(fmt::format("{}: only {} has it", name_of(*series), before.name));
    else
      result.lost.push_back(make_lost(*series, fmt::format("{} does not have it", after.name)));
  }
  std::vector<double> p_values;
  for (const Change& change : result.changes) p_values.push_back(change.p_value);
  const auto holm = adjust_holm(p_values);
  for (std::size_t i = 0; i < holm.size(); ++i) {
    Change& change = result.changes[i];
    change.p_holm = holm[i];
    const double worse =
        change.metric.direction == Direction::kHigherIsBetter ? -change.difference.value : change.difference.value;
    change.is_regression = worse > options.threshold && change.p_holm < options.level;
  }
  return result;
}

}  // namespace catenary::analysis
