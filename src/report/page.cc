#include "catenary/report/page.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "report/html.h"
#include "report/page_files.h"

// The data go into the page as JSON, with names replaced by their positions in lists; study.js is its only reader.

namespace catenary::report {
namespace {

using analysis::CurveReport;
using analysis::Estimate;
using analysis::Ladder;

// Of a fitted curve, as drawn; a large study makes do with fewer, or the page would be larger than 10 MB.
constexpr int kCurvePoints = 49, kFewCurvePoints = 17;
constexpr std::size_t kManyCurves = 1000;

/// The names of a kind in the order of their first use.
class Names {
 public:
  std::size_t index_of(const std::string& name) {
    const auto [it, is_new] = indices_.try_emplace(name, indices_.size());
    if (is_new) names_.push_back(name);
    return it->second;
  }
  const Json& list() const { return names_; }

 private:
  std::map<std::string, std::size_t> indices_;
  Json names_ = Json::array();
};

struct Lists {
  Names tasks, conditions, families, models, metrics, scales;
  Json metric_facts = Json::array();
};

/// How many items each model gets right that the one before it does not, and the other way round.
Json flips_json(const Ladder& ladder) {
  const std::size_t num_items = ladder.items.size();
  Json gained = Json::array(), lost = Json::array();
  for (std::size_t p = 1; p < ladder.points.size(); ++p) {
    int up = 0, down = 0;
    for (std::size_t i = 0; i < num_items; ++i) {
      const double before = ladder.values[(p - 1) * num_items + i], after = ladder.values[p * num_items + i];
      up += after > before;
      down += after < before;
    }
    gained.push_back(up);
    lost.push_back(down);
  }
  return {{"gained", gained}, {"lost", lost}};
}

/// The selected curve and its 95 % interval, at scales from the first point's to the last's, evenly spread on the
/// logarithmic axis.
Json fit_json(const CurveReport& report, int num_points) {
  const analysis::FittedCurve* curve = analysis::select_curve(report.curves);
  const auto& points = report.ladder.points;
  if (curve == nullptr || points.size() < 3) return {};
  const double from = std::log10(points.front().point.scale), to = std::log10(points.back().point.scale);
  Json y = Json::array(), low = Json::array(), high = Json::array();
  for (int i = 0; i < num_points; ++i) {
    const double scale = std::pow(10.0, from + (to - from) * i / (num_points - 1));
    const Estimate value = analysis::predict(*curve, scale);
    y.push_back(number(value.value));
    low.push_back(number(value.low));
    high.push_back(number(value.high));
  }
  return {{"name", analysis::to_string(curve->curve)}, {"y", y}, {"low", low}, {"high", high}};
}

Json curve_json(const CurveReport& report, int num_fit_points, Lists& lists) {
  const Ladder& ladder = report.ladder;
  const std::size_t metric = lists.metrics.index_of(ladder.metric.name);
  if (metric == lists.metric_facts.size())
    lists.metric_facts.push_back({{"higher_is_better", ladder.metric.direction == analysis::Direction::kHigherIsBetter},
                                  {"is_proportion", ladder.metric.is_proportion}});
  Json models = Json::array(), x = Json::array(), y = Json::array(), error = Json::array(), n = Json::array();
  for (const analysis::LadderPoint& point : ladder.points) {
    models.push_back(lists.models.index_of(point.model));
    x.push_back(number(point.point.scale));
    y.push_back(number(point.point.value));
    error.push_back(number(point.point.standard_error));
    n.push_back(point.point.n);
  }
  const auto& change = report.judgement.smallest_to_largest;
  Json json{{"task", lists.tasks.index_of(ladder.task)},
            {"condition", lists.conditions.index_of(ladder.condition)},
            {"family", lists.families.index_of(ladder.family)},
            {"metric", metric},
            {"scale", lists.scales.index_of(std::string(to_string(ladder.scale)))},
            {"verdict", to_string(report.judgement.verdict)},
            {"reason", report.judgement.reason},
            {"p", number(report.p_holm)},
            {"change", to_json(change ? std::optional(change->difference) : std::nullopt)},
            {"turn", to_json(report.turning_point)},
            {"chance", number(ladder.chance)},
            {"models", models},
            {"x", x},
            {"y", y},
            {"error", error},
            {"n", n},
            {"fit", fit_json(report, num_fit_points)},
            {"missing", ladder.missing},
            {"notes", ladder.notes}};
  if (ladder.metric.name == "accuracy" && !ladder.values.empty()) json["flips"] = flips_json(ladder);
  return json;
}

Json sample_json(const TaskSample& sample, Lists& lists) {
  Json json{{"task", lists.tasks.index_of(sample.task)},
            {"format", sample.format},
            {"num_items", sample.num_items},
            {"note", sample.note},
            {"items", Json::array()},
            {"scores", Json::array()}};
  for (const SampledItem& item : sample.items) {
    json["items"].push_back(
        {{"item", item.item}, {"answer", item.answer_index}, {"prompt", item.prompt}, {"classes", item.classes}});
    if (!item.other_prompt.empty()) json["items"].back()["other_prompt"] = item.other_prompt;
    if (std::isfinite(item.true_answer)) json["items"].back()["true_answer"] = item.true_answer;
    if (std::isfinite(item.anchor)) json["items"].back()["anchor"] = item.anchor;
  }
  for (const SampledScores& scores : sample.scores) {
    Json values = Json::array();
    for (const auto& item : scores.log_likelihoods) {
      Json& list = values.emplace_back(Json::array());
      for (const double value : item) list.push_back(number(value));
    }
    std::string right;  // a letter an item: r(ight), w(rong), or - for neither
    for (const double value : scores.accuracy) right += value == 1 ? 'r' : value == 0 ? 'w' : '-';
    json["scores"].push_back({{"condition", lists.conditions.index_of(scores.condition)},
                              {"model", lists.models.index_of(scores.model)},
                              {"log_likelihoods", std::move(values)},
                              {"right", right}});
    if (std::ranges::any_of(scores.texts, [](const auto& texts) { return !texts.empty(); }))
      json["scores"].back()["texts"] = scores.texts;
  }
  return json;
}

}  // namespace

std::string make_page(const Study& study) {
  Lists lists;
  Json curves = Json::array(), samples = Json::array();
  const int num_fit_points = study.curves.size() > kManyCurves ? kFewCurvePoints : kCurvePoints;
  for (const CurveReport& report : study.curves) curves.push_back(curve_json(report, num_fit_points, lists));
  for (const TaskSample& sample : study.samples) samples.push_back(sample_json(sample, lists));
  const Json data{{"name", study.name},
                  {"source", study.source},
                  {"problems", study.problems},
                  {"tasks", lists.tasks.list()},
                  {"conditions", lists.conditions.list()},
                  {"families", lists.families.list()},
                  {"models", lists.models.list()},
                  {"metrics", lists.metrics.list()},
                  {"metric_facts", lists.metric_facts},
                  {"scales", lists.scales.list()},
                  {"curves", std::move(curves)},
                  {"samples", std::move(samples)}};
  return to_html(data, kStudyJs);
}

}  // namespace catenary::report
