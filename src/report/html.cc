#include "report/html.h"

#include <fmt/format.h>

#include <cmath>
#include <map>

#include "report/page_files.h"

namespace catenary::report {
namespace {

/// JSON that may stand in a script element: "<" would end it, where it begins "</script".
std::string to_script_text(const Json& json) {
  const std::string text = json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  std::string safe;
  for (const char c : text) {
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  }
  return safe;
}

/// The template with each {{name}} replaced, once: what is put in is not looked at again.
std::string fill(std::string_view page, const std::map<std::string_view, std::string_view>& texts) {
  std::string filled;
  for (std::size_t begin = page.find("{{"); begin != std::string_view::npos; begin = page.find("{{")) {
    const std::size_t end = page.find("}}", begin);
    filled += page.substr(0, begin);
    filled += texts.at(page.substr(begin + 2, end - begin - 2));
    page.remove_prefix(end + 2);
  }
  return filled.append(page);
}

}  // namespace

/// A number to the four digits that a chart can show; null where there is none.
Json number(double value) {
  return std::isfinite(value) ? Json::parse(fmt::format("{:.4g}", value)) : Json();
}

Json to_json(const std::optional<analysis::Estimate>& estimate) {
  if (!estimate) return {};
  return {number(estimate->value), number(estimate->low), number(estimate->high)};
}

std::string to_html(const Json& data, std::string_view program) {
  const std::string text = to_script_text(data);
  return fill(kPageHtml, {{"css", kPageCss},
                          {"tools", kToolsJs},
                          {"program", program},
                          {"chart", kChartJs},
                          {"chart_license", kChartLicense},
                          {"data", text}});
}

}  // namespace catenary::report
