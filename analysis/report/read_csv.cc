#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <string_view>
#include <unordered_map>

#include "analysis/report/csv.h"
#include "analysis/report/readers.h"
#include "catenary/analysis/statistics.h"
#include "catenary/base/error.h"
#include "catenary/base/to_number.h"
#include "catenary/base/utf8.h"

namespace catenary::analysis {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

enum Column {
  kTask,
  kCondition,
  kFamily,
  kModel,
  kNumParameters,
  kTrainingTokens,
  kTrainingFlops,  // what a series is
  kMetric,
  kItem,
  kLoss,
  kCorrect,
  kLogOdds,
  kValue,
  kStandardError,
  kN,
  kNumColumns
};
constexpr std::array<const char*, kNumColumns> kColumnNames{
    "task",           "condition",      "family", "model", "num_parameters", "training_tokens",
    "training_flops", "metric",         "item",   "loss",  "correct",        "log_odds",
    "value",          "standard_error", "n"};
constexpr std::array<Column, 3> kItemColumns{kLoss, kCorrect, kLogOdds};

using Reader = CsvReader<kNumColumns>;

/// A line of the file; a column that the file lacks is an empty text.
struct Row {
  std::array<char*, kNumColumns> cells;
  std::string_view operator[](Column column) const { return cells[column]; }
};

template <std::size_t... I>
bool read_row(Reader& reader, Row& row, std::index_sequence<I...>) {
  static char nothing[] = "";
  row.cells.fill(nothing);
  return reader.read_row(row.cells[I]...);
}

double parse_correct(const Row& row, std::size_t line, Problems& problems) {
  const std::string_view text = row[kCorrect];
  if (text == "1" || text == "true" || text == "True") return 1;
  if (text == "0" || text == "false" || text == "False") return 0;
  if (text.empty()) return kNan;
  problems.add(fmt::format("line {}, column correct: expected 0 or 1, found \"{}\"", line, text));
  return kNan;
}

/// An item's number; other names are told apart by their hash.
std::int64_t parse_item(std::string_view text) {
  if (const auto item = to_number<std::int64_t>(text)) return *item;
  return static_cast<std::int64_t>(std::hash<std::string_view>{}(text));
}

std::string describe(const Series& series) {
  return fmt::format("{} {} {} {}", series.task, series.condition, series.model, series.metric.name);
}

/// What a row says of its model, task and condition.
Series describe_series(const Row& row, std::size_t line, Problems& problems) {
  const auto or_all = [](std::string_view text) { return std::string(text.empty() ? "all" : text); };
  Series series{.task = std::string(row[kTask]),
                .condition = or_all(row[kCondition]),
                .family = or_all(row[kFamily]),
                .model = std::string(row[kModel]),
                .metric = {},
                .num_parameters = parse_size(row[kNumParameters], line, kColumnNames[kNumParameters], problems),
                .training_tokens = parse_size(row[kTrainingTokens], line, kColumnNames[kTrainingTokens], problems),
                .training_flops = parse_size(row[kTrainingFlops], line, kColumnNames[kTrainingFlops], problems),
                .items = {},
                .values = {}};
  if (series.task.empty() || series.model.empty())
    problems.add(fmt::format("line {}: expected a task and a model", line));
  for (const Column column : {kTask, kCondition, kFamily, kModel, kMetric})
    if (!is_valid_utf8(row[column]))
      problems.add(fmt::format("line {}, column {}: expected UTF-8", line, kColumnNames[column]));
  if (std::isnan(series.training_flops))
    series.training_flops = training_flops(series.num_parameters, series.training_tokens);
  return series;
}

// ---- a row an item ------------------------------------------------------------------------------------------------

/// All rows of a model on a task under a condition. A column without any value is left empty.
struct ItemRows {
  Series series;
  std::vector<std::int64_t> items;
  std::array<std::vector<double>, kItemColumns.size()> values;
  std::array<bool, kItemColumns.size()> has_values{};
};

/// Sorts by item, and leaves out what is repeated or no number.
void finish_items(ItemRows& rows, std::size_t column, Table& table) {
  Series series = rows.series;
  static constexpr std::array<std::string_view, 3> kMetrics{"loss", "accuracy", "log_odds"};
  series.metric = describe_metric(kMetrics[column]);
  const auto& values = rows.values[column];
  std::size_t num_repeated = 0, num_missing = 0;
  const bool is_sorted = std::ranges::is_sorted(rows.items);
  std::vector<std::size_t> order;
  if (!is_sorted) {
    order.resize(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return rows.items[i]; });
  }
  series.items.reserve(values.size());
  series.values.reserve(values.size());
  for (std::size_t position = 0; position < values.size(); ++position) {
    const std::size_t i = is_sorted ? position : order[position];
    if (!series.items.empty() && series.items.back() == rows.items[i]) {
      ++num_repeated;
    } else if (!std::isfinite(values[i])) {
      ++num_missing;
    } else {
      series.items.push_back(rows.items[i]);
      series.values.push_back(values[i]);
    }
  }
  if (num_repeated > 0)
    table.problems.push_back(
        fmt::format("{}: {} rows repeat an item and are left out", describe(series), num_repeated));
  if (series.items.empty())
    series.absence = fmt::format("{} items without a finite number", num_missing);
  else if (num_missing > 0)
    table.problems.push_back(
        fmt::format("{}: {} items without a finite number are left out", describe(series), num_missing));
  summarize(series);
  table.series.push_back(std::move(series));
}

/// Collects rows by what their leading cells say; mostly a row has the same as the one before.
class Groups {
 public:
  ItemRows& find(const Row& row, std::size_t line, Problems& problems) {
    if (last_ != nullptr && is_same(row)) return *last_;
    key_.clear();
    for (int column = kTask; column <= kTrainingFlops; ++column)
      key_.append(row.cells[static_cast<std::size_t>(column)]).push_back('\0');
    const auto [entry, is_new] = index_.try_emplace(key_, groups_.size());
    if (is_new) {
      groups_.push_back(std::make_unique<ItemRows>());
      groups_.back()->series = describe_series(row, line, problems);
    }
    return *(last_ = groups_[entry->second].get());
  }
  std::vector<std::unique_ptr<ItemRows>>& all() { return groups_; }

 private:
  bool is_same(const Row& row) const {
    const char* key = key_.c_str();
    for (int column = kTask; column <= kTrainingFlops; ++column) {
      if (std::strcmp(key, row.cells[static_cast<std::size_t>(column)]) != 0) return false;
      key += std::strlen(key) + 1;
    }
    return true;
  }

  std::vector<std::unique_ptr<ItemRows>> groups_;
  std::unordered_map<std::string, std::size_t> index_;
  std::string key_;
  ItemRows* last_ = nullptr;
};

void add_item(Groups& groups, const Row& row, std::size_t line, Problems& problems) {
  ItemRows& rows = groups.find(row, line, problems);
  rows.items.push_back(row[kItem].empty() ? std::ssize(rows.items) : parse_item(row[kItem]));
  for (std::size_t c = 0; c < kItemColumns.size(); ++c) {
    const Column column = kItemColumns[c];
    if (!rows.has_values[c]) {
      if (row[column].empty()) continue;
      rows.has_values[c] = true;
      rows.values[c].assign(rows.items.size() - 1, kNan);
    }
    rows.values[c].push_back(column == kCorrect ? parse_correct(row, line, problems)
                                                : parse_number(row[column], line, kColumnNames[column], problems));
  }
}

// ---- a row a point ------------------------------------------------------------------------------------------------

void add_point(Table& table, const Row& row, std::size_t line, Problems& problems) {
  Series series = describe_series(row, line, problems);
  series.metric = describe_metric(row[kMetric].empty() ? "value" : row[kMetric]);
  series.value = parse_number(row[kValue], line, kColumnNames[kValue], problems);
  series.standard_error = parse_number(row[kStandardError], line, kColumnNames[kStandardError], problems);
  const double n = parse_number(row[kN], line, kColumnNames[kN], problems);
  constexpr double kMostItems = 9007199254740992;  // 2^53
  if (n < 0 || n > kMostItems)
    problems.add(fmt::format("line {}, column n: expected 1 to 2^53 items, found \"{}\"", line, row[kN]));
  else if (!std::isnan(n))
    series.n = static_cast<std::int64_t>(n);
  const bool is_fraction = series.metric.is_proportion && series.value >= 0 && series.value <= 1;
  // A fraction of 0 or 1 has a textbook error of 0, which would give it infinite weight.
  if (is_fraction && series.n > 0 && !(series.standard_error > 0))
    series.standard_error =
        proportion_standard_error(std::llround(series.value * static_cast<double>(series.n)), series.n);
  if (!std::isfinite(series.value)) series.absence = fmt::format("line {} has no value", line);
  table.series.push_back(std::move(series));
}

}  // namespace

Table read_csv(const std::filesystem::path& path) {
  Table table{.name = path.stem().string(), .series = {}, .problems = {}};
  Problems problems;
  Groups groups;
  try {
    check_readable(path);
    Reader reader(path.string());
    std::apply(
        [&](auto... names) { reader.read_header(io::ignore_missing_column | io::ignore_extra_column, names...); },
        kColumnNames);
    for (const Column needed : {kTask, kModel})
      if (!reader.has_column(kColumnNames[needed]))
        problems.add(fmt::format("expected a column {}", kColumnNames[needed]));
    if (!reader.has_column("num_parameters") && !reader.has_column("training_flops"))
      problems.add("expected a column num_parameters or training_flops");
    const bool has_points = reader.has_column("value");
    if (!has_points && !reader.has_column("loss") && !reader.has_column("correct") && !reader.has_column("log_odds"))
      problems.add("expected a column loss, correct or log_odds (a row an item), or value (a row a point)");
    throw_problems_of(path, problems);
    Row row{};
    for (bool is_more = true; is_more;) {
      try {
        is_more = read_row(reader, row, std::make_index_sequence<kNumColumns>());
      } catch (const io::error::line_length_limit_exceeded&) {
        throw;  // the reader cannot go on from there
      } catch (const io::error::base& e) {
        problems.add(e.what());
        continue;
      }
      if (!is_more) break;
      if (has_points)
        add_point(table, row, reader.get_file_line(), problems);
      else
        add_item(groups, row, reader.get_file_line(), problems);
    }
  } catch (const io::error::base& e) {
    throw DataError(fmt::format("{}: {}", path.string(), e.what()));
  }
  throw_problems_of(path, problems);
  for (auto& rows : groups.all()) {
    for (std::size_t c = 0; c < kItemColumns.size(); ++c)
      if (rows->has_values[c]) finish_items(*rows, c, table);
    *rows = {};
  }
  return table;
}

}  // namespace catenary::analysis
