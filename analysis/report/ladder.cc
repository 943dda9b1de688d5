#include "catenary/analysis/ladder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <tuple>

#include "catenary/analysis/least_squares.h"
#include "catenary/analysis/paired.h"
#include "catenary/analysis/statistics.h"

namespace catenary::analysis {
namespace {

double scale_of(const Series& series, Scale scale) {
  return scale == Scale::kParameters ? series.num_parameters : series.training_flops;
}

bool is_same_point(const Series& a, const Series& b) {
  const auto is_same = [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  return a.model == b.model && is_same(a.training_tokens, b.training_tokens) &&
         is_same(a.training_flops, b.training_flops);
}

/// Of fewer items no error is known that deserves the name.
constexpr std::int64_t kFewestItems = 5;

/// Why a series can be no point of the ladder; empty if it can.
std::string find_fault(const Series& series, Scale scale) {
  if (!series.absence.empty()) return series.absence;
  const double x = scale_of(series, scale);
  if (std::isnan(x))
    return scale == Scale::kParameters
               ? "its number of parameters is not known"
               : "its training FLOPs are not known: neither training_tokens nor training_flops are given";
  if (!(x > 0 && std::isfinite(x))) return fmt::format("its scale is {}", x);
  if (series.n > 0 && series.n < kFewestItems)
    return fmt::format("it has {} items, and {} are needed", series.n, kFewestItems);
  if (series.standard_error == 0 && !series.values.empty())
    return "all its items have the same value, so it has no error";
  if (std::isnan(series.standard_error))
    return "its standard error is not known: give standard_error, or n of a fraction";
  constexpr double kLargest = 1e30;  // squares of what lies between can be added
  if (std::abs(series.value) > kLargest) return fmt::format("its value, {}, is out of range", series.value);
  if (series.standard_error > kLargest || (series.standard_error > 0 && series.standard_error < 1 / kLargest))
    return fmt::format("its standard error, {}, is out of range", series.standard_error);
  if (!(series.standard_error > 0)) return "its standard error is not a positive number";
  return {};
}

/// Of each model the checkpoint with the most training.
std::vector<const Series*> last_checkpoints(const std::vector<const Series*>& all) {
  std::vector<const Series*> last;
  for (const Series* series : all) {
    const auto same = std::ranges::find_if(last, [&](const Series* other) { return other->model == series->model; });
    if (same == last.end())
      last.push_back(series);
    else if (series->training_tokens > (*same)->training_tokens || series->training_flops > (*same)->training_flops)
      *same = series;
  }
  return last;
}

std::vector<std::int64_t> common_items(const std::vector<const Series*>& series) {
  std::vector<std::int64_t> common = series.front()->items;
  for (const Series* one : series) {
    if (one->items == common) continue;
    std::vector<std::int64_t> both;
    std::ranges::set_intersection(common, one->items, std::back_inserter(both));
    common = std::move(both);
  }
  return common;
}

/// Puts the items that all have into the ladder, after models that have too few are removed from `series`.
void join_items(std::vector<const Series*>& series, Ladder& ladder) {
  std::size_t most = 0;
  for (const Series* one : series) most = std::max(most, one->items.size());
  std::erase_if(series, [&](const Series* one) {
    if (2 * one->items.size() >= most) return false;
    ladder.missing.push_back(fmt::format("{} (it has {} of {} items)", one->model, one->items.size(), most));
    return true;
  });
  ladder.items = common_items(series);
  if (std::ssize(ladder.items) < kFewestItems) {
    ladder.notes.push_back("the models share too few items; they are taken as independent");
    ladder.items.clear();
    return;
  }
  for (const Series* one : series) {
    if (one->items.size() > ladder.items.size())
      ladder.notes.push_back(fmt::format("{} of the {} items of {} are used: those that all models have",
                                         ladder.items.size(), one->items.size(), one->model));
    std::size_t i = 0;
    for (const std::int64_t item : ladder.items) {
      while (one->items[i] != item) ++i;
      ladder.values.push_back(one->values[i]);
    }
  }
}

void set_covariance(Ladder& ladder) {
  std::vector<double> errors;
  for (const LadderPoint& point : ladder.points) errors.push_back(point.point.standard_error);
  ladder.covariance.clear();
  if (!ladder.values.empty()) ladder.covariance = covariance_of_means(ladder.values, errors);
}

Ladder make_ladder(std::vector<const Series*> series, Scale scale) {
  Ladder ladder{.task = series.front()->task,
                .condition = series.front()->condition,
                .family = series.front()->family,
                .metric = series.front()->metric,
                .scale = scale,
                .chance = series.front()->chance};
  if (!ladder.metric.is_direction_known)
    ladder.notes.push_back(fmt::format("higher {} is taken as better", ladder.metric.name));
  if (scale == Scale::kParameters) {
    const std::size_t num_checkpoints = series.size();
    series = last_checkpoints(series);
    if (series.size() < num_checkpoints) ladder.notes.push_back("of each model the last checkpoint");
  }
  std::erase_if(series, [&](const Series* one) {
    const std::string fault = find_fault(*one, scale);
    if (!fault.empty()) ladder.missing.push_back(fmt::format("{} ({})", one->model, fault));
    return !fault.empty();
  });
  std::ranges::stable_sort(series, {}, [&](const Series* one) { return scale_of(*one, scale); });
  if (!series.empty() && std::ranges::all_of(series, [](const Series* one) { return !one->items.empty(); }))
    join_items(series, ladder);
  const std::size_t n = ladder.items.size();
  for (std::size_t p = 0; p < series.size(); ++p) {
    const Series& one = *series[p];
    Series common{.metric = one.metric};
    if (n > 0) common.values.assign(ladder.values.begin() + p * n, ladder.values.begin() + (p + 1) * n);
    if (n > 0) summarize(common);
    const Series& used = n > 0 ? common : one;
    ladder.points.push_back({one.model,
                             one.num_parameters,
                             one.training_flops,
                             {scale_of(one, scale), used.value, used.standard_error, used.n}});
  }
  set_covariance(ladder);
  return ladder;
}

/// Standard error of the mean of paired differences of 0 and 1, never 0: half an item is added to each of the four
/// outcomes. A. Agresti, Y. Min, Statist. Med. 24 (2005) 729.
double paired_proportion_error(std::span<const double> differences) {
  double up = 0.5, down = 0.5;
  for (const double difference : differences) (difference > 0 ? up : down) += difference != 0 ? 1 : 0;
  const double n = static_cast<double>(differences.size()) + 2;
  return std::sqrt(up + down - (up - down) * (up - down) / n) / n;
}

}  // namespace

std::string_view to_string(Scale scale) {
  return scale == Scale::kParameters ? "parameters" : "training_flops";
}

std::vector<ScalingPoint> Ladder::scaling_points() const {
  std::vector<ScalingPoint> result;
  for (const LadderPoint& point : points) result.push_back(point.point);
  return result;
}

std::vector<Ladder> make_ladders(const Table& table, Scale scale) {
  // Each word's place is where it first occurs.
  std::map<std::string, std::size_t, std::less<>> metrics, tasks, conditions, families;
  const auto place = [](auto& words, const std::string& word) {
    return words.try_emplace(word, words.size()).first->second;
  };
  std::map<std::tuple<std::size_t, std::size_t, std::size_t, std::size_t>, std::vector<const Series*>> groups;
  std::map<const std::vector<const Series*>*, std::size_t> repeated;
  for (const Series& series : table.series) {
    auto& group = groups[{place(metrics, series.metric.name), place(tasks, series.task),
                          place(conditions, series.condition), place(families, series.family)}];
    const bool is_repeated =
        std::ranges::any_of(group, [&](const Series* other) { return is_same_point(*other, series); });
    if (is_repeated)
      ++repeated[&group];
    else
      group.push_back(&series);
  }
  std::vector<Ladder> ladders;
  for (const auto& [key, group] : groups) {
    ladders.push_back(make_ladder(group, scale));
    if (const auto count = repeated.find(&group); count != repeated.end())
      ladders.back().notes.push_back(fmt::format("{} rows repeat a point and are left out", count->second));
  }
  return ladders;
}

std::vector<Ladder> pool_families(const std::vector<Ladder>& ladders) {
  std::vector<Ladder> pooled;
  std::map<std::tuple<std::string, std::string, std::string>, std::vector<const Ladder*>> groups;
  for (const Ladder& ladder : ladders)
    if (ladder.points.size() >= kFewestPooledPoints)
      groups[{ladder.metric.name, ladder.task, ladder.condition}].push_back(&ladder);
  for (const auto& [key, families] : groups) {
    if (families.size() < 2) continue;
    const int num_columns = static_cast<int>(families.size()) + 2;
    std::vector<double> design, values, errors;
    for (std::size_t f = 0; f < families.size(); ++f)
      for (const LadderPoint& point : families[f]->points) {
        const double u = std::log10(point.point.scale);
        for (std::size_t g = 0; g < families.size(); ++g) design.push_back(f == g ? 1 : 0);
        design.insert(design.end(), {u, u * u});
        values.push_back(point.point.value);
        errors.push_back(point.point.standard_error);
      }
    const LeastSquaresFit fit = solve_least_squares(design, num_columns, values, errors);
    if (fit.status != LeastSquaresStatus::kSolved) continue;

    Ladder result = *families.front();
    result.family = kPooled;
    result.points.clear();
    result.values.clear();
    result.missing.clear();
    result.notes.clear();
    const bool same_items =
        std::ranges::all_of(families, [&](const Ladder* one) { return one->items == result.items; });
    if (!same_items) result.items.clear();
    struct Row {
      LadderPoint point;
      std::vector<double> values;
    };
    std::vector<Row> rows;
    const std::size_t n = result.items.size();
    for (std::size_t f = 0; f < families.size(); ++f) {
      const double effect = fit.coefficients[f] - fit.coefficients[0];
      if (f > 0)
        result.notes.push_back(
            fmt::format("family {} lies {:+.3f} ± {:.3f} beside {}", families[f]->family, effect,
                        std::sqrt(fit.covariance[f * num_columns + f] + fit.covariance[0] - 2 * fit.covariance[f]),
                        families[0]->family));
      for (std::size_t p = 0; p < families[f]->points.size(); ++p) {
        Row row{families[f]->points[p], {}};
        row.point.point.value -= effect;
        for (std::size_t i = 0; i < n; ++i) row.values.push_back(families[f]->values[p * n + i] - effect);
        rows.push_back(std::move(row));
      }
    }
    std::ranges::stable_sort(rows, {}, [](const Row& row) { return row.point.point.scale; });
    for (const Row& row : rows) {
      result.points.push_back(row.point);
      result.values.insert(result.values.end(), row.values.begin(), row.values.end());
    }
    result.metric.is_proportion = false;  // a shifted fraction may leave 0 to 1
    set_covariance(result);
    pooled.push_back(std::move(result));
  }
  return pooled;
}

Ladder subtract(const Ladder& a, const Ladder& b, bool match_scales) {
  const auto named = [](const std::string& x, const std::string& y) { return x == y ? x : x + " - " + y; };
  Ladder result{.task = named(a.task, b.task),
                .condition = named(a.condition, b.condition),
                .family = named(a.family, b.family),
                .metric = a.metric,
                .scale = a.scale};
  result.metric.is_proportion = false;
  std::vector<std::int64_t> both;
  std::ranges::set_intersection(a.items, b.items, std::back_inserter(both));
  const bool is_paired = std::ssize(both) >= kFewestItems;
  if (!is_paired) result.notes.push_back("too few items are shared: the two are taken as independent");
  if (is_paired) result.items = both;
  const auto positions = [&](const std::vector<std::int64_t>& items) {
    std::vector<std::size_t> found;
    std::size_t i = 0;
    for (const std::int64_t item : result.items) {
      while (items[i] != item) ++i;
      found.push_back(i);
    }
    return found;
  };
  const auto in_a = positions(a.items), in_b = positions(b.items);
  for (std::size_t p = 0; p < a.points.size(); ++p) {
    const LadderPoint& point = a.points[p];
    const auto distance = [&](const LadderPoint& other) {
      if (!match_scales) return other.model == point.model && other.point.scale == point.point.scale ? 0.0 : 1.0;
      return std::abs(std::log10(other.point.scale / point.point.scale));
    };
    const auto nearest = std::ranges::min_element(b.points, {}, distance);
    if (nearest == b.points.end() || distance(*nearest) > 0.1) {
      result.missing.push_back(fmt::format("{} (nothing to compare it with)", point.model));
      continue;
    }
    LadderPoint difference = point;
    if (nearest->model != point.model) difference.model = named(point.model, nearest->model);
    difference.point.value -= nearest->point.value;
    difference.point.standard_error = std::hypot(point.point.standard_error, nearest->point.standard_error);
    if (is_paired) {
      const std::size_t q = static_cast<std::size_t>(nearest - b.points.begin());
      std::vector<double> differences;
      for (std::size_t i = 0; i < both.size(); ++i)
        differences.push_back(a.values[p * a.items.size() + in_a[i]] - b.values[q * b.items.size() + in_b[i]]);
      Series series{.metric = result.metric, .values = differences};
      summarize(series);
      difference.point.value = series.value;
      difference.point.n = series.n;
      difference.point.standard_error =
          a.metric.is_proportion ? paired_proportion_error(differences) : series.standard_error;
      result.values.insert(result.values.end(), differences.begin(), differences.end());
    }
    result.points.push_back(std::move(difference));
  }
  set_covariance(result);
  return result;
}

Judgement judge(const Ladder& ladder) {
  return judge(ladder.scaling_points(), ladder.metric.direction, kMargins, ladder.covariance);
}

}  // namespace catenary::analysis
