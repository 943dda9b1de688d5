#pragma once

#include <string_view>

namespace catenary::report {

/// The pages' template, style and programs (src/report/page/), and the charting library with its licence.
extern const std::string_view kPageHtml, kPageCss, kToolsJs, kStudyJs, kComparisonJs, kChartJs, kChartLicense;

}  // namespace catenary::report
