#pragma once

#include <string>
#include <vector>

#include "catenary/analysis/report.h"
#include "cli/light/json.h"

namespace catenary::cli {

/// What `catenary fit` has to say.
struct FitResult {
  std::string name;  // the sweep's or the table's
  analysis::ReportOptions options;
  std::vector<analysis::CurveReport> reports;
  std::vector<analysis::Comparison> comparisons;
  std::vector<std::string> problems;
};

/// The object that docs/analysis.md describes.
Json fit_json(const FitResult& result);
/// A row a point; `catenary fit` reads it again as a summary table.
std::string points_csv(const FitResult& result);
/// A row a curve: verdict and evidence.
std::string curves_csv(const FitResult& result);
/// A table of verdicts for a paper (booktabs).
std::string verdicts_latex(const FitResult& result);

}  // namespace catenary::cli
