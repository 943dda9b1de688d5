#include "cli/light/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "catenary/base/printable.h"
#include "catenary/store/reader.h"
#include "cli/exit_code.h"
#include "cli/light/json.h"
#include "cli/light/text_table.h"

namespace catenary::cli {
namespace {

struct Count {
  std::int64_t units = 0;
  std::int64_t items = 0;
};

struct Summary {
  // A unit is failed if a range of it failed, else pending if one is pending, else done; items count by their range.
  Count done, failed, pending;
  std::vector<store::RangeState> unit_states;
  std::size_t num_damaged = 0;  // ranges marked done whose checksum does not hold; they count as pending
  double seconds = 0;           // of scoring, summed over ranks
  std::int64_t num_tokens_fed = 0;
  std::int64_t num_items_truncated = 0;
};

Summary summarise(const store::Reader& store) {
  Summary summary;
  summary.unit_states.assign(store.layout().units.size(), store::RangeState::kDone);
  const auto count_of = [&](store::RangeState state) -> Count& {
    return state == store::RangeState::kDone     ? summary.done
           : state == store::RangeState::kFailed ? summary.failed
                                                 : summary.pending;
  };
  const auto damaged = store.verify();
  summary.num_damaged = damaged.size();
  for (std::size_t i = 0; i < store.ranges().size(); ++i) {
    store::StoredRange range = store.ranges()[i];
    if (std::binary_search(damaged.begin(), damaged.end(), i)) range.state = store::RangeState::kPending;
    count_of(range.state).items += range.range.num_items;
    if (range.state == store::RangeState::kDone) {
      summary.seconds += range.seconds;
      summary.num_tokens_fed += range.num_tokens_fed;
      summary.num_items_truncated += range.num_items_truncated;
      continue;
    }
    auto& unit = summary.unit_states[static_cast<std::size_t>(range.range.unit_index)];
    if (unit != store::RangeState::kFailed) unit = range.state;
  }
  for (const auto state : summary.unit_states) ++count_of(state).units;
  return summary;
}

struct FailedUnit {
  std::string model, task, condition, error;
};

std::vector<FailedUnit> failed_units(const store::Reader& store, const Summary& summary) {
  const store::Layout& layout = store.layout();
  std::vector<FailedUnit> failed;
  for (std::size_t u = 0; u < layout.units.size(); ++u) {
    if (summary.unit_states[u] != store::RangeState::kFailed) continue;
    const spec::WorkUnit& unit = layout.units[u];
    failed.push_back({layout.models[static_cast<std::size_t>(unit.model_index)].name,
                      layout.tasks[static_cast<std::size_t>(unit.task_index)].name,
                      layout.conditions[static_cast<std::size_t>(unit.condition_index)].name, store.errors()[u]});
  }
  return failed;
}

void print_json(const store::Reader& store, const Summary& summary, const std::vector<FailedUnit>& failed) {
  const store::Layout& layout = store.layout();
  const auto to_json = [](const Count& count) { return Json{{"units", count.units}, {"items", count.items}}; };
  Json json{{"sweep", layout.sweep_name},
            {"models", layout.models.size()},
            {"tasks", layout.tasks.size()},
            {"conditions", layout.conditions.size()},
            {"done", to_json(summary.done)},
            {"failed", to_json(summary.failed)},
            {"pending", to_json(summary.pending)},
            {"damaged_ranges", summary.num_damaged},
            {"scoring_seconds", summary.seconds},
            {"tokens_fed", summary.num_tokens_fed},
            {"items_truncated", summary.num_items_truncated},
            {"dtype", layout.numerics.dtype},
            {"device", layout.numerics.device_kind},
            {"threads_per_rank", layout.numerics.threads_per_rank},
            {"created", layout.provenance.created},
            {"failures", Json::array()}};
  for (const FailedUnit& unit : failed) {
    json["failures"].push_back(
        {{"model", unit.model}, {"task", unit.task}, {"condition", unit.condition}, {"error", unit.error}});
  }
  cli::print_json(json);
}

void print_text(const StatusArgs& args, const store::Reader& store, const Summary& summary,
                const std::vector<FailedUnit>& failed) {
  const store::Layout& layout = store.layout();
  fmt::print("{}: sweep {}, {} models x {} tasks x {} conditions\n", printable(args.store.string()),
             printable(layout.sweep_name), layout.models.size(), layout.tasks.size(), layout.conditions.size());
  fmt::print("computed in {} on {}, {} thread{} a rank, since {}\n\n", layout.numerics.dtype,
             layout.numerics.device_kind, layout.numerics.threads_per_rank,
             layout.numerics.threads_per_rank == 1 ? "" : "s", layout.provenance.created);
  const auto row = [](const char* name, const Count& count) {
    return std::vector<std::string>{name, std::to_string(count.units), std::to_string(count.items)};
  };
  fmt::print("{}", text_table({{"", "units", "items"},
                               row("done", summary.done),
                               row("failed", summary.failed),
                               row("pending", summary.pending)},
                              {1, 2}));
  if (summary.num_damaged > 0) {
    fmt::print(
        "\n{} item ranges are damaged (their checksums do not hold); the next `catenary run` computes them again\n",
        summary.num_damaged);
  }
  if (summary.seconds > 0) {
    fmt::print("\n{} tokens through the models in {:.1f} s of scoring, {:.1f} items/s a rank\n", summary.num_tokens_fed,
               summary.seconds, static_cast<double>(summary.done.items) / summary.seconds);
  }
  if (summary.num_items_truncated > 0) {
    fmt::print("\n{} items were cut on the left to fit a model's context\n", summary.num_items_truncated);
  }
  for (const FailedUnit& unit : failed) {
    fmt::print("\nfailed: {} x {} x {}\n  {}\n", printable(unit.model), printable(unit.task), printable(unit.condition),
               printable_lines(unit.error));
  }
}

}  // namespace

int status(const StatusArgs& args) {
  const store::Reader store(args.store);
  const Summary summary = summarise(store);
  const auto failed = failed_units(store, summary);
  if (args.json) {
    print_json(store, summary, failed);
  } else {
    print_text(args, store, summary, failed);
  }
  return kExitDone;
}

}  // namespace catenary::cli
