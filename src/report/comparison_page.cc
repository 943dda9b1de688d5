#include "catenary/report/comparison_page.h"

#include <cmath>

#include "report/html.h"
#include "report/page_files.h"

namespace catenary::report {
namespace {

/// To the four decimals that the table shows.
Json in_decimals(double value) {
  return std::isfinite(value) ? Json(std::round(value * 1e4) / 1e4) : Json();
}

}  // namespace

std::string make_comparison_page(const std::string& before, const std::string& after,
                                 const analysis::RegressionOptions& options, const analysis::Changes& changes) {
  Json data{{"before", before},
            {"after", after},
            {"threshold", options.threshold},
            {"level", options.level},
            {"problems", changes.problems},
            {"changes", Json::array()},
            {"lost", Json::array()}};
  for (const analysis::Change& change : changes.changes) {
    const bool is_up = change.difference.value > 0;
    data["changes"].push_back(
        {{"task", change.task},
         {"condition", change.condition},
         {"model", change.model},
         {"metric", change.metric.name},
         {"n", change.num_items},
         {"before", in_decimals(change.before)},
         {"after", in_decimals(change.after)},
         {"difference",
          {in_decimals(change.difference.value), in_decimals(change.difference.low),
           in_decimals(change.difference.high)}},
         {"num_items_up", change.up},
         {"num_items_down", change.down},
         {"p_holm", number(change.p_holm)},
         {"is_better", is_up == (change.metric.direction == analysis::Direction::kHigherIsBetter)},
         {"is_regression", change.is_regression}});
  }
  for (const analysis::LostSeries& lost : changes.lost)
    data["lost"].push_back({{"task", lost.task},
                            {"condition", lost.condition},
                            {"model", lost.model},
                            {"metric", lost.metric.name},
                            {"reason", lost.reason}});
  return to_html(data, kComparisonJs);
}

}  // namespace catenary::report
