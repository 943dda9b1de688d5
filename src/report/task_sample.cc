#include "catenary/report/task_sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <optional>

#include "catenary/base/error.h"
#include "catenary/base/utf8.h"
#include "catenary/spec/sweep_spec.h"
#include "catenary/store/reader.h"
#include "catenary/task/metric.h"
#include "catenary/task/task_reader.h"

namespace catenary::report {
namespace {

constexpr std::size_t kLongestText = 6000;  // bytes; of a longer one the beginning and the end are kept
constexpr std::size_t kBytesPerNumber = 8;  // of a log-likelihood, as text
constexpr std::size_t kFewestItems = 5;

std::string shortened(const std::string& text) {
  if (text.size() <= kLongestText) return text;
  const std::string_view head = cut_utf8(text, kLongestText / 3), rest = cut_utf8(text, text.size() - kLongestText / 2);
  return fmt::format("{} [… {} bytes …] {}", head, rest.size() - head.size(), text.substr(rest.size()));
}

/// `count` of `total` positions, evenly spread.
std::vector<std::size_t> spread(std::size_t count, std::size_t total) {
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < count; ++i) positions.push_back(i * total / count);
  return positions;
}

std::size_t mean_item_bytes(const store::TaskRow& row, const std::vector<task::Item>& items,
                            const std::vector<spec::WorkUnit>& units) {
  std::size_t num_bytes = 0;
  for (const store::TaskItemRow& item : row.items) {
    num_bytes += 40 + units.size() * (2 + kBytesPerNumber * item.class_num_bytes.size());
    if (items.empty()) continue;
    const task::Item& text = items[static_cast<std::size_t>(item.item)];
    num_bytes += std::min(text.prompt.size(), kLongestText) + std::min(text.other_prompt.size(), kLongestText);
    for (const std::string& one : text.classes) num_bytes += std::min(one.size(), kLongestText);
  }
  num_bytes /= std::max<std::size_t>(1, row.items.size());
  for (const spec::WorkUnit& unit : units)
    num_bytes += static_cast<std::size_t>(unit.num_texts_per_item) *
                 std::min(static_cast<std::size_t>(unit.num_bytes_per_text), kLongestText);
  return num_bytes;
}

/// NaN where the format has none, or nothing was measured.
double accuracy_of(spec::TaskFormat format, const store::TaskItemRow& item, const spec::ItemScore& score) {
  if (format == spec::TaskFormat::kNumeric && !score.texts.empty())
    return task::measure_number(score.texts.back().text, item.true_answer, item.anchor).accuracy;
  const auto& values = score.log_likelihoods;
  if (values.empty() || !std::ranges::all_of(values, [](double x) { return std::isfinite(x); }))
    return std::numeric_limits<double>::quiet_NaN();
  return task::measure(format, {values, score.num_tokens, item.class_num_bytes, item.answer_index}).accuracy;
}

}  // namespace

// The store has the spec's text, where paths are relative to a folder that is not known, and the task's whole path: the
// folder is what the latter has before the former.
FoundTask find_task(const store::TaskRow& row, const std::string& spec_text) {
  const std::string end = "the items' texts are left out";
  FoundTask found;
  try {
    auto spec = spec::parse_tasks_and_conditions(spec_text);
    const auto it = std::ranges::find(spec.tasks, row.name, &spec::TaskSpec::name);
    if (it == spec.tasks.end()) {
      found.note = fmt::format("the sweep's spec has no task {}: {}", row.name, end);
      return found;
    }
    const std::string suffix = it->path.string();
    if (it->exemplars && row.path.ends_with(suffix))
      it->exemplars = row.path.substr(0, row.path.size() - suffix.size()) + it->exemplars->string();
    it->path = row.path;
    task::Task task = task::read_task(*it);
    const bool has_all = std::ranges::all_of(row.items, [&task](const store::TaskItemRow& item) {
      return static_cast<std::size_t>(item.item) < task.items.size();
    });
    if (task.fingerprint == row.fingerprint && spec::to_string(task.format) == row.format && has_all) {
      found.task = std::move(task);
      found.conditions = std::move(spec.conditions);
    } else {
      found.note = fmt::format("{} is not what was scored: {}", row.path, end);
    }
  } catch (const Error& e) {
    found.note = fmt::format("{}: {}", e.what(), end);
  }
  return found;
}

std::vector<TaskSample> sample_tasks(const std::filesystem::path& path, std::size_t max_bytes) {
  const store::Reader store(path);
  const store::Layout& layout = store.layout();
  std::vector<TaskSample> samples;
  std::vector<std::vector<std::size_t>> positions;  // by task: which items
  for (std::size_t t = 0; t < layout.tasks.size(); ++t) {
    const store::TaskRow& row = layout.tasks[t];
    const FoundTask found = find_task(row, layout.spec_text);
    const std::vector<task::Item> items = found.task ? found.task->items : std::vector<task::Item>();
    std::vector<spec::WorkUnit> units;
    std::ranges::copy_if(layout.units, std::back_inserter(units),
                         [&](const spec::WorkUnit& unit) { return static_cast<std::size_t>(unit.task_index) == t; });
    const std::size_t affordable = max_bytes / layout.tasks.size() / mean_item_bytes(row, items, units);
    positions.push_back(spread(std::min(row.items.size(), std::max(affordable, kFewestItems)), row.items.size()));
    TaskSample& sample = samples.emplace_back(TaskSample{.task = row.name,
                                                         .format = row.format,
                                                         .num_items = std::ssize(row.items),
                                                         .items = {},
                                                         .scores = {},
                                                         .note = found.note});
    for (const std::size_t i : positions.back()) {
      SampledItem& item = sample.items.emplace_back();
      item.item = row.items[i].item;
      item.answer_index = row.items[i].answer_index;
      item.true_answer = row.items[i].true_answer;
      item.anchor = row.items[i].anchor;
      if (items.empty()) continue;
      const task::Item& text = items[static_cast<std::size_t>(item.item)];
      item.prompt = shortened(text.prompt);
      item.other_prompt = shortened(text.other_prompt);
      for (const std::string& one : text.classes) item.classes.push_back(shortened(one));
    }
  }
  for (std::size_t u = 0; u < layout.units.size(); ++u) {
    const auto t = static_cast<std::size_t>(layout.units[u].task_index);
    const store::TaskRow& row = layout.tasks[t];
    const spec::TaskFormat format = spec::parse_task_format(row.format);
    SampledScores& scores = samples[t].scores.emplace_back();
    scores.condition = layout.conditions[static_cast<std::size_t>(layout.units[u].condition_index)].name;
    scores.model = layout.models[static_cast<std::size_t>(layout.units[u].model_index)].name;
    const auto all = store.read_unit(u);
    for (const std::size_t i : positions[t]) {
      const spec::ItemScore score = all[i].value_or(spec::ItemScore{});
      scores.log_likelihoods.push_back(score.log_likelihoods);
      scores.accuracy.push_back(accuracy_of(format, row.items[i], score));
      std::vector<std::string>& texts = scores.texts.emplace_back();
      for (const spec::GeneratedText& text : score.texts) texts.push_back(shortened(text.text));
    }
  }
  return samples;
}

}  // namespace catenary::report
