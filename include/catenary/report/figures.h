#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "catenary/analysis/report.h"

namespace catenary::report {

/// Writes figures for papers into a folder, which is made if need be: for each metric and task TASK-METRIC (a column
/// wide) and for each metric overview-METRIC (two columns wide), each as .svg, .pdf and .png, with the gnuplot script
/// that made them (.gp: edit it, run it again). Texts in SVG and PDF are texts. Curves have to share an axis. Returns
/// the scripts. Throws Error where gnuplot is missing or fails, with what it said.
std::vector<std::filesystem::path> write_figures(std::span<const analysis::CurveReport> curves,
                                                 const std::filesystem::path& folder);

}  // namespace catenary::report
