#include "cli/light/tasks_list.h"

#include <fmt/format.h>

#include <sstream>
#include <string>
#include <vector>

#include "catenary/task/known_task.h"
#include "cli/exit_code.h"
#include "cli/light/json.h"
#include "cli/light/text_table.h"
#include "cli/wrapped.h"

namespace catenary::cli {
namespace {

constexpr std::size_t kTrendWidth = 36;  // so that a line has at most 79 columns

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
  std::vector<std::vector<std::string>> rows = {{"task", "with PaLM", "found with scale"}};
  for (const task::Cause cause : kCauses) {
    rows.push_back({std::string(task::to_string(cause))});
    for (const task::KnownTask& task : task::known_tasks()) {
      if (task.cause != cause) continue;
      std::istringstream trend(wrapped(std::string(task.trend), kTrendWidth));
      std::string line;
      std::getline(trend, line);
      rows.push_back(
          {fmt::format("  {}", task.name), task.palm_trend.empty() ? "–" : std::string(task.palm_trend), line});
      while (std::getline(trend, line)) rows.push_back({"", "", line});
    }
  }
  fmt::print("{}\n", text_table(rows, {}));
  fmt::print(
      "Each has a cause, the heading above it, and all of them can be generated.\n"
      "Findings are those of the published data. Prize: models up to 280 billion\n"
      "parameters (McKenzie et al. 2023). Of its eleven tasks four stay inverse, six\n"
      "become u_shaped and one is positive with PaLM up to 540 billion (J. Wei et al.\n"
      "2022); the column tells of the four tasks of the Prize's first round, which is\n"
      "what the paper's first version tells.\n");
  return kExitDone;
}

}  // namespace catenary::cli
