#include "cli/light/export.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/store/reader.h"
#include "catenary/task/metric.h"
#include "cli/exit_code.h"
#include "cli/light/csv.h"
#include "cli/light/export_lm_eval.h"
#include "cli/light/json.h"
#include "cli/light/write_file.h"

namespace catenary::cli {
namespace {

/// One done item with where it belongs.
struct ExportedItem {
  const store::ModelRow& model;
  const store::TaskRow& task;
  const store::ConditionRow& condition;
  const store::TaskItemRow& row;
  const spec::ItemScore& score;
  task::ItemMetrics metrics;
};

task::ItemMetrics metrics_of(const store::TaskRow& task, const store::TaskItemRow& row, const spec::ItemScore& score) {
  const auto format = spec::parse_task_format(task.format);
  if (format == spec::TaskFormat::kNumeric) return {};
  return task::measure(format, {score.log_likelihoods, score.num_tokens, row.class_num_bytes, row.answer_index});
}

constexpr const char* kCsvHeading =
    "task,condition,family,model,num_parameters,training_tokens,training_flops,item,correct,loss,log_odds,truncated\n";

std::string csv_line(const ExportedItem& item) {
  return fmt::format("{},{},{},{},{},{},{},{},{},{},{},{}\n", csv_field(item.task.name), csv_field(item.condition.name),
                     csv_field(item.model.family), csv_field(item.model.name), item.model.num_parameters,
                     csv_number(item.model.training_tokens), csv_number(item.model.training_flops), item.row.item,
                     csv_number(item.metrics.accuracy), csv_number(item.metrics.loss),
                     csv_number(item.metrics.log_odds), item.score.is_truncated ? 1 : 0);
}

std::string json_line(const ExportedItem& item) {
  Json json{{"task", item.task.name},
            {"condition", item.condition.name},
            {"family", item.model.family},
            {"model", item.model.name},
            {"num_parameters", item.model.num_parameters},
            {"training_tokens", number(item.model.training_tokens)},
            {"training_flops", number(item.model.training_flops)},
            {"item", item.row.item},
            {"answer_index", item.row.answer_index},
            {"class_logprobs", item.score.log_likelihoods},
            {"n_tokens", item.score.num_tokens},
            {"n_bytes", item.row.class_num_bytes},
            {"greedy", Json::array()},
            {"truncated", item.score.is_truncated},
            {"correct", number(item.metrics.accuracy)},
            {"loss", number(item.metrics.loss)},
            {"log_odds", number(item.metrics.log_odds)}};
  for (const auto is_greedy : item.score.is_greedy) json["greedy"].push_back(is_greedy != 0);
  if (std::isfinite(item.row.true_answer)) json["true_answer"] = item.row.true_answer;
  if (std::isfinite(item.row.anchor)) json["anchor"] = item.row.anchor;
  for (const spec::GeneratedText& text : item.score.texts) {
    json["texts"].push_back({{"text", text.text}, {"n_tokens", text.num_tokens}, {"cut", text.is_cut}});
  }
  return to_text(json) + '\n';
}

}  // namespace

int export_items(const ExportArgs& args) {
  const store::Reader store(args.store);
  if (args.format == "lm-eval") {
    if (!args.output) throw SpecError("--format lm-eval: expected -o FOLDER, as it writes several files");
    export_lm_eval(store, *args.output);
    log::info(fmt::format("wrote {}", args.output->string()));
    return kExitDone;
  }
  const store::Layout& layout = store.layout();
  const bool is_csv = args.format == "csv";
  std::string lines = is_csv ? kCsvHeading : "";
  std::size_t num_absent = 0;
  for (std::size_t u = 0; u < layout.units.size(); ++u) {
    const spec::WorkUnit& unit = layout.units[u];
    const store::TaskRow& task = layout.tasks[static_cast<std::size_t>(unit.task_index)];
    const auto scores = store.read_unit(u);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (!scores[i]) {
        ++num_absent;
        continue;
      }
      const ExportedItem item{layout.models[static_cast<std::size_t>(unit.model_index)],
                              task,
                              layout.conditions[static_cast<std::size_t>(unit.condition_index)],
                              task.items[i],
                              *scores[i],
                              metrics_of(task, task.items[i], *scores[i])};
      lines += is_csv ? csv_line(item) : json_line(item);
    }
    if (!args.output) {  // a unit at a time, so that a large store needs no large memory
      fmt::print("{}", lines);
      lines.clear();
    }
  }
  if (args.output) {
    write_file(*args.output, lines);
    log::info(fmt::format("wrote {}", args.output->string()));
  }
  if (num_absent > 0) {
    log::warning(fmt::format("{}: {} items are left out: not done, or damaged (`catenary status --verify` tells which)",
                             args.store.string(), num_absent));
  }
  return kExitDone;
}

}  // namespace catenary::cli
