#pragma once

#include <string_view>

namespace catenary::report {

/// The page's template, style and program (src/report/page/), and the charting library with its licence.
extern const std::string_view kPageHtml, kPageCss, kPageJs, kChartJs, kChartLicense;

}  // namespace catenary::report
