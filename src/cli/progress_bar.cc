#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "cli/environment.h"

namespace catenary::cli {
namespace {

/// As setlocale chooses; asking it would change how this process writes numbers.
bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string_view locale = environment(name);
    if (locale.empty()) continue;
    return locale.find("UTF-8") != std::string_view::npos || locale.find("utf8") != std::string_view::npos;
  }
  return false;
}

std::string repeated(std::string_view text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

}  // namespace

std::optional<Terminal> find_terminal(int descriptor) {
  const std::string_view kind = environment("TERM");
  if (::isatty(descriptor) != 1 || kind.empty() || kind == "dumb") return std::nullopt;
  Terminal terminal{.has_unicode = locale_is_utf8(), .has_colour = environment("NO_COLOR").empty()};
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) terminal.num_columns = size.ws_col;
  return terminal;
}

std::string progress_bar(const Terminal& terminal, double fraction, const std::string& text, bool is_alarming) {
  constexpr int kLongestBar = 30, kGoodBar = 12, kShortestBar = 5;
  const auto room = static_cast<std::size_t>(terminal.num_columns - 1);
  std::string end = fmt::format(" {:3.0f} %  {}", 100 * fraction, text);
  while (end.size() + kGoodBar > room && end.rfind(", ") != std::string::npos) end.erase(end.rfind(", "));
  end = end.substr(0, room);
  const int length = std::min(kLongestBar, terminal.num_columns - 1 - static_cast<int>(end.size()));
  if (length < kShortestBar) return end;
  const int num_full = static_cast<int>(fraction * length);
  std::string bar = repeated(terminal.has_unicode ? "█" : "#", num_full);
  bar += repeated(terminal.has_unicode ? "░" : ".", length - num_full);
  if (terminal.has_colour) bar = fmt::format("\033[{}m{}\033[0m", is_alarming ? 31 : 32, bar);
  return bar + end;
}

}  // namespace catenary::cli
