#include "cli/run/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "catenary/base/log.h"
#include "cli/counted.h"
#include "cli/duration_text.h"

namespace catenary::cli {
namespace {

constexpr std::chrono::milliseconds kTerminalPause{200}, kLogPause{60'000};  // between two lines

// Draws the terminal's last line anew. A terminal that is gone is no reason to end a sweep, so nothing is checked.
void show_line(const std::string& text) {
  std::fputs(("\r\033[K" + text).c_str(), stderr);
  std::fflush(stderr);
}

}  // namespace

Progress::Progress(const std::vector<spec::ItemRange>& ranges, const std::vector<scheduler::PendingUnit>& pending)
    : ranges_(ranges), terminal_(find_terminal(STDERR_FILENO)) {
  for (const auto& unit : pending) {
    for (std::size_t i = unit.first_range; i < unit.first_range + unit.num_ranges; ++i) {
      num_items_ += ranges_[i].num_items;
      ++num_ranges_left_[ranges_[i].unit_index];
    }
  }
}

void Progress::report(const scheduler::SweepProgress& now, std::size_t range_index) {
  num_items_done_ += ranges_[range_index].num_items;
  if (--num_ranges_left_[ranges_[range_index].unit_index] == 0) ++num_units_done_;
  const auto time = Clock::now();
  const bool is_last = num_items_done_ == num_items_;
  if (time - last_shown_ < (terminal_ ? kTerminalPause : kLogPause) && !(terminal_ && is_last)) return;
  last_shown_ = time;
  const double seconds = std::chrono::duration<double>(time - start_).count();
  const double rate = static_cast<double>(num_items_done_) / seconds;
  const std::string pace =
      fmt::format("{} left{}, {:.1f} items/s, {:.0f} tokens/s, {:.3g} GFLOP/s",
                  duration_text(static_cast<double>(num_items_ - num_items_done_) / rate),
                  now.num_failed > 0 ? fmt::format(", {} failed", counted(now.num_failed, "range")) : "", rate,
                  static_cast<double>(now.num_tokens_fed) / seconds, now.flops / seconds / 1e9);
  if (terminal_) {
    const std::string text = fmt::format("{}/{} units, {}", num_units_done_, num_ranges_left_.size(), pace);
    const double fraction = static_cast<double>(num_items_done_) / static_cast<double>(num_items_);
    is_drawn_ = true;
    show_line(progress_bar(*terminal_, fraction, text, now.num_failed > 0));
  } else {
    log::info(fmt::format("{} of {} units, {} of {} items, {}", num_units_done_, num_ranges_left_.size(),
                          num_items_done_, num_items_, pace));
  }
}

void Progress::clear() {
  if (is_drawn_.exchange(false)) show_line("");
}

void Progress::finish(const scheduler::SweepProgress& end) {
  clear();
  if (end.num_ranges == 0) return;
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  log::info(fmt::format("{} of {} item ranges done in {}{}", end.num_done, end.num_ranges, duration_text(seconds),
                        end.num_failed > 0 ? fmt::format(", {} failed", end.num_failed) : ""));
}

}  // namespace catenary::cli
