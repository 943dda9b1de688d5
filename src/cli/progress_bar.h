#pragma once

#include <optional>
#include <string>

namespace catenary::cli {

/// What a terminal can show.
struct Terminal {
  int num_columns = 80;
  bool has_unicode = false;  // the locale's character set is UTF-8
  bool has_colour = false;   // unless NO_COLOR is set (no-color.org)
};

/// The terminal that this descriptor leads to; nothing where it leads elsewhere, or where TERM is unset or `dumb`:
/// there no line can be drawn anew.
std::optional<Terminal> find_terminal(int descriptor);

/// One line of the terminal: a bar of which `fraction` is full, per cent, and a text in ASCII, of which those
/// parts between commas are shown that fit; the bar takes what is left. Red with `is_alarming`.
std::string progress_bar(const Terminal& terminal, double fraction, const std::string& text, bool is_alarming);

}  // namespace catenary::cli
