#include "cli/light/fit_output.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "catenary/analysis/estimate_text.h"
#include "cli/light/csv.h"

namespace catenary::cli {
namespace {

using analysis::CurveReport;
using analysis::Estimate;
using analysis::LadderPoint;

Json to_json(const std::optional<Estimate>& estimate) {
  return estimate ? cli::to_json(*estimate) : Json();
}

Json to_json(const std::optional<analysis::Effect>& effect) {
  if (!effect) return {};
  return {{"from_scale", effect->from_scale},
          {"to_scale", effect->to_scale},
          {"difference", cli::to_json(effect->difference)}};
}

Json to_json(const std::optional<analysis::Arms>& arms) {
  if (!arms) return {};
  return {{"split_scale", arms->split_scale},
          {"slope_before", cli::to_json(arms->slope_before)},
          {"slope_after", cli::to_json(arms->slope_after)}};
}

std::string_view to_string(analysis::FitStatus status) {
  switch (status) {
    case analysis::FitStatus::kConverged:
      return "converged";
    case analysis::FitStatus::kNotConverged:
      return "not_converged";
    case analysis::FitStatus::kUndetermined:
      return "undetermined";
    case analysis::FitStatus::kFailed:
      return "failed";
  }
  return "";
}

Json to_json(const analysis::FittedCurve& curve) {
  const bool has_point = curve.status != analysis::FitStatus::kFailed && !curve.parameters.empty();
  const bool is_converged = curve.status == analysis::FitStatus::kConverged;
  const auto known = [](bool is_known, const auto& value) { return is_known ? Json(value) : Json(); };
  Json json{{"curve", analysis::to_string(curve.curve)},
            {"status", to_string(curve.status)},
            {"center_log10_scale", known(has_point, curve.center)},
            {"parameters", known(has_point, curve.parameters)},
            {"covariance", known(is_converged, curve.covariance)},
            {"deviance", known(is_converged, curve.deviance)},
            {"degrees_of_freedom", known(is_converged, curve.degrees_of_freedom)},
            {"scatter", known(is_converged, curve.scatter)},
            {"aic", number(curve.aic)},
            {"aicc", number(curve.aicc)},
            {"akaike_weight", number(curve.akaike_weight)}};
  if (curve.curve == analysis::Curve::kLogistic && curve.model.is_proportion) {
    json.update({{"floor", curve.model.floor}, {"ceiling", curve.model.ceiling}});
  }
  return json;
}

Json to_json(const analysis::Forecast& forecast) {
  Json json{{"scale", forecast.scale}, {"predicted", cli::to_json(forecast.predicted)}};
  if (forecast.model.empty()) return json;
  json.update({{"model", forecast.model},
               {"observed", forecast.observed},
               {"error", number(forecast.observed - forecast.predicted.value)}});
  return json;
}

Json to_json(const LadderPoint& point) {
  return {{"model", point.model},
          {"num_parameters", number(point.num_parameters)},
          {"training_flops", number(point.training_flops)},
          {"value", point.point.value},
          {"standard_error", number(point.point.standard_error)},
          {"n", point.point.n}};
}

Json to_json(const CurveReport& report);
Json to_json(const analysis::Comparison& comparison);

template <class Items>
Json list_of(const Items& items) {
  Json json = Json::array();
  for (const auto& item : items) json.push_back(to_json(item));
  return json;
}

Json name_of(const analysis::Ladder& ladder) {
  return {{"task", ladder.task},
          {"condition", ladder.condition},
          {"family", ladder.family},
          {"scale", to_string(ladder.scale)},
          {"metric", ladder.metric.name},
          {"higher_is_better", ladder.metric.direction == analysis::Direction::kHigherIsBetter},
          {"num_shared_items", ladder.items.size()}};
}

Json to_json(const CurveReport& report) {
  const auto& [ladder, judgement] = std::tie(report.ladder, report.judgement);
  Json json = name_of(ladder);
  json.update({{"verdict", analysis::to_string(judgement.verdict)},
               {"reason", judgement.reason},
               {"p_value", number(judgement.p_value)},
               {"p_turn", number(judgement.p_turn)},
               {"p_holm", number(report.p_holm)},
               {"p_benjamini_hochberg", number(report.p_benjamini_hochberg)},
               {"selected_curve", report.selected ? Json(analysis::to_string(*report.selected)) : Json()},
               {"selected_parameters", list_of(report.parameters)},
               {"slope_per_decade", to_json(judgement.slope_per_decade)},
               {"turning_point", to_json(report.turning_point)},
               {"arms", to_json(judgement.arms)},
               {"smallest_to_largest", to_json(judgement.smallest_to_largest)},
               {"smallest_to_extremal", to_json(judgement.smallest_to_extremal)},
               {"extremal_to_largest", to_json(judgement.extremal_to_largest)},
               {"curves", list_of(report.curves)},
               {"shapes", Json::array()},
               {"held_out", list_of(report.held_out)},
               {"forecasts", list_of(report.forecasts)},
               {"power", Json()},
               {"families", Json()},
               {"points", list_of(ladder.points)},
               {"missing", ladder.missing},
               {"notes", ladder.notes},
               {"problems", judgement.problems}});
  for (const analysis::ShapeFit& shape : report.shapes)
    json["shapes"].push_back({{"shape", analysis::to_string(shape.shape)},
                              {"values", shape.values},
                              {"chi_square", number(shape.chi_square)},
                              {"num_levels", shape.num_levels}});
  if (report.power)
    json["power"] = {{"more_items", report.power->more_items ? Json(*report.power->more_items) : Json()},
                     {"more_scales", report.power->more_scales}};
  if (report.families)
    json["families"] = {{"slope_per_decade", cli::to_json(report.families->mean)},
                        {"standard_deviation", report.families->standard_deviation},
                        {"heterogeneity_p_value", number(report.families->heterogeneity_p_value)}};
  return json;
}

Json to_json(const analysis::Comparison& comparison) {
  Json json = name_of(comparison.difference);
  json.update({{"mean", to_json(comparison.mean)},
               {"p_mean", number(comparison.p_mean)},
               {"slope_per_decade", to_json(comparison.slope)},
               {"p_slope", number(comparison.p_slope)},
               {"points", Json::array()},
               {"missing", comparison.difference.missing},
               {"notes", comparison.difference.notes}});
  for (std::size_t i = 0; i < comparison.difference.points.size(); ++i) {
    const LadderPoint& point = comparison.difference.points[i];
    json["points"].push_back({{"model", point.model},
                              {"scale", point.point.scale},
                              {"difference", cli::to_json(comparison.at_each_scale[i])},
                              {"n", point.point.n}});
  }
  return json;
}

std::string csv_estimate(const std::optional<Estimate>& estimate) {
  if (!estimate) return ",,";
  return fmt::format("{},{},{}", csv_number(estimate->value), csv_number(estimate->low), csv_number(estimate->high));
}

std::optional<Estimate> difference_of(const std::optional<analysis::Effect>& effect) {
  return effect ? std::optional(effect->difference) : std::nullopt;
}

std::string latex_text(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\')
      escaped += "\\textbackslash{}";
    else if (std::string_view("&%$#_{}").find(c) != std::string_view::npos)
      (escaped += '\\') += c;
    else if (c == '~' || c == '^')
      escaped += fmt::format("\\{}{{}}", c);
    else
      escaped += c;
  }
  return escaped;
}

/// Percentage points for proportions, else the metric's unit.
std::string latex_effect(const CurveReport& report, const std::optional<analysis::Effect>& effect) {
  if (!effect) return "--";
  const auto& [value, error, low, high] = effect->difference;
  if (report.ladder.metric.is_proportion)
    return fmt::format("${:+.1f}$ [{:.1f}, {:.1f}]", 100 * value, 100 * low, 100 * high);
  const int decimals = analysis::decimals_for(error);
  return fmt::format("${:+.{}f}$ [{:.{}f}, {:.{}f}]", value, decimals, low, decimals, high, decimals);
}

}  // namespace

Json fit_json(const FitResult& result) {
  return {{"sweep", result.name},
          {"interval", "95 %, percentile bootstrap over items where they are known, else linear theory"},
          {"num_replicates", result.options.num_replicates},
          {"seed", result.options.seed},
          {"curves", list_of(result.reports)},
          {"comparisons", list_of(result.comparisons)},
          {"problems", result.problems}};
}

std::string points_csv(const FitResult& result) {
  std::string csv = "task,condition,family,model,num_parameters,training_flops,metric,value,standard_error,n\n";
  for (const CurveReport& report : result.reports) {
    const analysis::Ladder& ladder = report.ladder;
    if (ladder.family == analysis::kPooled) continue;  // shifted points are nobody's results
    for (const LadderPoint& point : ladder.points)
      csv += fmt::format("{},{},{},{},{},{},{},{},{},{}\n", csv_field(ladder.task), csv_field(ladder.condition),
                         csv_field(ladder.family), csv_field(point.model), csv_number(point.num_parameters),
                         csv_number(point.training_flops), csv_field(ladder.metric.name), csv_number(point.point.value),
                         csv_number(point.point.standard_error), point.point.n);
  }
  return csv;
}

std::string curves_csv(const FitResult& result) {
  std::string csv = "task,condition,family,metric,scale,num_models,verdict,p_value,p_holm,p_benjamini_hochberg,curve";
  for (const char* name :
       {"slope_per_decade", "turning_point", "smallest_to_largest", "smallest_to_extremal", "extremal_to_largest"})
    csv += fmt::format(",{0},{0}_low,{0}_high", name);
  csv += '\n';
  for (const CurveReport& report : result.reports) {
    const auto& [ladder, judgement] = std::tie(report.ladder, report.judgement);
    csv += fmt::format(
        "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", csv_field(ladder.task), csv_field(ladder.condition),
        csv_field(ladder.family), csv_field(ladder.metric.name), to_string(ladder.scale), ladder.points.size(),
        analysis::to_string(judgement.verdict), csv_number(judgement.p_value), csv_number(report.p_holm),
        csv_number(report.p_benjamini_hochberg), report.selected ? analysis::to_string(*report.selected) : "",
        csv_estimate(judgement.slope_per_decade), csv_estimate(report.turning_point),
        csv_estimate(difference_of(judgement.smallest_to_largest)),
        csv_estimate(difference_of(judgement.smallest_to_extremal)),
        csv_estimate(difference_of(judgement.extremal_to_largest)));
  }
  return csv;
}

std::string verdicts_latex(const FitResult& result) {
  std::string tex =
      "% Changes from the smallest to the largest model, and to and from the extremal one: percentage points for\n"
      "% proportions, else the metric's unit, with 95 % intervals. p is adjusted by Holm's method.\n"
      "\\begin{tabular}{llllrrrrl}\n\\toprule\n"
      "task & condition & family & metric & smallest to largest & to extremal & from extremal & $p$ & verdict \\\\\n"
      "\\midrule\n";
  for (const CurveReport& report : result.reports) {
    const auto& [ladder, judgement] = std::tie(report.ladder, report.judgement);
    tex += fmt::format(
        "{} & {} & {} & {} & {} & {} & {} & {} & {} \\\\\n", latex_text(ladder.task), latex_text(ladder.condition),
        latex_text(ladder.family), latex_text(ladder.metric.name), latex_effect(report, judgement.smallest_to_largest),
        latex_effect(report, judgement.smallest_to_extremal), latex_effect(report, judgement.extremal_to_largest),
        std::isnan(report.p_holm) ? "--" : fmt::format("{:.2g}", report.p_holm),
        latex_text(std::string(analysis::to_string(judgement.verdict))));
  }
  return tex + "\\bottomrule\n\\end{tabular}\n";
}

}  // namespace catenary::cli
