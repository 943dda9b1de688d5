#include "cli/light/tasks_list.h"

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <vector>

#include "catenary/task/known_task.h"
#include "cli/exit_code.h"
#include "cli/light/json.h"
#include "cli/light/text_table.h"

namespace catenary::cli {
namespace {

constexpr task::Cause kCauses[] = {task::Cause::kStrongPrior, task::Cause::kUnwantedImitation,
                                   task::Cause::kDistractorTask, task::Cause::kSpuriousFewShot};

Json json_of(const task::KnownTask& task) {
  Json settings = Json::array();
  for (const task::Setting& setting : task.settings) {
    settings.push_back({{"name", setting.name},
                        {"meaning", setting.meaning},
                        {"default", setting.default_value},
                        {"min", setting.min},
                        {"max", setting.max}});
  }
  return {{"name", task.name},
          {"cause", task::to_string(task.cause)},
          {"format", task.format},
          {"trend", task.trend},
          {"palm_trend", task.palm_trend.empty() ? Json() : Json(task.palm_trend)},
          {"summary", task.summary},
          {"generated", true},
          {"settings", settings}};
}

}  // namespace

int tasks_list(const TasksListArgs& args) {
  if (args.json) {
    Json tasks = Json::array();
    for (const task::KnownTask& task : task::known_tasks()) tasks.push_back(json_of(task));
    print_json({{"tasks", tasks}});
    return kExitDone;
  }
  std::vector<std::vector<std::string>> rows = {{"task", "cause", "format", "with PaLM", "found with scale"}};
  for (const task::Cause cause : kCauses) {
    for (const task::KnownTask& task : task::known_tasks()) {
      if (task.cause != cause) continue;
      rows.push_back({std::string(task.name), std::string(task::to_string(cause)), std::string(task.format),
                      task.palm_trend.empty() ? "–" : std::string(task.palm_trend), std::string(task.trend)});
    }
  }
  fmt::print("{}\n", text_table(rows, {}));
  fmt::print(
      "All of them can be generated. Formats and findings are those of the published data; generated items are\n"
      "classification. Prize: models up to 280 billion parameters (McKenzie et al. 2023). Of its eleven tasks four "
      "stay\n"
      "inverse, six become u_shaped and one is positive with PaLM up to 540 billion (J. Wei et al. 2022); the column "
      "tells\n"
      "of the four tasks of the Prize's first round, which is what the paper's first version tells.\n");
  return kExitDone;
}

}  // namespace catenary::cli
