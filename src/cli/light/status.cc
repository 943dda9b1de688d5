#include "cli/light/status.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/printable.h"
#include "catenary/store/reader.h"
#include "cli/counted.h"
#include "cli/duration_text.h"
#include "cli/exit_code.h"
#include "cli/light/json.h"
#include "cli/light/text_table.h"

namespace catenary::cli {
namespace {

// Between two looks of --watch.
constexpr std::chrono::seconds kTerminalPause{2}, kLogPause{60};

struct Count {
  std::int64_t units = 0;
  std::int64_t items = 0;
};

/// A unit is failed if a range of it failed, else pending if one is pending, else done; what it took is the sum over
/// its done ranges.
struct UnitSummary {
  store::RangeState state = store::RangeState::kDone;
  std::int64_t num_items_done = 0;
  double seconds = 0;  // of scoring, summed over ranks
  std::int64_t num_tokens_fed = 0;
  std::int64_t num_items_truncated = 0;
  double flops = 0;
};

struct Summary {
  Count done, failed, pending;  // items count by their range
  std::vector<UnitSummary> units;
  UnitSummary total;
  std::vector<std::size_t> damaged;  // ranges of which a checksum does not hold; they count as pending
};

Summary summarise(const store::Reader& store, bool verify) {
  Summary summary;
  summary.units.resize(store.layout().units.size());
  const auto count_of = [&](store::RangeState state) -> Count& {
    return state == store::RangeState::kDone     ? summary.done
           : state == store::RangeState::kFailed ? summary.failed
                                                 : summary.pending;
  };
  if (verify) summary.damaged = store.verify();
  for (std::size_t i = 0; i < store.ranges().size(); ++i) {
    const store::StoredRange& range = store.ranges()[i];
    const bool is_damaged = std::ranges::binary_search(summary.damaged, i);
    const store::RangeState state = is_damaged ? store::RangeState::kPending : range.state;
    count_of(state).items += range.range.num_items;
    UnitSummary& unit = summary.units[static_cast<std::size_t>(range.range.unit_index)];
    if (state != store::RangeState::kDone) {
      if (unit.state != store::RangeState::kFailed) unit.state = state;
      continue;
    }
    for (UnitSummary* sum : {&unit, &summary.total}) {
      sum->num_items_done += range.range.num_items;
      sum->seconds += range.seconds;
      sum->num_tokens_fed += range.num_tokens_fed;
      sum->num_items_truncated += range.num_items_truncated;
      sum->flops += range.flops;
    }
  }
  for (const UnitSummary& unit : summary.units) ++count_of(unit.state).units;
  return summary;
}

struct UnitNames {
  std::string model, task, condition;
};

UnitNames names_of(const store::Layout& layout, std::size_t unit_index) {
  const spec::WorkUnit& unit = layout.units[unit_index];
  return {layout.models[static_cast<std::size_t>(unit.model_index)].name,
          layout.tasks[static_cast<std::size_t>(unit.task_index)].name,
          layout.conditions[static_cast<std::size_t>(unit.condition_index)].name};
}

Json to_json(const UnitNames& names) {
  return {{"model", names.model}, {"task", names.task}, {"condition", names.condition}};
}

std::string to_text(const UnitNames& names) {
  return fmt::format("{} x {} x {}", printable(names.model), printable(names.task), printable(names.condition));
}

/// Positions in the task file of a range's first and last item.
std::pair<std::int64_t, std::int64_t> items_of(const store::Layout& layout, const spec::ItemRange& range) {
  const auto& unit = layout.units[static_cast<std::size_t>(range.unit_index)];
  const auto& items = layout.tasks[static_cast<std::size_t>(unit.task_index)].items;
  return {items[static_cast<std::size_t>(range.first_item)].item,
          items[static_cast<std::size_t>(range.first_item + range.num_items - 1)].item};
}

double flops_per_second(const UnitSummary& sum) {
  return sum.flops / sum.seconds;
}

/// How fast the last run is, if it has not ended by itself. One that was killed looks the same.
struct Pace {
  int num_ranks;
  double items_per_second, tokens_per_second, flops_per_second, seconds_left;
};

std::optional<Pace> pace_of(const store::Reader& store, const Summary& summary) {
  if (store.runs().empty() || summary.pending.items == 0) return std::nullopt;
  const store::Run& run = store.runs().back();
  const auto index = static_cast<std::int32_t>(store.runs().size()) - 1;
  if (std::isfinite(run.finished)) return std::nullopt;
  double last = 0, items = 0, tokens = 0, flops = 0;
  for (const store::StoredRange& range : store.ranges()) {
    if (range.run_index != index || range.state != store::RangeState::kDone) continue;
    last = std::max(last, range.finished);
    items += static_cast<double>(range.range.num_items);
    tokens += static_cast<double>(range.num_tokens_fed);
    flops += range.flops;
  }
  const double seconds = last - run.started;
  if (items == 0 || !(seconds > 0)) return std::nullopt;
  return Pace{run.num_ranks, items / seconds, tokens / seconds, flops / seconds,
              static_cast<double>(summary.pending.items) * seconds / items};
}

Json to_json(const std::optional<Pace>& pace) {
  if (!pace) return {};
  return {{"items_per_second", pace->items_per_second},
          {"tokens_per_second", pace->tokens_per_second},
          {"flops_per_second", pace->flops_per_second},
          {"seconds_left", pace->seconds_left}};
}

void print_json(const StatusArgs& args, const store::Reader& store, const Summary& summary) {
  const store::Layout& layout = store.layout();
  const auto count = [](const Count& c) { return Json{{"num_units", c.units}, {"num_items", c.items}}; };
  Json json{{"sweep", layout.sweep_name},
            {"num_models", layout.models.size()},
            {"num_tasks", layout.tasks.size()},
            {"num_conditions", layout.conditions.size()},
            {"done", count(summary.done)},
            {"failed", count(summary.failed)},
            {"pending", count(summary.pending)},
            {"num_damaged_ranges", args.verify ? Json(summary.damaged.size()) : Json()},
            {"scoring_seconds", summary.total.seconds},
            {"num_tokens_fed", summary.total.num_tokens_fed},
            {"num_items_truncated", summary.total.num_items_truncated},
            {"flops_per_second", number(flops_per_second(summary.total))},
            {"dtype", layout.numerics.dtype},
            {"device_kind", layout.numerics.device_kind},
            {"threads_per_rank", layout.numerics.threads_per_rank},
            {"created", layout.provenance.created},
            {"is_being_written", store::is_being_written(args.store)},
            {"pace", to_json(pace_of(store, summary))},
            {"runs", Json::array()},
            {"damaged", Json::array()},
            {"failures", Json::array()},
            {"units", Json::array()}};
  for (const store::Run& run : store.runs()) {
    json["runs"].push_back({{"started", number(run.started)},
                            {"finished", number(run.finished)},
                            {"num_ranks", run.num_ranks},
                            {"host", run.host},
                            {"catenary_version", run.catenary_version},
                            {"libtorch_version", run.libtorch_version}});
  }
  for (const std::size_t i : summary.damaged) {
    const spec::ItemRange& range = store.ranges()[i].range;
    const auto [first, last] = items_of(layout, range);
    Json damaged = to_json(names_of(layout, static_cast<std::size_t>(range.unit_index)));
    damaged["first_item"] = first;
    damaged["last_item"] = last;
    json["damaged"].push_back(damaged);
  }
  for (std::size_t u = 0; u < summary.units.size(); ++u) {
    const UnitSummary& sum = summary.units[u];
    Json unit = to_json(names_of(layout, u));
    if (!store.errors()[u].empty()) {
      json["failures"].push_back(unit);
      json["failures"].back()["error"] = store.errors()[u];
    }
    unit["state"] = sum.state == store::RangeState::kDone     ? "done"
                    : sum.state == store::RangeState::kFailed ? "failed"
                                                              : "pending";
    unit["num_items_done"] = sum.num_items_done;
    unit["scoring_seconds"] = sum.seconds;
    unit["num_tokens_fed"] = sum.num_tokens_fed;
    unit["flops_per_second"] = number(flops_per_second(sum));
    json["units"].push_back(unit);
  }
  cli::print_json(json);
}

void print_text(const StatusArgs& args, const store::Reader& store, const Summary& summary) {
  const store::Layout& layout = store.layout();
  fmt::print("{}: sweep {}, {} x {} x {} = {}\n", printable(args.store.string()), printable(layout.sweep_name),
             counted(layout.models.size(), "model"), counted(layout.tasks.size(), "task"),
             counted(layout.conditions.size(), "condition"), counted(layout.units.size(), "unit"));
  fmt::print("computed in {} on {}, {} a rank, since {}, {}\n", printable(layout.numerics.dtype),
             printable(layout.numerics.device_kind), counted(layout.numerics.threads_per_rank, "thread"),
             printable(layout.provenance.created), counted(store.runs().size(), "run"));
  if (store::is_being_written(args.store)) fmt::print("a sweep is writing it now\n");
  fmt::print("\n");
  const auto row = [](const char* name, const Count& count) {
    return std::vector<std::string>{name, std::to_string(count.units), std::to_string(count.items)};
  };
  fmt::print("{}", text_table({{"", "units", "items"},
                               row("done", summary.done),
                               row("failed", summary.failed),
                               row("pending", summary.pending)},
                              {1, 2}));
  if (summary.total.seconds > 0) {
    fmt::print("\n{} tokens through the models in {:.1f} s of scoring, {:.1f} items/s and {:.3g} GFLOP/s a rank\n",
               summary.total.num_tokens_fed, summary.total.seconds,
               static_cast<double>(summary.done.items) / summary.total.seconds, flops_per_second(summary.total) / 1e9);
  }
  if (const auto pace = pace_of(store, summary)) {
    fmt::print("\nlast run, {}: {:.1f} items/s, {:.0f} tokens/s, {:.3g} GFLOP/s; {} left at that pace\n",
               counted(pace->num_ranks, "rank"), pace->items_per_second, pace->tokens_per_second,
               pace->flops_per_second / 1e9, duration_text(pace->seconds_left));
  }
  if (summary.total.num_items_truncated > 0) {
    fmt::print("\n{} items were cut to fit a model's context\n", summary.total.num_items_truncated);
  }
  for (std::size_t u = 0; u < summary.units.size(); ++u) {
    if (store.errors()[u].empty()) continue;
    fmt::print("\nfailed: {}\n  {}\n", to_text(names_of(layout, u)), printable_lines(store.errors()[u]));
  }
  if (!args.verify) return;
  if (summary.damaged.empty()) fmt::print("\nall checksums hold\n");
  for (const std::size_t i : summary.damaged) {
    const spec::ItemRange& range = store.ranges()[i].range;
    const auto [first, last] = items_of(layout, range);
    fmt::print("\ndamaged: {}, items {} to {}; the next `catenary run` computes them again",
               to_text(names_of(layout, static_cast<std::size_t>(range.unit_index))), first, last);
  }
  if (!summary.damaged.empty()) fmt::print("\n");
}

}  // namespace

int status(const StatusArgs& args) {
  const bool is_terminal = ::isatty(STDOUT_FILENO) == 1;
  while (true) {
    const store::Reader store(args.store);
    const Summary summary = summarise(store, args.verify);
    if (args.watch && is_terminal) fmt::print("\033[H\033[2J");  // a clean screen
    if (args.json) {
      print_json(args, store, summary);
    } else {
      print_text(args, store, summary);
    }
    if (!args.watch || summary.pending.items == 0) return summary.damaged.empty() ? kExitDone : kExitWithFailures;
    if (!is_terminal) fmt::print("\n");
    if (std::fflush(stdout) != 0) throw Error("standard output cannot be written");
    std::this_thread::sleep_for(is_terminal ? kTerminalPause : kLogPause);
  }
}

}  // namespace catenary::cli
