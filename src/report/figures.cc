#include "catenary/report/figures.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <string_view>

#include "catenary/base/error.h"
#include "catenary/base/printable.h"
#include "catenary/base/short_number.h"

// A figure is a gnuplot script with its data inside. Numbers alone stand in data; names are single-quoted, where
// gnuplot reads nothing but the quote itself.

namespace catenary::report {
namespace {

using analysis::CurveReport;
using analysis::Estimate;
using analysis::Verdict;
using Curves = std::vector<const CurveReport*>;

constexpr int kCurvePoints = 60;
// M. Okabe, K. Ito, Color Universal Design (2008), without the yellow, which paper does not show.
constexpr std::array kColors{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};
constexpr std::array kPointTypes{7, 5, 9, 11, 13, 15};  // filled circle, square, triangle, …

std::string in_quotes(const std::string& name) {
  std::string text = "'";
  for (const char c : printable(name)) text += c == '\'' ? "''" : std::string(1, c);
  return text + "'";
}

/// Names as words of a file's name.
std::string file_word(const std::string& name) {
  std::string word = name;
  for (char& c : word) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    if (!is_plain && c != '.') c = '_';
  }
  if (word.starts_with('.')) word.front() = '_';
  return word;
}

const char* color_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPositive:
      return "#009E73";
    case Verdict::kInverse:
      return "#D55E00";
    case Verdict::kUShaped:
      return "#0072B2";
    case Verdict::kInvertedU:
      return "#CC79A7";
    case Verdict::kFlat:
      return "#6F7780";
    case Verdict::kInconclusive:
      return "#8A6D00";
  }
  return "";
}

std::string word_of(Verdict verdict) {
  if (verdict == Verdict::kUShaped) return "U-shaped";
  if (verdict == Verdict::kInvertedU) return "inverted U";
  return std::string(to_string(verdict));
}

struct Range {
  double low, high;
};

Range range_of(const Curves& curves, const std::function<Range(const analysis::LadderPoint&)>& of) {
  Range range{INFINITY, -INFINITY};
  for (const CurveReport* report : curves)
    for (const analysis::LadderPoint& point : report->ladder.points) {
      const Range one = of(point);
      range = {std::min(range.low, one.low), std::max(range.high, one.high)};
    }
  return range;
}

/// Of the points with their intervals.
Range values_of(const Curves& curves) {
  return range_of(curves, [](const auto& one) {
    const double error = std::isfinite(one.point.standard_error) ? 2 * one.point.standard_error : 0;
    return Range{one.point.value - error, one.point.value + error};
  });
}

/// Two blocks of data: $pointsN (scale, value, half-width of the 95 % interval) and $curveN (scale, value, low, high).
/// A band that leaves the figure, and its `values`, ends soon after: gnuplot leaves out what lies far outside.
std::string data_of(const CurveReport& report, std::size_t index, const Range& values) {
  std::string script = fmt::format("$points{} << EOD\n", index);
  for (const auto& [model, num_parameters, training_flops, point] : report.ladder.points)
    script += fmt::format("{} {} {}\n", point.scale, point.value, 1.96 * point.standard_error);
  script += fmt::format("EOD\n$curve{} << EOD\n", index);
  const analysis::FittedCurve* curve = analysis::select_curve(report.curves);
  if (curve != nullptr && report.ladder.points.size() > 2) {
    const double from = std::log10(report.ladder.points.front().point.scale);
    const double to = std::log10(report.ladder.points.back().point.scale);
    const double room = 2 * (values.high - values.low);
    const Range drawn = report.ladder.metric.is_proportion ? Range{0, 1} : Range{values.low - room, values.high + room};
    const auto inside = [&](double y) { return std::clamp(y, drawn.low, drawn.high); };
    for (int i = 0; i < kCurvePoints; ++i) {
      const double scale = std::pow(10.0, from + (to - from) * i / (kCurvePoints - 1));
      const Estimate value = analysis::predict(*curve, scale);
      const bool is_bounded = std::isfinite(value.low) && std::isfinite(value.high);
      script += fmt::format("{} {} {} {}\n", scale, inside(value.value), inside(is_bounded ? value.low : value.value),
                            inside(is_bounded ? value.high : value.value));
    }
  } else {
    for (const auto& [model, num_parameters, training_flops, point] : report.ladder.points)
      script += fmt::format("{0} {1} {1} {1}\n", point.scale, point.value);
  }
  return script + "EOD\n";
}

/// What `plot` draws of curve `index`: band, curve, intervals, points.
std::string plot_of(std::size_t index, const std::string& color, int point_type, int dash, double point_size,
                    const std::string& title) {
  return fmt::format(
      "$curve{0} using 1:3:4 with filledcurves fillcolor rgb '{1}' fillstyle transparent solid 0.15 noborder notitle, "
      "\\\n"
      "  $curve{0} using 1:2 with lines linecolor rgb '{1}' linewidth 1.5 dashtype {3} notitle, \\\n"
      "  $points{0} using 1:($2-$3):(0):(2*$3) with vectors nohead linecolor rgb '{1}' linewidth 1 notitle, \\\n"
      "  $points{0} using 1:2 with points linecolor rgb '{1}' pointtype {2} pointsize {4} {5}",
      index, color, point_type, dash, point_size, title);
}

/// Ranges and ticks that suit all curves.
std::string axes_of(const Curves& curves) {
  const Range x = range_of(curves, [](const auto& one) { return Range{one.point.scale, one.point.scale}; });
  const Range y = values_of(curves);
  const double margin = std::max(std::pow(x.high / x.low, 0.05), 1.15);
  const int first = static_cast<int>(std::ceil(std::log10(x.low / margin)));
  const int last = static_cast<int>(std::floor(std::log10(x.high * margin)));
  const int step = std::max(1, (last - first) / 5);
  std::string ticks;
  for (int power = first; power <= last; power += step) {
    const double value = std::pow(10.0, power);
    ticks += fmt::format("{}'{}' {}", ticks.empty() ? "" : ", ", short_number(value), value);
  }
  const auto& metric = curves.front()->ladder.metric;
  const bool is_fraction = metric.is_proportion && range_of(curves, [](const auto& one) {
                                                     return Range{one.point.value, one.point.value};
                                                   }).high <= 1;
  std::string script =
      fmt::format("set logscale x\nset xrange [{}:{}]\nset xtics ({})\n", x.low / margin, x.high * margin, ticks);
  if (is_fraction)
    script += "set yrange [-0.03:1.03]\nset ytics 0, 0.5, 1\n";
  else
    script += fmt::format("set yrange [{}:{}]\nset ytics autofreq\n", y.low - 0.05 * (y.high - y.low),
                          y.high + 0.05 * (y.high - y.low));
  return script;
}

constexpr std::string_view kStyle =
    "set border 3 linecolor rgb '#5c6570' linewidth 0.75\n"
    "set tics nomirror scale 0.5 textcolor rgb '#1b1f24'\n"
    "set grid ytics linetype 1 linecolor rgb '#d9dee4' linewidth 0.5\n";

/// The same drawing for each kind of file. `width` and `height` are inches, `points` the size of the text.
std::string for_all_terminals(const std::string& name, double width, double height, double points,
                              const std::string& drawing) {
  return fmt::format(
      "set terminal svg size {0:.0f},{1:.0f} font 'Helvetica,{2:.1f}' noenhanced background rgb 'white'\n"
      "set output '{3}.svg'\n{4}"
      "set terminal pdfcairo size {5}in,{6}in font 'Helvetica,{7}' noenhanced\n"
      "set output '{3}.pdf'\n{4}"
      "set terminal pngcairo size {8:.0f},{9:.0f} font 'Helvetica,{7}' fontscale 2.4 linewidth 3 pointscale 3 "
      "noenhanced\n"
      "set output '{3}.png'\n{4}",
      96 * width, 96 * height, points * 96 / 72, name, drawing, width, height, points, 300 * width, 300 * height);
}

std::string axis_title(const analysis::Ladder& ladder) {
  return ladder.scale == analysis::Scale::kParameters ? "parameters" : "training FLOPs";
}

std::string metric_title(const analysis::Ladder& ladder) {
  const bool is_in_nats = ladder.metric.name == "loss" || ladder.metric.name == "log_odds";
  return ladder.metric.name + (is_in_nats ? " (nats)" : "");
}

std::string chance_line(const Curves& curves) {
  const double chance = curves.front()->ladder.chance;
  if (std::isnan(chance) || curves.front()->ladder.metric.name != "accuracy") return "";
  return fmt::format("{} with lines linecolor rgb '#5c6570' linewidth 0.75 dashtype 3 notitle, \\\n  ", chance);
}

/// One task: conditions differ by colour and mark, families by dash.
std::string task_script(const Curves& curves, const std::string& name) {
  std::map<std::string, std::size_t> conditions, families;
  for (const CurveReport* report : curves) {
    conditions.try_emplace(report->ladder.condition, conditions.size());
    families.try_emplace(report->ladder.family, families.size());
  }
  std::string data, plots;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const analysis::Ladder& ladder = curves[i]->ladder;
    const std::size_t condition = conditions.at(ladder.condition), family = families.at(ladder.family);
    const std::string title = families.size() > 1 ? ladder.condition + ", " + ladder.family : ladder.condition;
    data += data_of(*curves[i], i, values_of(curves));
    plots += (i > 0 ? ", \\\n  " : "") + plot_of(i, kColors[condition % kColors.size()],
                                                 kPointTypes[condition % kPointTypes.size()],
                                                 static_cast<int>(family) % 5 + 1, 0.55, "title " + in_quotes(title));
  }
  const analysis::Ladder& first = curves.front()->ladder;
  const std::size_t num_rows_of_key = (curves.size() + 1) / 2;
  const double height = 2.1 + 0.14 * static_cast<double>(num_rows_of_key);
  const std::string drawing = fmt::format("plot {}{}\nunset output\n", chance_line(curves), plots);
  return fmt::format(
      "{}{}{}set title {} offset 0,-0.5\nset tmargin 1.8\nset xlabel {} offset 0,0.4\nset ylabel {}\n"
      "set key outside below maxcols 2 samplen 2 spacing 1.1 height 0.6\n{}",
      data, kStyle, axes_of(curves), in_quotes(first.task), in_quotes(axis_title(first)),
      in_quotes(metric_title(first)), for_all_terminals(name, 3.3, height, 7, drawing));
}

/// All tasks × conditions as small panels, coloured by verdict, which is written in them too.
std::string overview_script(const Curves& curves, const std::string& name) {
  std::vector<std::string> tasks, conditions;
  const auto place = [](std::vector<std::string>& list, const std::string& word) {
    const auto it = std::ranges::find(list, word);
    if (it != list.end()) return static_cast<std::size_t>(it - list.begin());
    list.push_back(word);
    return list.size() - 1;
  };
  std::map<std::pair<std::size_t, std::size_t>, std::vector<std::size_t>> panels;
  std::string data;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const std::size_t task = place(tasks, curves[i]->ladder.task);
    panels[{task, place(conditions, curves[i]->ladder.condition)}].push_back(i);
    data += data_of(*curves[i], i, values_of(curves));
  }
  const auto columns = static_cast<double>(conditions.size());
  const double width = std::max(3.3, std::min(6.9, 2.3 * columns));
  // Titles that a panel is too narrow for take two lines.
  std::size_t longest = 0;
  for (const CurveReport* curve : curves)
    longest = std::max(longest, curve->ladder.task.size() + curve->ladder.condition.size() +
                                    word_of(curve->judgement.verdict).size() + 4);
  constexpr double kLettersPerInch = 22, kLine = 0.12;
  const bool has_two_lines = static_cast<double>(longest) > kLettersPerInch * width / columns;
  const double more = has_two_lines ? kLine : 0, height = (1.25 + more) * static_cast<double>(tasks.size()) + 0.1;
  std::string drawing =
      fmt::format("set multiplot layout {},{} margins {},0.985,{},{} spacing {},{}\n", tasks.size(), conditions.size(),
                  0.45 / width, 0.4 / height, 1 - (0.25 + more) / height, 0.45 / width, (0.42 + more) / height);
  for (std::size_t task = 0; task < tasks.size(); ++task)
    for (std::size_t condition = 0; condition < conditions.size(); ++condition) {
      const auto panel = panels.find({task, condition});
      if (panel == panels.end()) {
        drawing += "set multiplot next\n";
        continue;
      }
      std::string plots, verdicts;
      for (const std::size_t i : panel->second) {
        const Verdict verdict = curves[i]->judgement.verdict;
        plots += (plots.empty() ? "" : ", \\\n  ") +
                 plot_of(i, color_of(verdict), kPointTypes[plots.empty() ? 0 : 1], 1, 0.35, "notitle");
        verdicts += (verdicts.empty() ? "" : ", ") + word_of(verdict);
      }
      // The outer panels tell the axes, which all share.
      const analysis::Ladder& ladder = curves[panel->second.front()]->ladder;
      drawing += fmt::format("set ylabel {} offset 1,0\nset xlabel {} offset 0,0.5\n",
                             condition == 0 ? in_quotes(metric_title(ladder)) : "''",
                             task + 1 == tasks.size() ? in_quotes(axis_title(ladder)) : "''");
      const std::string below = fmt::format("{}: {}", conditions[condition], verdicts);
      drawing += fmt::format("set title {} offset 0,-0.8 textcolor rgb '{}'\nplot {}{}\n",
                             has_two_lines ? fmt::format("{}.\"\\n\".{}", in_quotes(tasks[task]), in_quotes(below))
                                           : in_quotes(fmt::format("{}, {}", tasks[task], below)),
                             color_of(curves[panel->second.front()]->judgement.verdict), chance_line(curves), plots);
    }
  drawing += "unset multiplot\nunset output\n";
  return data + std::string(kStyle) + axes_of(curves) + "unset key\n" +
         for_all_terminals(name, width, height, 6, drawing);
}

/// Runs gnuplot on a script in its folder.
void run_gnuplot(const std::filesystem::path& script) {
  const std::string folder = script.parent_path().string(), file = script.filename().string();
  const std::string messages = script.string() + ".log";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 2, messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  std::array<char*, 3> arguments{const_cast<char*>("gnuplot"), const_cast<char*>(file.c_str()), nullptr};
  pid_t process = 0;
  const int failed = posix_spawnp(&process, "gnuplot", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  if (failed == 0)
    while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
    }
  std::stringstream said;
  said << std::ifstream(messages).rdbuf();
  std::filesystem::remove(messages);
  if (failed != 0)
    throw Error(
        fmt::format("gnuplot: {}; figures are drawn by gnuplot 5 with its cairo terminals (Debian: gnuplot-nox)",
                    std::strerror(failed)));
  if (status != 0) throw Error(fmt::format("gnuplot failed on {}:\n{}", script.string(), said.str()));
}

}  // namespace

std::vector<std::filesystem::path> write_figures(std::span<const CurveReport> curves,
                                                 const std::filesystem::path& folder) {
  std::map<std::pair<std::string, std::string>, Curves> by_task;
  std::map<std::string, Curves> by_metric;
  for (const CurveReport& report : curves) {
    if (report.ladder.points.empty()) continue;
    by_task[{report.ladder.metric.name, report.ladder.task}].push_back(&report);
    by_metric[report.ladder.metric.name].push_back(&report);
  }
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  std::vector<std::filesystem::path> scripts;
  const auto write = [&](const std::string& words, const Curves& group, const auto& script_of) {
    std::string name = file_word(words);
    const auto is_taken = [&] { return std::ranges::find(scripts, folder / (name + ".gp")) != scripts.end(); };
    for (int n = 2; is_taken(); ++n) name = fmt::format("{}-{}", file_word(words), n);
    const auto path = folder / (name + ".gp");
    std::ofstream file(path);
    file << script_of(group, name);
    file.close();
    if (!file) throw Error(fmt::format("{}: cannot be written: {}", path.string(), std::strerror(errno)));
    run_gnuplot(path);
    scripts.push_back(path);
  };
  for (const auto& [metric, group] : by_metric) write("overview-" + metric, group, overview_script);
  for (const auto& [key, group] : by_task) write(key.second + "-" + key.first, group, task_script);
  return scripts;
}

}  // namespace catenary::report
