#include "cli/light/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "catenary/analysis/estimate_text.h"
#include "catenary/base/log.h"
#include "catenary/base/printable.h"
#include "catenary/report/comparison_page.h"
#include "cli/counted.h"
#include "cli/exit_code.h"
#include "cli/light/entry_of.h"
#include "cli/light/json.h"
#include "cli/light/text_table.h"
#include "cli/light/write_file.h"

namespace catenary::cli {
namespace {

using analysis::Change;

Json to_json(const Change& change) {
  return {{"task", change.task},
          {"condition", change.condition},
          {"family", change.family},
          {"model", change.model},
          {"metric", change.metric.name},
          {"num_items", change.num_items},
          {"before", change.before},
          {"after", change.after},
          {"difference", cli::to_json(change.difference)},
          {"num_items_up", change.up},
          {"num_items_down", change.down},
          {"p_value", number(change.p_value)},
          {"p_holm", number(change.p_holm)},
          {"is_regression", change.is_regression}};
}

Json to_json(const analysis::LostSeries& lost) {
  return {{"task", lost.task},   {"condition", lost.condition}, {"family", lost.family},
          {"model", lost.model}, {"metric", lost.metric.name},  {"reason", lost.reason}};
}

// One table a task and condition, and number of items that both have.
std::string table_text(const analysis::Changes& result) {
  std::vector<std::pair<std::string, std::vector<std::vector<std::string>>>> tables;
  std::size_t num_unchanged = 0;
  for (const Change& change : result.changes) {
    if (change.up + change.down == 0) {
      ++num_unchanged;
      continue;
    }
    const std::string heading =
        fmt::format("{} {}, {}", change.task, change.condition, counted(change.num_items, "item"));
    const int decimals = analysis::decimals_for(change.difference.standard_error);
    entry_of(tables, heading)
        .push_back({change.model, change.metric.name, fmt::format("{:.{}f}", change.before, decimals),
                    fmt::format("{:.{}f}", change.after, decimals), interval_text(change.difference),
                    analysis::p_text(change.p_holm), change.is_regression ? "REGRESSION" : ""});
  }
  std::string text = tables.empty() ? "" : "losses in nats; p: by Holm's method\n\n";
  for (auto& [heading, rows] : tables) {
    rows.insert(rows.begin(), {"model", "metric", "before", "after", "difference, 95 %", "p", ""});
    text += printable(heading) + "\n" + text_table(rows, {2, 3, 5}) + "\n";
  }
  const auto num_regressions = std::ranges::count_if(result.changes, &Change::is_regression);
  text += fmt::format("{} compared, {} of them without any change; {}, {} lost\n", result.changes.size(), num_unchanged,
                      counted(num_regressions, "regression"), result.lost.size());
  for (const analysis::LostSeries& lost : result.lost)
    text += fmt::format("  LOST {}\n", printable(fmt::format("{} {} {} {}: {}", lost.task, lost.condition, lost.model,
                                                             lost.metric.name, lost.reason)));
  for (const std::string& problem : result.problems) text += fmt::format("  {}\n", printable(problem));
  return text;
}

}  // namespace

int compare(const CompareArgs& args) {
  analysis::Table before = analysis::read_table(args.before), after = analysis::read_table(args.after);
  before.name = args.before.string();  // both may be of one sweep
  after.name = args.after.string();
  analysis::Changes result = analysis::find_changes(before, after, args.options);
  for (const auto* table : {&before, &after})
    result.problems.insert(result.problems.end(), table->problems.begin(), table->problems.end());
  if (args.json) {
    Json json{{"threshold", args.options.threshold},
              {"level", args.options.level},
              {"changes", Json::array()},
              {"lost", Json::array()},
              {"problems", result.problems},
              {"text", table_text(result)}};
    for (const Change& change : result.changes) json["changes"].push_back(to_json(change));
    for (const analysis::LostSeries& lost : result.lost) json["lost"].push_back(to_json(lost));
    print_json(json);
  } else {
    fmt::print("{}", table_text(result));
  }
  if (args.output) {
    write_file(*args.output, report::make_comparison_page(args.before.filename().string(),
                                                          args.after.filename().string(), args.options, result));
    log::info(fmt::format("wrote {}", args.output->string()));
  }
  const bool is_worse = !result.lost.empty() || std::ranges::any_of(result.changes, &Change::is_regression);
  return is_worse ? kExitWithFailures : kExitDone;
}

}  // namespace catenary::cli
