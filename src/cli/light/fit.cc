#include "cli/light/fit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "catenary/analysis/estimate_text.h"
#include "catenary/base/error.h"
#include "catenary/base/printable.h"
#include "catenary/base/short_number.h"
#include "cli/counted.h"
#include "cli/exit_code.h"
#include "cli/light/entry_of.h"
#include "cli/light/fit_output.h"
#include "cli/light/text_table.h"
#include "cli/light/write_file.h"
#include "cli/wrapped.h"

namespace catenary::cli {
namespace {

using analysis::Comparison;
using analysis::CurveReport;
using analysis::decimals_for, analysis::interval_text, analysis::p_text, analysis::signed_text;
using analysis::Estimate;
using analysis::Ladder;
using analysis::LadderPoint;

// ---- what is fitted -----------------------------------------------------------------------------------------------

void check_metrics(const std::vector<Ladder>& ladders, const char* option, const std::vector<std::string>& names) {
  std::set<std::string> known;
  for (const Ladder& ladder : ladders) known.insert(ladder.metric.name);
  for (const std::string& name : names)
    if (!known.contains(name))
      throw SpecError(fmt::format("{} {}: the source has {}", option, name, fmt::join(known, ", ")));
}

/// The metrics that the user asked for; else accuracy, loss and those of generated numbers where the table has them,
/// else all.
void keep_metrics(std::vector<Ladder>& ladders, std::vector<std::string> wanted) {
  const std::vector<std::string> usual{"accuracy", "loss", "unparsable", "relative_error"};
  const bool has_usual = std::ranges::any_of(
      ladders, [&](const Ladder& ladder) { return std::ranges::count(usual, ladder.metric.name) > 0; });
  if (wanted.empty() && has_usual) wanted = usual;
  if (wanted.empty()) return;
  std::erase_if(ladders,
                [&](const Ladder& ladder) { return std::ranges::find(wanted, ladder.metric.name) == wanted.end(); });
}

/// The ladder's word for a kind of comparison.
const std::string& word_of(const Ladder& ladder, const std::string& kind) {
  return kind == "condition" ? ladder.condition : kind == "family" ? ladder.family : ladder.task;
}

/// The words of "condition:A,B".
struct ComparisonRequest {
  std::string kind, a, b;
};

/// Names may have commas: that one counts which stands between two names.
ComparisonRequest parse_request(const std::string& text, const std::vector<Ladder>& ladders) {
  const auto colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  const auto is_name = [&](const std::string& word) {
    return std::ranges::any_of(ladders, [&](const Ladder& ladder) { return word_of(ladder, kind) == word; });
  };
  for (auto comma = text.find(',', colon); comma != std::string::npos; comma = text.find(',', comma + 1)) {
    const std::string a = text.substr(colon + 1, comma - colon - 1), b = text.substr(comma + 1);
    if (is_name(a) && is_name(b)) return {kind, a, b};
  }
  std::set<std::string> known;
  for (const Ladder& ladder : ladders) known.insert(word_of(ladder, kind));
  throw SpecError(fmt::format("--compare {}: expected {}:A,B, two of {}", text, kind, fmt::join(known, ", ")));
}

/// Without requests: every condition with the first.
std::vector<Comparison> make_comparisons(const std::vector<Ladder>& ladders, const FitArgs& args) {
  std::vector<ComparisonRequest> requests;
  for (const std::string& text : args.compare) requests.push_back(parse_request(text, ladders));
  if (requests.empty()) {
    std::vector<std::string> conditions;
    for (const Ladder& ladder : ladders)
      if (std::ranges::find(conditions, ladder.condition) == conditions.end()) conditions.push_back(ladder.condition);
    for (std::size_t i = 1; i < conditions.size(); ++i) requests.push_back({"condition", conditions[i], conditions[0]});
  }
  std::vector<Comparison> comparisons;
  for (const ComparisonRequest& request : requests) {
    if (request.a == request.b)
      throw SpecError(fmt::format("--compare {}:{},{}: compares a {} with itself", request.kind, request.a, request.b,
                                  request.kind));
    const auto rest_of = [&](const Ladder& ladder) {
      const std::string any;
      return std::tuple(ladder.metric.name, request.kind == "task" ? any : ladder.task,
                        request.kind == "condition" ? any : ladder.condition,
                        request.kind == "family" ? any : ladder.family);
    };
    bool is_found = false;
    for (const Ladder& a : ladders)
      for (const Ladder& b : ladders) {
        if (word_of(a, request.kind) != request.a || word_of(b, request.kind) != request.b) continue;
        if (rest_of(a) != rest_of(b)) continue;
        is_found = true;
        comparisons.push_back(analysis::compare(a, b, request.kind == "family", args.report));
      }
    if (!is_found && !args.compare.empty())
      throw SpecError(
          fmt::format("--compare {}:{},{}: no two curves differ in that alone", request.kind, request.a, request.b));
  }
  std::erase_if(comparisons, [](const Comparison& comparison) { return comparison.difference.points.empty(); });
  return comparisons;
}

// ---- tables -------------------------------------------------------------------------------------------------------

/// What there is to say besides the numbers, and of which rows: many rows often share one reason.
class Notes {
 public:
  void add(const std::string& text, const std::string& row) { entry_of(notes_, text).push_back(row); }
  void print(std::size_t num_rows) const {
    for (const auto& [text, rows] : notes_) {
      const std::string whom = rows.size() == num_rows ? "all" : fmt::format("{}", fmt::join(rows, ", "));
      fmt::print("  {}\n", wrapped(fmt::format("{}: {}", printable(whom), printable(text)), 76, "    "));
    }
  }

 private:
  std::vector<std::pair<std::string, std::vector<std::string>>> notes_;
};

// An error that is not zero does not look like it.
std::string value_text(const LadderPoint& point) {
  const double error = point.point.standard_error;
  const int decimals = decimals_for(error);
  return fmt::format("{:.{}f}±{:.{}f}", point.point.value, decimals,
                     error > 0 ? std::max(error, std::pow(10, -decimals)) : error, decimals);
}

// The point at a scale that the judgement named.
const LadderPoint& point_at(const Ladder& ladder, double scale) {
  return *std::ranges::min_element(
      ladder.points, {}, [&](const LadderPoint& point) { return std::abs(std::log(point.point.scale / scale)); });
}

std::vector<std::string> table_row(const CurveReport& report) {
  const auto& [ladder, judgement] = std::tie(report.ladder, report.judgement);
  std::vector<std::string> row{ladder.task, ladder.condition};
  if (ladder.points.empty()) {
    row.insert(row.end(), {"–", "–", "–"});
  } else {
    row.push_back(value_text(ladder.points.front()));
    row.push_back(
        judgement.smallest_to_extremal ? value_text(point_at(ladder, judgement.smallest_to_extremal->to_scale)) : "–");
    row.push_back(value_text(ladder.points.back()));
  }
  row.push_back(p_text(report.p_holm));
  row.emplace_back(to_string(judgement.verdict));
  return row;
}

std::string power_text(const analysis::Power& power) {
  const std::string scales = power.more_scales > analysis::kMostMoreScales
                                 ? fmt::format("more than {} more sizes", analysis::kMostMoreScales)
                                 : counted(power.more_scales, "more size");
  if (!power.more_items)
    return fmt::format("; {} of the same range would likely settle it, more items alone not", scales);
  return fmt::format("; {} more items or {} of the same range would likely settle it", *power.more_items, scales);
}

/// Percentage points for proportions, else the metric's unit.
std::string effect_text(const Ladder& ladder, const analysis::Effect& effect) {
  return ladder.metric.is_proportion ? fmt::format("{:+.1f} points ({:+.1f} to {:+.1f})", 100 * effect.difference.value,
                                                   100 * effect.difference.low, 100 * effect.difference.high)
                                     : interval_text(effect.difference);
}

// The effects of the arms in a sentence.
std::string arms_text(const CurveReport& report) {
  return fmt::format("{} from the smallest to {}, {} from there to the largest",
                     effect_text(report.ladder, *report.judgement.smallest_to_extremal),
                     short_number(report.judgement.smallest_to_extremal->to_scale),
                     effect_text(report.ladder, *report.judgement.extremal_to_largest));
}

std::string turn_text(const CurveReport& report) {
  const Estimate& turn = *report.turning_point;
  std::string text = std::isfinite(turn.high) ? fmt::format("turns at {} ({} to {})", short_number(turn.value),
                                                            short_number(turn.low), short_number(turn.high))
                                              : fmt::format("turns at {} or so", short_number(turn.value));
  if (report.judgement.smallest_to_extremal) text += "; " + arms_text(report);
  return text;
}

// What a trend is worth in a sentence, and why it is no turn where it looks like one.
std::string trend_text(const CurveReport& report) {
  const analysis::Judgement& judgement = report.judgement;
  std::string text = fmt::format("{}: {} from the smallest to the largest", to_string(judgement.verdict),
                                 effect_text(report.ladder, *judgement.smallest_to_largest));
  if (analysis::seems_to_turn(judgement))
    text += fmt::format("; no turn is shown (p {}), though {}", p_text(judgement.p_turn), arms_text(report));
  return text;
}

std::string heading(const Ladder& ladder) {
  return fmt::format("{}{} against {}, family {}", printable(ladder.metric.name),
                     ladder.metric.name == "loss" || ladder.metric.name == "log_odds" ? " (nats)" : "",
                     ladder.scale == analysis::Scale::kParameters ? "parameters" : "training FLOPs",
                     printable(ladder.family));
}

// One table a family and metric: the curves that share an axis.
void print_table(const std::vector<const CurveReport*>& reports) {
  std::vector<std::vector<std::string>> rows{
      {"task", "condition", "smallest", "extremal", "largest", "p (Holm)", "verdict"}};
  Notes notes;
  double low = INFINITY, high = 0;
  std::set<std::int64_t> num_items, num_models;
  for (const CurveReport* report : reports) {
    const auto& [ladder, judgement] = std::tie(report->ladder, report->judgement);
    rows.push_back(table_row(*report));
    num_models.insert(std::ssize(ladder.points));
    for (const LadderPoint& point : ladder.points) {
      low = std::min(low, point.point.scale);
      high = std::max(high, point.point.scale);
      if (point.point.n > 0) num_items.insert(point.point.n);
    }
    const std::string name = ladder.task + " " + ladder.condition;
    if (judgement.verdict == analysis::Verdict::kInconclusive)
      notes.add("inconclusive: " + judgement.reason + (report->power ? power_text(*report->power) : ""), name);
    if (report->turning_point)
      notes.add(turn_text(*report), name);
    else if (judgement.verdict == analysis::Verdict::kInverse ||
             (judgement.verdict == analysis::Verdict::kPositive && analysis::seems_to_turn(judgement)))
      notes.add(trend_text(*report), name);
    if (report->families)
      notes.add(fmt::format("slope a decade of such families: {}, standard deviation between them {:.2g}",
                            interval_text(report->families->mean), report->families->standard_deviation),
                name);
    for (const std::string& missing : ladder.missing) notes.add("without " + missing, name);
    for (const std::string& note : ladder.notes) notes.add(note, name);
    for (const std::string& problem : judgement.problems) notes.add(problem, name);
  }
  fmt::print("{}\n", heading(reports.front()->ladder));
  if (low <= high) {
    const auto range = [](const std::set<std::int64_t>& counts) {
      return *counts.begin() == *counts.rbegin() ? fmt::format("{}", *counts.begin())
                                                 : fmt::format("{} to {}", *counts.begin(), *counts.rbegin());
    };
    const std::string items = num_items.empty() ? "" : range(num_items) + " items a point, ";
    const std::string models = range(num_models), sizes = low < high ? " to " + short_number(high) : "";
    fmt::print("{} model{} of {}{}, {}{} 1 standard error\n", models, models == "1" ? "" : "s", short_number(low),
               sizes, items, for_output("±"));
  }
  fmt::print("\n{}", text_table(rows, {5}));
  notes.print(reports.size());
  fmt::print("\n");
}

// One table a metric, condition and family, with a row a task; where two tasks are compared, with a row a condition.
void print_comparisons(const std::vector<Comparison>& comparisons, bool is_of_tasks) {
  const auto [row_title, row_name, shared] = is_of_tasks ? std::tuple("condition", &Ladder::condition, &Ladder::task)
                                                         : std::tuple("task", &Ladder::task, &Ladder::condition);
  std::vector<std::pair<std::string, std::vector<std::vector<std::string>>>> tables;
  for (const Comparison& comparison : comparisons) {
    const Ladder& ladder = comparison.difference;
    const std::string heading = fmt::format("differences of {} on the same items: {}, family {}", ladder.metric.name,
                                            ladder.*shared, ladder.family);
    entry_of(tables, heading)
        .push_back({ladder.*row_name, signed_text(comparison.at_each_scale.front()),
                    signed_text(comparison.at_each_scale.back()),
                    comparison.mean ? interval_text(*comparison.mean) : "–", p_text(comparison.p_mean),
                    comparison.slope ? signed_text(*comparison.slope) : "–", p_text(comparison.p_slope)});
  }
  for (auto& [heading, rows] : tables) {
    rows.insert(rows.begin(), {row_title, "smallest", "largest", "mean, 95 % interval", "p", "slope", "p"});
    fmt::print("{}\nslope: a decade of the scale; p: unadjusted\n\n{}\n", wrapped(printable(heading), 80, "  "),
               text_table(rows, {1, 2, 4, 5, 6}));
  }
}

// One table a family and metric.
void print_forecasts(const std::vector<const CurveReport*>& reports) {
  std::vector<std::vector<std::string>> rows{{"task", "condition", "scale", "predicted", "observed", "error"}};
  bool has_unknown = false;
  for (const CurveReport* report : reports) {
    const auto add = [&](const analysis::Forecast& forecast) {
      const auto& [value, error, low, high] = forecast.predicted;
      const bool is_held_out = !forecast.model.empty(), is_known = !std::isnan(value);
      const int decimals = is_known ? decimals_for(error) : 2;
      rows.push_back({report->ladder.task, report->ladder.condition, short_number(forecast.scale),
                      is_known ? fmt::format("{0:.{3}f} ({1:.{3}f} to {2:.{3}f})", value, low, high, decimals) : "–",
                      is_held_out ? fmt::format("{:.{}f}", forecast.observed, decimals) : "–",
                      is_held_out && is_known ? signed_text(forecast.observed - value, decimals) : "–"});
      has_unknown |= !is_known;
    };
    for (const auto& forecast : report->held_out) add(forecast);
    for (const auto& forecast : report->forecasts) add(forecast);
  }
  if (rows.size() == 1) return;
  fmt::print("extrapolation of {}\n95 % intervals of the curve\n\n{}", heading(reports.front()->ladder),
             text_table(rows, {2, 4, 5}));
  if (has_unknown) fmt::print("{}", for_output("predicted –: no curve, or one that leaves 0 to 1 there\n"));
  fmt::print("\n");
}

}  // namespace

int fit(const FitArgs& args) {
  analysis::Table table = analysis::read_table(args.source, args.models);
  for (analysis::Series& series : table.series) {
    if (std::ranges::find(args.lower_is_better, series.metric.name) == args.lower_is_better.end()) continue;
    series.metric.direction = analysis::Direction::kLowerIsBetter;
    series.metric.is_direction_known = true;
  }
  std::vector<Ladder> ladders = analysis::make_ladders(table, args.scale);
  table.series.clear();
  check_metrics(ladders, "--metric", args.metrics);
  check_metrics(ladders, "--lower-is-better", args.lower_is_better);
  keep_metrics(ladders, args.metrics);
  FitResult result{.name = table.name,
                   .options = args.report,
                   .comparisons = make_comparisons(ladders, args),
                   .problems = table.problems};
  if (args.output) make_folder(*args.output);  // what cannot be written is told before the work
  for (Ladder& pooled : analysis::pool_families(ladders)) ladders.push_back(std::move(pooled));
  result.reports = analysis::make_reports(std::move(ladders), args.report);

  if (args.report.num_held_out > 0)
    for (const CurveReport& report : result.reports)
      if (report.held_out.empty())
        result.problems.push_back(
            fmt::format("{} {} {} {}: nothing is held out, --hold-out {} leaves fewer than five of {} points",
                        report.ladder.task, report.ladder.condition, report.ladder.family, report.ladder.metric.name,
                        args.report.num_held_out, report.ladder.points.size()));

  const std::string json = to_text(fit_json(result), 2) + "\n";
  if (args.output) {
    const std::string points = points_csv(result), curves = curves_csv(result), verdicts = verdicts_latex(result);
    const NewFile files[] = {{*args.output / "points.csv", points},
                             {*args.output / "fit.csv", curves},
                             {*args.output / "fit.json", json},
                             {*args.output / "fit.tex", verdicts}};
    write_files(files);
  }
  if (args.json) {
    fmt::print("{}", json);
    return kExitDone;
  }
  std::vector<std::pair<std::pair<std::string, std::string>, std::vector<const CurveReport*>>> tables;
  for (const CurveReport& report : result.reports) {
    entry_of(tables, {report.ladder.family, report.ladder.metric.name}).push_back(&report);
  }
  for (const auto& [key, reports] : tables) print_table(reports);
  const bool is_of_tasks = !args.compare.empty() && std::ranges::all_of(args.compare, [](const std::string& text) {
    return text.starts_with("task:");
  });
  print_comparisons(result.comparisons, is_of_tasks);
  for (const auto& [key, reports] : tables) print_forecasts(reports);
  for (const std::string& problem : result.problems) fmt::print("  {}\n", printable(problem));
  return kExitDone;
}

}  // namespace catenary::cli
