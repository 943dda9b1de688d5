// synthetic_store SWEEP.json OUT.h5 [NUM_RANGES]: a store as `catenary run` would write it, of models that do not
// exist. Tasks are read, their scores are drawn: curves that rise, fall, dip and stay take turns over tasks and
// conditions. Models of a family have 1e7, 4e7, 1.6e8, … parameters. What such a model reasons repeats the prompt; the
// numbers that it states are right from the third model on.

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "catenary/parallel/communicator.h"
#include "catenary/parallel/mpi_environment.h"
#include "catenary/spec/sweep_spec.h"
#include "catenary/store/writer.h"
#include "catenary/task/metric.h"
#include "catenary/task/task_reader.h"

namespace {

using namespace catenary;

store::Layout make_layout(const spec::SweepSpec& spec, const std::vector<task::Task>& tasks) {
  store::Layout layout{.sweep_name = spec.name,
                       .spec_text = spec.text,
                       .numerics = {"float32", "cpu", 1},
                       .provenance = {"0.1.0", "none", "synthetic", "2026-01-01T00:00:00Z"}};
  std::map<std::string, int> num_models;  // by family
  for (const spec::ModelSpec& model : spec.models) {
    const double num_parameters = 1e7 * std::pow(4, num_models[model.family]++);
    const double tokens = model.training_tokens.value_or(std::nan(""));
    layout.models.push_back({model.name, model.path.string(), model.family, static_cast<std::int64_t>(num_parameters),
                             0, tokens, 6 * num_parameters * tokens, model.name, "tokenizer"});
  }
  for (const task::Task& task : tasks) {
    const spec::TaskSpec& task_spec = spec.tasks[layout.tasks.size()];
    store::TaskRow& row = layout.tasks.emplace_back(store::TaskRow{
        task_spec.name, task_spec.path.string(), std::string(to_string(task.format)), task.fingerprint, {}});
    for (std::int64_t i = task.first; i < task.first + task.count; ++i) {
      const task::Item& item = task.items[static_cast<std::size_t>(i)];
      row.items.push_back(
          {i, item.answer_index, task::continuation_bytes(task.format, item), item.true_answer, item.anchor});
    }
  }
  for (const spec::ConditionSpec& condition : spec.conditions)
    layout.conditions.push_back({condition.name, kind_of(condition), condition.k, condition.seed,
                                 condition.few_shot ? "fixed" : "", condition.separator, definition_of(condition)});
  for (std::size_t m = 0; m < layout.models.size(); ++m)
    for (std::size_t t = 0; t < layout.tasks.size(); ++t)
      for (std::size_t c = 0; c < layout.conditions.size(); ++c)
        layout.units.push_back({fmt::format("{:08x}{:012x}{:012x}", m, t, c), static_cast<std::int32_t>(m),
                                static_cast<std::int32_t>(t), static_cast<std::int32_t>(c),
                                (spec.conditions[c].cot ? 1 : 0) + (layout.tasks[t].format == "numeric" ? 1 : 0), 500});
  return layout;
}

/// How much better than the others the answer is: level of the curve, difficulty of the item, noise.
double advantage(int shape, double decades, std::int64_t item, std::mt19937_64& random) {
  const double x = decades / 3;
  const double levels[] = {2 * x - 0.5, 1 - 2 * x, 2.4 * (2 * x - 1) * (2 * x - 1) - 1.2, 0.4};
  const double difficulty = std::sin(12.9898 * static_cast<double>(item + 1));
  return levels[shape] + difficulty + std::normal_distribution<double>(0, 0.5)(random);
}

void write_store(const std::filesystem::path& spec_path, const std::filesystem::path& path, std::size_t num_ranges) {
  const spec::SweepSpec spec = spec::read_sweep_spec(spec_path);
  std::vector<task::Task> tasks;
  for (const spec::TaskSpec& task : spec.tasks) tasks.push_back(task::read_task(task));
  const store::Layout layout = make_layout(spec, tasks);
  const auto world = parallel::Communicator::world();
  auto writer = store::Writer::open(world, path, layout);
  std::mt19937_64 random(1);
  for (std::size_t r = 0; r < writer.ranges().size(); ++r) {
    if (r == num_ranges) std::_Exit(0);
    const spec::ItemRange& range = writer.ranges()[r];
    const spec::WorkUnit& unit = layout.units[static_cast<std::size_t>(range.unit_index)];
    const store::TaskRow& task = layout.tasks[static_cast<std::size_t>(unit.task_index)];
    const double decades =
        std::log10(static_cast<double>(layout.models[static_cast<std::size_t>(unit.model_index)].num_parameters) / 1e7);
    spec::RangeResult result{.seconds = 0.01, .num_tokens_fed = 1000, .flops = 1e9};
    for (std::int64_t i = range.first_item; i < range.first_item + range.num_items; ++i) {
      const store::TaskItemRow& item = task.items[static_cast<std::size_t>(i)];
      const std::size_t n = item.class_num_bytes.size();
      spec::ItemScore& score = result.items.emplace_back(
          spec::ItemScore{std::vector<double>(n), std::vector<std::int32_t>(n, 1), std::vector<std::uint8_t>(n)});
      if (spec.conditions[static_cast<std::size_t>(unit.condition_index)].cot) {
        const auto& texts = tasks[static_cast<std::size_t>(unit.task_index)].items;
        score.texts.push_back({"Let me see. " + texts[static_cast<std::size_t>(item.item)].prompt, 9});
      }
      if (task.format == "numeric") {
        score.texts.push_back({fmt::format("{}", item.true_answer + (unit.model_index < 2 ? 1 : 0)), 2});
        continue;
      }
      for (std::size_t c = 0; c < n; ++c) score.log_likelihoods[c] = -2 - 0.1 * static_cast<double>(c);
      score.log_likelihoods[static_cast<std::size_t>(item.answer_index)] +=
          advantage((unit.task_index + unit.condition_index) % 4, decades, item.item, random);
    }
    writer.write(r, result);
  }
  writer.close();
}

}  // namespace

int main(int argc, char** argv) {
  const parallel::MpiEnvironment mpi;
  try {
    if (argc < 3) throw std::invalid_argument("usage: synthetic_store SWEEP.json OUT.h5 [NUM_RANGES]");
    write_store(argv[1], argv[2], argc > 3 ? std::stoul(argv[3]) : std::numeric_limits<std::size_t>::max());
    return 0;
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    std::_Exit(1);  // an open store must not reach MPI_Finalize
  }
}
