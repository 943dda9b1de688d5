#pragma once

#include <string>
#include <vector>

#include "catenary/analysis/report.h"
#include "catenary/report/task_sample.h"

namespace catenary::report {

/// What the page shows.
struct Study {
  std::string name;                           // of the sweep
  std::string source;                         // the file or folder the results were read from
  std::vector<analysis::CurveReport> curves;  // any metrics, either axis
  std::vector<TaskSample> samples;            // may be none
  std::vector<std::string> problems;          // what was left out
};

/// One HTML file that needs nothing else, not even a network: charts, style, program and data are in it. Any text of
/// the study shows as text, whatever it holds.
std::string make_page(const Study& study);

}  // namespace catenary::report
