#include "cli/light/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/printable.h"
#include "catenary/base/short_number.h"
#include "catenary/task/metric.h"
#include "cli/counted.h"
#include "cli/exit_code.h"
#include "cli/light/json.h"
#include "cli/light/simulate.h"
#include "cli/light/text_table.h"
#include "cli/light/workload.h"
#include "cli/model_cost.h"
#include "cli/study.h"
#include "cli/token_count.h"

namespace catenary::cli {
namespace {

struct PlannedUnit {
  std::size_t model_index;
  const spec::ModelSpec* model;
  const spec::TaskSpec* task;
  const spec::ConditionSpec* condition;
  const TokenCount* tokens;
  std::optional<double> random_accuracy;            // what guessing gets
  std::int64_t context_length;                      // of the model, in tokens
  std::vector<std::int64_t> items_outside_context;  // positions in the task file
  scheduler::TokenCounts fed;                       // by one rank, range after range
  double flops;
  double memory_traffic_bytes;
};

// Nothing where there are no classes to guess among.
std::optional<double> random_accuracy_of(const task::Task& task) {
  if (task.format == spec::TaskFormat::kSequenceProb || task.format == spec::TaskFormat::kNumeric) return std::nullopt;
  std::vector<std::int32_t> num_classes;
  for (std::int64_t i = task.first; i < task.first + task.count; ++i) {
    num_classes.push_back(static_cast<std::int32_t>(task.items[static_cast<std::size_t>(i)].classes.size()));
  }
  return task::random_accuracy(num_classes);
}

std::vector<PlannedUnit> plan_units(const Study& study, StudyTokens& all_tokens) {
  std::vector<PlannedUnit> units;
  for (std::size_t m = 0; m < study.checkpoints.size(); ++m) {
    const ItemEncoder encoder(study.checkpoints[m], study.spec.conditions);
    const scheduler::ModelCost cost = cost_of(study.checkpoints[m].config(), study.spec.dtype);
    for (std::size_t t = 0; t < study.tasks.size(); ++t) {
      const task::Task& task = study.tasks[t];
      for (std::size_t c = 0; c < study.spec.conditions.size(); ++c) {
        const spec::ConditionSpec& condition = study.spec.conditions[c];
        const TokenCount& tokens = all_tokens.count(encoder, t, c);
        scheduler::TokenCounts fed;
        double traffic = 0;
        for (const scheduler::TokenCounts& range : tokens.ranges) {
          fed += range;
          traffic += memory_traffic_bytes(cost, range, {});
        }
        PlannedUnit unit{m,
                         &study.spec.models[m],
                         &study.spec.tasks[t],
                         &condition,
                         &tokens,
                         random_accuracy_of(task),
                         study.checkpoints[m].config().context_length(),
                         {},
                         fed,
                         flops(cost, fed),
                         traffic};
        for (std::size_t i = 0; i < tokens.longest.size(); ++i) {
          if (tokens.longest[i] > unit.context_length) {
            unit.items_outside_context.push_back(task.first + static_cast<std::int64_t>(i));
          }
        }
        units.push_back(std::move(unit));
      }
    }
  }
  return units;
}

Json to_json(const Study& study, const std::vector<PlannedUnit>& units) {
  Json json{{"sweep", study.spec.name}, {"units", Json::array()}};
  for (const PlannedUnit& unit : units) {
    json["units"].push_back(
        {{"model", unit.model->name},
         {"task", unit.task->name},
         {"condition", unit.condition->name},
         {"num_items", unit.tokens->longest.size()},
         {"tensor_parallel_size", unit.model->tensor_parallel ? Json(*unit.model->tensor_parallel) : Json()},
         {"random_accuracy", unit.random_accuracy ? Json(*unit.random_accuracy) : Json()},
         {"num_continuations", unit.tokens->num_continuations},
         {"num_tokens", unit.tokens->num_tokens},
         {"num_distinct_tokens", unit.tokens->num_distinct_tokens},
         {"max_generated_tokens", unit.tokens->max_generated_tokens},
         {"num_tokens_fed", static_cast<std::int64_t>(unit.fed.tokens)},
         {"flops", unit.flops},
         {"memory_traffic_bytes", unit.memory_traffic_bytes},
         {"longest_tokens", std::ranges::max(unit.tokens->longest)},
         {"context_length_tokens", unit.context_length},
         {"items_outside_context", unit.items_outside_context},
         {"problems", unit.tokens->problems}});
  }
  return json;
}

// What the simulator is told of a sweep.
Workload workload_of(const Study& study, const std::vector<PlannedUnit>& units) {
  Workload workload{.name = study.spec.name, .dtype = study.spec.dtype, .model_names = {}, .models = {}, .units = {}};
  for (std::size_t m = 0; m < study.checkpoints.size(); ++m) {
    workload.model_names.push_back(study.spec.models[m].name);
    scheduler::ModelCost& cost = workload.models.emplace_back(cost_of(study.checkpoints[m].config(), study.spec.dtype));
    if (const auto size = study.spec.models[m].tensor_parallel) {
      std::erase_if(cost.shares, [&](const auto& share) { return share.num_ranks != *size; });
    }
  }
  std::size_t first_range = 0;
  for (const PlannedUnit& unit : units) {
    const std::size_t num_ranges = unit.tokens->ranges.size();
    workload.units.push_back({static_cast<std::int32_t>(unit.model_index), first_range, num_ranges,
                              unit.flops / static_cast<double>(num_ranges)});
    first_range += num_ranges;
  }
  return workload;
}

void print_text(const PlanArgs& args, const Study& study, const std::vector<PlannedUnit>& units) {
  const auto has = [&](auto&& property) { return std::ranges::any_of(units, property); };
  const bool has_written = has([](const PlannedUnit& unit) { return unit.tokens->max_generated_tokens > 0; });
  const bool has_too_long = has([](const PlannedUnit& unit) { return !unit.items_outside_context.empty(); });
  std::vector<std::vector<std::string>> rows{
      {"  task", "condition", "items", "random", "tokens", "shared", "FLOPs", "longest"}};
  if (has_written) rows.front().emplace_back("written");
  if (has_too_long) rows.front().emplace_back("too long");
  std::int64_t max_generated_tokens = 0;
  std::int64_t num_tokens = 0;
  std::int64_t num_distinct = 0;
  double num_flops = 0;
  for (const PlannedUnit& unit : units) {
    const TokenCount& tokens = *unit.tokens;
    num_tokens += tokens.num_tokens;
    num_distinct += tokens.num_distinct_tokens;
    max_generated_tokens += tokens.max_generated_tokens;
    num_flops += unit.flops;
    const double shared = tokens.num_tokens == 0 ? 0
                                                 : 1 - static_cast<double>(tokens.num_distinct_tokens) /
                                                           static_cast<double>(tokens.num_tokens);
    if (&unit == &units.front() || unit.model_index != (&unit - 1)->model_index) {
      rows.push_back({fmt::format(
          "{}, context of {} tokens{}", unit.model->name, unit.context_length,
          unit.model->tensor_parallel ? ", " + counted(*unit.model->tensor_parallel, "rank") + " together" : "")});
    }
    std::vector<std::string>& row = rows.emplace_back();
    row = {"  " + unit.task->name,
           unit.condition->name,
           std::to_string(tokens.longest.size()),
           unit.random_accuracy ? fmt::format("{:.2f}", *unit.random_accuracy) : "–",
           std::to_string(tokens.num_tokens),
           fmt::format("{:.0f} %", 100 * shared),
           short_number(unit.flops),
           std::to_string(std::ranges::max(tokens.longest))};
    if (has_written)
      row.push_back(tokens.max_generated_tokens == 0 ? "–" : fmt::format("≤{}", tokens.max_generated_tokens));
    if (has_too_long) row.push_back(std::to_string(unit.items_outside_context.size()));
  }
  fmt::print("{}: sweep {}, {} x {} x {} = {}\n\n{}", printable(args.spec.string()), printable(study.spec.name),
             counted(study.spec.models.size(), "model"), counted(study.tasks.size(), "task"),
             counted(study.spec.conditions.size(), "condition"), counted(units.size(), "unit"),
             text_table(rows, {2, 3, 4, 5, 6, 7, 8, 9}));
  fmt::print(
      "\nrandom: accuracy of guessing; shared: the part of the tokens that prompts have\n"
      "in common, fed once; longest: in tokens\n"
      "{} tokens, {} of them distinct within their unit, {} FLOPs\n",
      num_tokens, num_distinct, short_number(num_flops));
  if (max_generated_tokens > 0) {
    fmt::print("and at most {} tokens that the models write, which are fed, too\n", max_generated_tokens);
  }
  for (const PlannedUnit& unit : units) {
    const std::string name =
        printable(fmt::format("{} x {} x {}", unit.model->name, unit.task->name, unit.condition->name));
    if (!unit.items_outside_context.empty()) {
      const bool is_cut = unit.condition->too_long == spec::TooLong::kTruncateLeft;
      const std::size_t count = unit.items_outside_context.size();
      fmt::print("\n{}: {} {} not fit a context of {} tokens and will be {}, the first is item {}\n", name,
                 counted(count, "item"), count == 1 ? "does" : "do", unit.context_length,
                 is_cut ? "cut on the left" : "refused", unit.items_outside_context.front());
    }
    if (!unit.tokens->problems.empty()) {
      fmt::print("\n{}: {} cannot be scored, the first is {}\n", name, counted(unit.tokens->problems.size(), "item"),
                 printable(unit.tokens->problems.front()));
    }
  }
}

}  // namespace

int plan(const PlanArgs& args) {
  if (is_workload(args.spec)) {
    if (!args.simulate) {
      throw SpecError(
          fmt::format("{}: /shapes stand for models that are not here; they need --simulate", args.spec.string()));
    }
    const Workload workload = read_workload(args.spec);
    const Json simulation = simulate_plan(workload, *args.simulate, !args.json);
    if (args.json) print_json({{"sweep", workload.name}, {"simulation", simulation}});
    return kExitDone;
  }
  const Study study = read_study(args.spec);
  StudyTokens tokens(study);
  const auto units = plan_units(study, tokens);
  Json json = to_json(study, units);
  if (!args.json) print_text(args, study, units);
  if (args.simulate) {
    if (!args.json) fmt::print("\n");
    json["simulation"] = simulate_plan(workload_of(study, units), *args.simulate, !args.json);
  }
  if (args.json) print_json(json);
  return kExitDone;
}

}  // namespace catenary::cli
