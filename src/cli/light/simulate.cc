#include "cli/light/simulate.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/printable.h"
#include "catenary/base/short_number.h"
#include "catenary/scheduler/simulation.h"
#include "cli/counted.h"
#include "cli/duration_text.h"
#include "cli/light/text_table.h"
#include "cli/light/write_file.h"

namespace catenary::cli {
namespace {

using scheduler::Disturbances;
using scheduler::Simulation;
using scheduler::Strategy;

scheduler::Work make_work(const Workload& workload, const SimulateArgs& args, int num_nodes) {
  const scheduler::DeviceKind* device = scheduler::find_device_kind(args.gpu);
  if (device == nullptr) throw SpecError(fmt::format("--simulate: no gpu is called \"{}\"", args.gpu));
  // The tensor cores do float32 (as TF32) at half the rate.
  const scheduler::Surroundings around{
      .devices_per_node = args.gpus_per_node,
      .efficiency = args.efficiency * (workload.dtype == spec::DType::kFloat32 ? 0.5 : 1),
      .load_bytes_per_second = args.load_gigabytes_per_second * 1e9};
  scheduler::Work work{.models = {}, .units = workload.units, .ranks = {}};
  Problems problems;
  for (std::size_t m = 0; m < workload.models.size(); ++m) {
    const scheduler::Fit fit = fit_on(workload.models[m], *device, around);
    const std::int64_t num_devices = static_cast<std::int64_t>(num_nodes) * args.gpus_per_node;
    if (fit.group_size == 0) {
      problems.add(
          fmt::format("{} does not fit any group of {} that its heads allow", workload.model_names[m], args.gpu));
    } else if (fit.group_size > num_devices) {
      problems.add(fmt::format("{} needs {} {}, and there are {}", workload.model_names[m], fit.group_size, args.gpu,
                               num_devices));
    }
    work.models.push_back({fit});
  }
  problems.throw_if_any<SpecError>();
  for (int node = 0; node < num_nodes; ++node) {
    work.ranks.resize(work.ranks.size() + static_cast<std::size_t>(args.gpus_per_node), {.node = node});
  }
  return work;
}

Json models_json(const Workload& workload, const scheduler::Work& work) {
  const scheduler::Surroundings around{};
  Json models = Json::array();
  std::vector<double> seconds(work.models.size()), flops(work.models.size());
  std::vector<std::int64_t> num_units(work.models.size());
  for (const scheduler::PendingUnit& unit : work.units) {
    const auto m = static_cast<std::size_t>(unit.model_index);
    const double cost = static_cast<double>(unit.num_ranges) * unit.range_cost;
    flops[m] += cost;
    seconds[m] += cost / work.models[m][0].rate * work.models[m][0].group_size;
    ++num_units[m];
  }
  for (std::size_t m = 0; m < work.models.size(); ++m) {
    const scheduler::Fit& fit = work.models[m][0];
    double memory = 0;
    for (const auto& share : workload.models[m].shares) {
      if (share.num_ranks == fit.group_size) memory = memory_bytes(workload.models[m], share, around);
    }
    models.push_back({{"model", workload.model_names[m]},
                      {"units", num_units[m]},
                      {"flops", flops[m]},
                      {"tensor_parallel_size", fit.group_size},
                      {"memory_bytes", memory},
                      {"load_seconds", fit.load_seconds},
                      {"device_hours", seconds[m] / 3600}});
  }
  return models;
}

Json to_json(const Simulation& simulation, int num_nodes) {
  return {{"nodes", num_nodes},
          {"makespan_seconds", simulation.makespan_seconds},
          {"lower_bound_seconds", simulation.lower_bound_seconds},
          {"utilization", simulation.utilization},
          {"node_hours", simulation.makespan_seconds / 3600 * num_nodes}};
}

struct Named {
  const char* name;
  Disturbances disturbances;
};
const std::array kDisturbances{
    Named{"as predicted", {}}, Named{"costs ±30 %", {.cost_error = 0.3}},
    Named{"1 % of nodes at half speed, one lost for an hour", {.slow_nodes = 0.01, .lose_a_node = true}}};
constexpr std::array kStrategies{std::pair{"policy", Strategy::kPolicy},
                                 std::pair{"dealt out in turn", Strategy::kRoundRobin},
                                 std::pair{"dealt out, longest first", Strategy::kLongestFirst},
                                 std::pair{"a job a model, nodes by parameters", Strategy::kJobsByParameters},
                                 std::pair{"a job a model, equal nodes", Strategy::kJobsOfEqualSize}};

Json compare(const scheduler::Work& work) {
  Json rows = Json::array();
  for (const auto& [name, strategy] : kStrategies) {
    for (const Named& named : kDisturbances) {
      const Simulation simulation = simulate(work, named.disturbances, strategy);
      rows.push_back({{"strategy", name},
                      {"disturbances", named.name},
                      {"makespan_seconds", simulation.makespan_seconds},
                      {"lower_bound_seconds", simulation.lower_bound_seconds},
                      {"utilization", simulation.utilization}});
    }
  }
  return rows;
}

std::string over_bound(const Json& row) {
  return fmt::format("{:.3f}", row["makespan_seconds"].get<double>() / row["lower_bound_seconds"].get<double>());
}

void print_text(const Json& json, const SimulateArgs& args) {
  std::vector<std::vector<std::string>> rows{
      {"model", "units", "FLOPs", "devices", "memory", "loading", "device-hours"}};
  for (const Json& model : json["models"]) {
    rows.push_back({printable(model["model"].get<std::string>()), std::to_string(model["units"].get<std::int64_t>()),
                    short_number(model["flops"]), std::to_string(model["tensor_parallel_size"].get<int>()),
                    fmt::format("{:.3g} GB", model["memory_bytes"].get<double>() / 1e9),
                    duration_text(model["load_seconds"]), fmt::format("{:.4g}", model["device_hours"].get<double>())});
  }
  fmt::print("on {} of {} {}, at {:.0f} % of its FLOPs, {:.3g} GB/s of loading a device\n\n{}\n",
             counted(args.num_nodes, "node"), args.gpus_per_node, args.gpu, 100 * args.efficiency,
             args.load_gigabytes_per_second, text_table(rows, {1, 2, 3, 4, 5, 6}));
  rows = {{"nodes", "makespan", "lower bound", "over bound", "utilization", "node-hours"}};
  for (const Json& row : json["allocations"]) {
    rows.push_back({std::to_string(row["nodes"].get<int>()), duration_text(row["makespan_seconds"]),
                    duration_text(row["lower_bound_seconds"]), over_bound(row),
                    fmt::format("{:.1f} %", 100 * row["utilization"].get<double>()),
                    fmt::format("{:.4g}", row["node_hours"].get<double>())});
  }
  fmt::print("{}\n{} in {}, {} of {:.2f} {}\n", text_table(rows, {0, 1, 2, 3, 4, 5}),
             counted(json["num_units"], "unit"), counted(json["num_ranges"], "range"),
             counted(json["num_decisions"], "decision"), json["microseconds_per_decision"].get<double>(),
             for_output("µs"));
  if (!json.contains("strategies")) return;
  rows = {{"makespan over its lower bound"}};
  for (const Named& named : kDisturbances) rows[0].push_back(named.name);
  for (std::size_t i = 0; i < json["strategies"].size(); ++i) {
    const Json& row = json["strategies"][i];
    if (i % kDisturbances.size() == 0) rows.push_back({row["strategy"]});
    rows.back().push_back(over_bound(row));
  }
  fmt::print("\n{}", text_table(rows, {1, 2, 3}));
}

}  // namespace

Json simulate_plan(const Workload& workload, const SimulateArgs& args, bool print) {
  const scheduler::Work work = make_work(workload, args, args.num_nodes);
  const Simulation own = simulate(work, {}, Strategy::kPolicy, args.gantt.has_value());
  std::int64_t num_ranges = 0;
  for (const scheduler::PendingUnit& unit : work.units) num_ranges += static_cast<std::int64_t>(unit.num_ranges);
  Json json = to_json(own, args.num_nodes);
  json["num_devices"] = work.ranks.size();
  json["num_units"] = work.units.size();
  json["num_ranges"] = num_ranges;
  json["load_device_hours"] = own.load_seconds / 3600;
  json["num_decisions"] = own.num_decisions;
  json["microseconds_per_decision"] = own.seconds_per_decision * 1e6;
  json["models"] = models_json(workload, work);
  json["allocations"] = Json::array();
  for (const int num_nodes : {args.num_nodes / 2, args.num_nodes, args.num_nodes * 2}) {
    if (num_nodes == args.num_nodes) {
      json["allocations"].push_back(to_json(own, num_nodes));
      continue;
    }
    if (num_nodes == 0) continue;
    try {
      json["allocations"].push_back(
          to_json(simulate(make_work(workload, args, num_nodes), {}, Strategy::kPolicy), num_nodes));
    } catch (const SpecError&) {
      continue;  // too few for the largest model
    }
  }
  if (args.compare) json["strategies"] = compare(work);
  if (args.gantt) write_file(*args.gantt, to_svg(own, workload.model_names, static_cast<int>(work.ranks.size())));
  if (print) print_text(json, args);
  return json;
}

}  // namespace catenary::cli
