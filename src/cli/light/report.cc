#include "cli/light/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/report/figures.h"
#include "catenary/report/page.h"
#include "cli/exit_code.h"
#include "cli/light/write_file.h"

namespace catenary::cli {
namespace {

constexpr std::size_t kMaxSampleBytes = 2'500'000;  // of the page's 10 MB

/// On both axes, as `catenary fit` makes them; an axis that no model has a place on is left out.
std::vector<analysis::CurveReport> make_curves(const analysis::Table& table, const analysis::ReportOptions& options) {
  std::vector<analysis::CurveReport> curves;
  for (const auto scale : {analysis::Scale::kParameters, analysis::Scale::kTrainingFlops}) {
    auto ladders = analysis::make_ladders(table, scale);
    if (std::ranges::all_of(ladders, [](const analysis::Ladder& ladder) { return ladder.points.empty(); })) continue;
    for (analysis::Ladder& pooled : analysis::pool_families(ladders)) ladders.push_back(std::move(pooled));
    auto reports = analysis::make_reports(std::move(ladders), options);
    std::ranges::move(reports, std::back_inserter(curves));
  }
  return curves;
}

}  // namespace

int report(const ReportArgs& args) {
  const analysis::Table table = analysis::read_table(args.source, args.models);
  report::Study study{.name = table.name,
                      .source = args.source.filename().string(),
                      .curves = make_curves(table, args.report),
                      .samples = {},
                      .problems = table.problems};
  if (study.curves.empty()) {
    throw DataError(fmt::format("{}: no curve has a point; `catenary fit` tells why", args.source.string()));
  }
  if (analysis::is_hdf5(args.source)) study.samples = report::sample_tasks(args.source, kMaxSampleBytes);
  write_file(args.output, report::make_page(study));
  log::info(fmt::format("wrote {}", args.output.string()));
  if (args.figures) {
    const auto end = std::ranges::find_if(study.curves, [&](const analysis::CurveReport& report) {
      return report.ladder.scale != study.curves.front().ladder.scale;
    });
    const auto scripts = report::write_figures({study.curves.begin(), end}, *args.figures);
    log::info(fmt::format("wrote {} figures into {}", scripts.size(), args.figures->string()));
  }
  return kExitDone;
}

}  // namespace catenary::cli
