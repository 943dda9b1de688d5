#include "cli/light/export_lm_eval.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "catenary/analysis/statistics.h"
#include "catenary/base/log.h"
#include "catenary/report/task_sample.h"
#include "catenary/task/metric.h"
#include "catenary/task/prompt.h"
#include "cli/light/json.h"
#include "cli/light/write_file.h"

// The form of lm-evaluation-harness 0.4: lm_eval/loggers/evaluation_tracker.py writes it, lm_eval/utils.py has its
// names.

namespace catenary::cli {
namespace {

struct LmEvalMetric {
  const char* name;
  double task::ItemMetrics::*value;
  bool higher_is_better;
};
constexpr LmEvalMetric kMetrics[] = {{"acc", &task::ItemMetrics::accuracy, true},
                                     {"acc_norm", &task::ItemMetrics::accuracy_per_byte, true},
                                     {"loss", &task::ItemMetrics::loss, false}};

/// For each row's name a file's name, as sanitize_model_name makes it. Where two names give the same one, the later
/// gets a number.
template <class Row>
std::vector<std::string> file_words(const std::vector<Row>& rows) {
  std::vector<std::string> words;
  for (const Row& row : rows) {
    std::string word = row.name;
    for (char& c : word)
      if (std::string_view("\"<>:/|\\?*[]").find(c) != std::string_view::npos) c = '_';
    if (word == "." || word == "..") word.assign(word.size(), '_');
    std::string unique = word;
    for (int i = 2; std::ranges::count(words, unique) > 0; ++i) unique = fmt::format("{}_{}", word, i);
    words.push_back(unique);
  }
  return words;
}

/// What the model was given before the continuations: of a chat the item's own prompt alone. None without the texts.
std::vector<std::string> contexts_of(const report::FoundTask& found, const std::string& condition_name,
                                     std::int64_t item) {
  std::vector<std::string> contexts;
  if (!found.task) return contexts;
  const auto condition = std::ranges::find(found.conditions, condition_name, &spec::ConditionSpec::name);
  if (condition == found.conditions.end()) return contexts;
  for (const task::Prompt& prompt : task::build_prompts(*found.task, item, *condition))
    contexts.push_back(condition->instruct ? prompt.text : task::plain_text(prompt, *condition));
  return contexts;
}

/// Numbers are texts here, as the harness's own sanitize_list makes them.
Json responses_of(const spec::ItemScore& score) {
  Json responses = Json::array();
  for (std::size_t c = 0; c < score.log_likelihoods.size(); ++c)
    responses.push_back({fmt::format("{}", score.log_likelihoods[c]), score.is_greedy[c] != 0 ? "True" : "False"});
  return responses;
}

std::string sample_line(const store::TaskItemRow& row, const spec::ItemScore& score, const task::ItemMetrics& metrics,
                        const report::FoundTask& found, const std::string& condition) {
  Json doc{{"item", row.item}, {"answer_index", row.answer_index}};
  Json arguments = Json::object(), metric_names = Json::array();
  if (found.task) {
    const task::Item& item = found.task->items[static_cast<std::size_t>(row.item)];
    doc = Json::parse(task::to_json_line(item, found.task->format));
    const auto contexts = contexts_of(found, condition, row.item);
    for (std::size_t c = 0; c < score.log_likelihoods.size() && !contexts.empty(); ++c)
      arguments[fmt::format("gen_args_{}", c)] = {
          {"arg_0", contexts[std::min(c / item.classes.size(), contexts.size() - 1)]},
          {"arg_1", item.classes[c % item.classes.size()]}};
  }
  const Json responses = responses_of(score);
  Json wrapped = Json::array();
  for (const Json& response : responses) wrapped.push_back(Json::array({response}));
  Json line{{"doc_id", row.item},     {"doc", std::move(doc)}, {"target", std::to_string(row.answer_index)},
            {"arguments", arguments}, {"resps", wrapped},      {"filtered_resps", responses},
            {"filter", "none"}};
  for (const LmEvalMetric& metric : kMetrics) {
    if (std::isnan(metrics.*metric.value)) continue;
    line[metric.name] = metrics.*metric.value;
    metric_names.push_back(metric.name);
  }
  line["metrics"] = std::move(metric_names);
  return to_text(line) + '\n';
}

/// Means with the harness's standard error, that of independent values.
Json results_of(const std::string& task, const std::vector<task::ItemMetrics>& items) {
  Json results{{"alias", task}};
  for (const LmEvalMetric& metric : kMetrics) {
    std::vector<double> values;
    for (const task::ItemMetrics& item : items) values.push_back(item.*metric.value);
    if (std::ranges::any_of(values, [](double value) { return std::isnan(value); })) continue;
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
    const double error = analysis::mean_standard_error(values);
    results[fmt::format("{},none", metric.name)] = mean;
    results[fmt::format("{}_stderr,none", metric.name)] = std::isnan(error) ? Json("N/A") : Json(error);
  }
  return results;
}

/// All of a unit's scores, if it is done and has any.
std::optional<std::vector<spec::ItemScore>> finished_scores(const store::Reader& store, std::size_t unit) {
  std::vector<spec::ItemScore> scores;
  for (auto& score : store.read_unit(unit)) {
    if (!score || score->log_likelihoods.empty()) return std::nullopt;
    scores.push_back(std::move(*score));
  }
  return scores;
}

}  // namespace

void export_lm_eval(const store::Reader& store, const std::filesystem::path& folder) {
  const store::Layout& layout = store.layout();
  std::string date = layout.provenance.created.substr(0, 19);  // without the Z
  std::ranges::replace_if(
      date, [](char c) { return c == ':' || c == '/'; }, '-');
  std::vector<report::FoundTask> found;
  for (const store::TaskRow& task : layout.tasks) found.push_back(report::find_task(task, layout.spec_text));
  for (const report::FoundTask& task : found)
    if (!task.note.empty()) log::warning(task.note);
  const auto models = file_words(layout.models), conditions = file_words(layout.conditions),
             tasks = file_words(layout.tasks);

  std::size_t num_left_out = 0;
  for (std::size_t m = 0; m < layout.models.size(); ++m)
    for (std::size_t c = 0; c < layout.conditions.size(); ++c) {
      const store::ModelRow& model = layout.models[m];
      const store::ConditionRow& condition = layout.conditions[c];
      const auto place = folder / conditions[c] / models[m];
      make_folder(place);
      Json file{{"results", Json::object()},
                {"group_subtasks", Json::object()},
                {"configs", Json::object()},
                {"versions", Json::object()},
                {"n-shot", Json::object()},
                {"higher_is_better", Json::object()},
                {"n-samples", Json::object()},
                {"config", {{"model", "catenary"}, {"model_args", "pretrained=" + model.path}, {"limit", nullptr}}},
                {"model_source", "catenary"},
                {"model_name", model.name},
                {"model_name_sanitized", models[m]}};
      for (std::size_t u = 0; u < layout.units.size(); ++u) {
        const spec::WorkUnit& unit = layout.units[u];
        if (static_cast<std::size_t>(unit.model_index) != m || static_cast<std::size_t>(unit.condition_index) != c)
          continue;
        const auto t = static_cast<std::size_t>(unit.task_index);
        const store::TaskRow& task = layout.tasks[t];
        const auto scores = finished_scores(store, u);
        if (!scores) {
          ++num_left_out;
          continue;
        }
        std::vector<task::ItemMetrics> metrics;
        std::string lines;
        for (std::size_t i = 0; i < scores->size(); ++i) {
          const spec::ItemScore& score = (*scores)[i];
          const store::TaskItemRow& row = task.items[i];
          metrics.push_back(
              task::measure(spec::parse_task_format(task.format),
                            {score.log_likelihoods, score.num_tokens, row.class_num_bytes, row.answer_index}));
          lines += sample_line(row, score, metrics.back(), found[t], condition.name);
        }
        write_file(place / fmt::format("samples_{}_{}.jsonl", tasks[t], date), lines);
        file["results"][task.name] = results_of(task.name, metrics);
        file["group_subtasks"][task.name] = Json::array();
        file["configs"][task.name] = {
            {"task", task.name}, {"output_type", "multiple_choice"}, {"num_fewshot", condition.k}};
        file["versions"][task.name] = 1.0;
        file["n-shot"][task.name] = condition.k;
        for (const LmEvalMetric& metric : kMetrics)
          file["higher_is_better"][task.name][metric.name] = metric.higher_is_better;
        file["n-samples"][task.name] = {{"original", scores->size()}, {"effective", scores->size()}};
      }
      write_file(place / fmt::format("results_{}.json", date), to_text(file, 2) + '\n');
    }
  if (num_left_out > 0)
    log::warning(fmt::format("{} units are left out: not done, or of generated numbers", num_left_out));
}

}  // namespace catenary::cli
