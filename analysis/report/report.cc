#include "catenary/analysis/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <ranges>
#include <thread>

#include "catenary/analysis/paired.h"
#include "catenary/analysis/statistics.h"

namespace catenary::analysis {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double interval_degrees_of_freedom(const FittedCurve& fit) {
  return scatter_degrees_of_freedom(fit.scatter, fit.degrees_of_freedom);
}

double stretch_of(const FittedCurve& fit) {
  return fit.scatter * student_quantile(0.975, interval_degrees_of_freedom(fit)) / student_quantile(0.975, kInfinity);
}

Estimate normal_estimate(double value, double standard_error, double degrees_of_freedom) {
  const double half_width = student_quantile(0.975, degrees_of_freedom) * standard_error;
  return {value, standard_error, value - half_width, value + half_width};
}

/// One number of each replicate: column `index` of [num_replicates, num_columns].
std::vector<double> column(const std::vector<double>& rows, std::size_t index, std::size_t num_columns) {
  std::vector<double> result;
  for (std::size_t i = index; i < rows.size(); i += num_columns) result.push_back(rows[i]);
  return result;
}

Estimate to_scale(const Estimate& log10_scale) {
  const double value = std::pow(10.0, log10_scale.value);
  return {value, std::log(10.0) * value * log10_scale.standard_error, std::pow(10.0, log10_scale.low),
          std::pow(10.0, log10_scale.high)};
}

// ---- parts of a report --------------------------------------------------------------------------------------------

/// The point's index; none where several points share the scale.
std::optional<std::size_t> find_point(const Ladder& ladder, double scale) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < ladder.points.size(); ++i) {
    if (std::abs(std::log10(ladder.points[i].point.scale / scale)) > 1e-6) continue;
    if (found) return std::nullopt;
    found = i;
  }
  return found;
}

void bootstrap_effect(const Ladder& ladder, const std::vector<double>& means, std::optional<Effect>& effect) {
  if (!effect || means.empty()) return;
  const auto from = find_point(ladder, effect->from_scale), to = find_point(ladder, effect->to_scale);
  if (!from || !to) return;
  const std::size_t n = ladder.points.size();
  std::vector<double> differences;
  for (std::size_t first = 0; first < means.size(); first += n)
    differences.push_back(means[first + *to] - means[first + *from]);
  // Where no item makes a difference, resampling cannot either, but a larger sample might.
  const Estimate resampled = percentile_interval(effect->difference.value, differences);
  if (resampled.standard_error > 0) effect->difference = resampled;
}

std::vector<Estimate> parameter_estimates(const FittedCurve& fit, const std::vector<double>& refits) {
  std::vector<Estimate> estimates;
  const std::size_t k = fit.parameters.size();
  for (std::size_t j = 0; j < k; ++j) {
    if (refits.empty())
      estimates.push_back(
          normal_estimate(fit.parameters[j], std::sqrt(fit.covariance[j * k + j]), interval_degrees_of_freedom(fit)));
    else
      estimates.push_back(percentile_interval(fit.parameters[j], column(refits, j, k), stretch_of(fit)));
  }
  return estimates;
}

/// Where a curve turns, with its interval in log10(scale); none if it does not.
std::optional<Estimate> curve_turning_point(const FittedCurve& fit, const std::vector<double>& refits, double from,
                                            double to, Turn kind) {
  const auto turn = turning_point(fit, fit.parameters, from, to, kind);
  if (!turn) return std::nullopt;
  const double log10_turn = std::log10(*turn);
  if (refits.empty()) {
    // By differences: the turn as a function of each parameter.
    const std::size_t k = fit.parameters.size();
    std::vector<double> gradient(k, 0.0);
    for (std::size_t j = 0; j < k; ++j) {
      std::vector<double> moved = fit.parameters;
      const double step = 1e-3 * std::sqrt(fit.covariance[j * k + j]);
      moved[j] += step;
      const auto other = turning_point(fit, moved, from, to, kind);
      if (step > 0 && other) gradient[j] = (std::log10(*other) - log10_turn) / step;
    }
    double variance = 0;
    for (std::size_t i = 0; i < k; ++i)
      for (std::size_t j = 0; j < k; ++j) variance += gradient[i] * fit.covariance[i * k + j] * gradient[j];
    return to_scale(normal_estimate(log10_turn, std::sqrt(std::max(0.0, variance)), interval_degrees_of_freedom(fit)));
  }
  std::vector<double> turns;
  const std::size_t k = fit.parameters.size();
  for (std::size_t first = 0; first < refits.size(); first += k) {
    const std::span<const double> parameters(&refits[first], k);
    const auto other = std::isnan(parameters[0]) ? std::nullopt : turning_point(fit, parameters, from, to, kind);
    turns.push_back(other ? std::log10(*other) : kNan);
  }
  return to_scale(percentile_interval(log10_turn, turns, stretch_of(fit)));
}

/// The extremal point, with the points that are extremal in replicates.
Estimate extremal_point(const Ladder& ladder, const std::vector<double>& means, bool is_lowest) {
  const std::size_t n = ladder.points.size();
  const auto extremal = [&](const auto& value) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < n; ++i)
      if (is_lowest ? value(i) < value(best) : value(i) > value(best)) best = i;
    return std::log10(ladder.points[best].point.scale);
  };
  const double seen = extremal([&](std::size_t i) { return ladder.points[i].point.value; });
  std::vector<double> turns;
  for (std::size_t first = 0; first < means.size(); first += n)
    turns.push_back(extremal([&](std::size_t i) { return means[first + i]; }));
  return to_scale(percentile_interval(seen, turns));
}

/// What one curve predicts, and how much it counts.
struct Prediction {
  double weight, value, error, degrees_of_freedom;

  double limit(double probability) const { return value + student_quantile(probability, degrees_of_freedom) * error; }
};

/// The x below which the predictions together see the share `probability`.
double averaged_limit(const std::vector<Prediction>& predictions, double probability) {
  double low = kInfinity, high = -kInfinity;
  for (const Prediction& one : predictions) {
    low = std::min(low, one.limit(probability));
    high = std::max(high, one.limit(probability));
  }
  while (true) {
    const double x = 0.5 * (low + high);
    if (!(x > low && x < high)) return low;
    double share = 0;
    for (const Prediction& one : predictions)
      share += one.weight * student_upper_tail((one.value - x) / one.error, one.degrees_of_freedom);
    (share < probability ? low : high) = x;
  }
}

bool is_fraction(const Ladder& ladder) {
  return ladder.metric.is_proportion && std::ranges::all_of(ladder.points, [](const LadderPoint& point) {
           return point.point.value >= 0 && point.point.value <= 1;
         });
}

Forecast forecast(const std::vector<FittedCurve>& curves, double scale, bool is_bounded) {
  Forecast result{scale, {kNan, kNan, -kInfinity, kInfinity}, "", kNan};
  std::vector<Prediction> predictions;
  for (const FittedCurve& curve : curves) {
    if (!(curve.akaike_weight > 0)) continue;
    const Estimate one = predict(curve, scale);
    predictions.push_back({curve.akaike_weight, one.value, one.standard_error, interval_degrees_of_freedom(curve)});
  }
  if (predictions.empty()) return result;
  double mean = 0, error = 0;
  for (const Prediction& one : predictions) mean += one.weight * one.value;
  for (const Prediction& one : predictions) error += one.weight * std::hypot(one.error, one.value - mean);
  Estimate predicted{averaged_limit(predictions, 0.5), error, averaged_limit(predictions, 0.025),
                     averaged_limit(predictions, 0.975)};
  if (is_bounded) {                       // by 0 and 1
    constexpr double kTolerance = 0.005;  // a curve that levels off just above 1
    if (predicted.value < -kTolerance || predicted.value > 1 + kTolerance) return result;
    for (double* end : {&predicted.value, &predicted.low, &predicted.high}) *end = std::clamp(*end, 0.0, 1.0);
  }
  result.predicted = predicted;
  return result;
}

std::vector<Forecast> predict_held_out(const Ladder& ladder, const ValueModel& model, int num_held_out) {
  const std::vector<ScalingPoint> points = ladder.scaling_points();
  const std::size_t n = points.size(), held = static_cast<std::size_t>(num_held_out);
  if (held == 0 || n < held + 5) return {};  // AICc says nothing of fewer points
  std::vector<double> covariance;
  for (std::size_t i = 0; i < n - held && !ladder.covariance.empty(); ++i)
    for (std::size_t j = 0; j < n - held; ++j) covariance.push_back(ladder.covariance[i * n + j]);
  const auto curves = fit_curves(std::span(points).first(n - held), model, covariance);
  std::vector<Forecast> result;
  for (std::size_t i = n - held; i < n; ++i) {
    result.push_back(forecast(curves, points[i].scale, is_fraction(ladder)));
    result.back().model = ladder.points[i].model;
    result.back().observed = points[i].value;
  }
  return result;
}

/// A number whose error has to shrink until a test is passed in 80 % of studies.
struct Need {
  const Polynomial* fit;
  double error;           // of the number, with the models' scatter
  double effect;          // the test's margin or the change to be shown
  double level, power_z;  // normal quantile of the power

  /// With this many sizes. A scatter of 1 is seen as 1.12 in the mean of studies with few degrees of freedom.
  double allowed_error(int num_scales) const {
    const int degrees_of_freedom = num_scales - static_cast<int>(fit->coefficients.size());
    return effect / (1.12 * student_quantile(1 - level, degrees_of_freedom) + power_z);
  }
  /// How the number's variance depends on the number of equally spaced sizes over a given range.
  double variance_with(double k) const {
    const double line = (k - 1) / (k * (k + 1));
    return fit->degree == Degree::kLine ? line : line * (k - 1) * (k - 1) / (k * k - 4);
  }
};

std::optional<Power> power_of(const Ladder& ladder, const Judgement& judgement) {
  if (judgement.verdict != Verdict::kInconclusive || judgement.num_scales < 3) return std::nullopt;
  const Polynomial& line = judgement.polynomials[1];
  const Polynomial& parabola = judgement.polynomials[2];
  const double first = ladder.points.front().point.scale, last = ladder.points.back().point.scale;
  const Estimate total = change(line, first, last);
  std::vector<Need> needs;
  if (std::abs(total.value) > kMargins.flat_margin) {
    needs = {{&line, total.standard_error, std::abs(total.value), 0.025, 0.842}};
  } else {
    // Both tests of flatness in 80 %, each in 89 %, both of its sides in 95 %.
    const double half_range = 0.5 * std::log10(last / first);
    const double bend_error = std::sqrt(parabola.covariance[8]) * half_range * half_range;
    needs = {{&line, total.standard_error, kMargins.flat_margin, 0.05, 1.62},
             {&parabola, bend_error, kMargins.flat_margin, 0.05, 1.62}};
  }
  const int num_scales = judgement.num_scales;
  const auto are_met = [&](int more_scales) {
    return std::ranges::all_of(needs, [&](const Need& need) {
      const double ratio = need.variance_with(num_scales + more_scales) / need.variance_with(num_scales);
      return need.error * std::sqrt(ratio) <= need.allowed_error(num_scales + more_scales);
    });
  };
  if (are_met(0)) return std::nullopt;  // something else is in the way

  const auto candidates = std::views::iota(1, kMostMoreScales + 1);
  const auto enough = std::ranges::partition_point(candidates, [&](int more) { return !are_met(more); });
  Power power{std::nullopt, 1 + static_cast<int>(enough - candidates.begin())};
  double factor = 1;
  for (const Need& need : needs) {
    const double of_items = need.error * need.error / (need.fit->scatter * need.fit->scatter);
    const double allowed = need.allowed_error(num_scales);
    const double left = allowed * allowed - (need.error * need.error - of_items);
    factor = left > 0 ? std::max(factor, of_items / left) : kInfinity;
  }
  std::int64_t num_items = 0;
  for (const LadderPoint& point : ladder.points) num_items = std::max(num_items, point.point.n);
  if (num_items > 0 && factor < 1e6)
    power.more_items = static_cast<std::int64_t>(std::ceil(static_cast<double>(num_items) * (factor - 1)));
  return power;
}

/// The floor is chance, unless a point lies clearly below it, as on tasks that trap.
ValueModel value_model(const Ladder& ladder, const ReportOptions& options) {
  const double chance = options.chance.value_or(std::isnan(ladder.chance) ? 0 : ladder.chance);
  const bool are_counts =
      std::ranges::all_of(ladder.points, [](const LadderPoint& point) { return point.point.n > 0; });
  ValueModel model{.is_proportion = is_fraction(ladder) && are_counts};
  const bool is_above = std::ranges::all_of(ladder.points, [&](const LadderPoint& point) {
    return point.point.value > chance - 2 * point.point.standard_error;
  });
  if (is_above) model.floor = chance;
  return model;
}

CurveReport make_report(Ladder ladder, const ReportOptions& options) {
  CurveReport report{.ladder = std::move(ladder), .p_holm = kNan, .p_benjamini_hochberg = kNan};
  const Ladder& used = report.ladder;
  report.judgement = judge(used);
  if (used.points.size() < 2) return report;

  const std::vector<ScalingPoint> points = used.scaling_points();
  const ValueModel model = value_model(used, options);
  report.curves = fit_curves(points, model, used.covariance);
  for (const Shape shape : {Shape::kUp, Shape::kDown, Shape::kDownUp, Shape::kUpDown})
    report.shapes.push_back(fit_shape(points, shape));
  std::vector<double> means;
  if (!used.values.empty())
    means = bootstrap_means(used.values, static_cast<int>(points.size()), options.num_replicates, options.seed);
  for (auto* effect : {&report.judgement.smallest_to_largest, &report.judgement.smallest_to_extremal,
                       &report.judgement.extremal_to_largest})
    bootstrap_effect(used, means, *effect);

  const double from = points.front().scale, to = points.back().scale;
  const Verdict verdict = report.judgement.verdict;
  const bool is_turn = verdict == Verdict::kUShaped || verdict == Verdict::kInvertedU;
  // "First worse, then better" of a loss is a peak.
  const bool falls_first = (verdict == Verdict::kUShaped) == (used.metric.direction == Direction::kHigherIsBetter);
  const Turn turn = falls_first ? Turn::kLowest : Turn::kHighest;
  if (const FittedCurve* selected = select_curve(report.curves)) {
    report.selected = selected->curve;
    const auto refits = means.empty() ? std::vector<double>() : refit_curve(*selected, points, means);
    report.parameters = parameter_estimates(*selected, refits);
    if (is_turn) report.turning_point = curve_turning_point(*selected, refits, from, to, turn);
  }
  if (is_turn && !report.turning_point) {
    const auto quadratic = std::ranges::find(report.curves, Curve::kQuadratic, &FittedCurve::curve);
    if (quadratic != report.curves.end() && quadratic->status == FitStatus::kConverged)
      report.turning_point = curve_turning_point(
          *quadratic, means.empty() ? std::vector<double>() : refit_curve(*quadratic, points, means), from, to, turn);
  }
  if (is_turn && !report.turning_point) report.turning_point = extremal_point(used, means, turn == Turn::kLowest);
  report.held_out = predict_held_out(used, model, options.num_held_out);
  for (const double scale : options.forecast_scales)
    report.forecasts.push_back(forecast(report.curves, scale, is_fraction(used)));
  report.power = power_of(used, report.judgement);
  return report;
}

/// The slopes of the families that a ladder pools, each from its own report.
std::optional<RandomEffects> combine_families(const Ladder& pooled, const std::vector<CurveReport>& reports) {
  std::vector<Estimate> slopes;
  for (const CurveReport& report : reports) {
    const Ladder& one = report.ladder;
    const bool is_pooled = one.family != kPooled && one.points.size() >= kFewestPooledPoints &&
                           one.metric.name == pooled.metric.name && one.task == pooled.task &&
                           one.condition == pooled.condition;
    if (is_pooled && report.judgement.slope_per_decade) slopes.push_back(*report.judgement.slope_per_decade);
  }
  return slopes.size() < 2 ? std::nullopt : std::optional(combine_groups(slopes));
}

/// Calls task(0 … count - 1) on several threads; the first exception is thrown again.
template <class Task>
void for_each_on_threads(std::size_t count, int num_threads, const Task& task) {
  std::atomic<std::size_t> next{0};
  std::exception_ptr error;
  std::mutex mutex;
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        task(i);
      } catch (...) {
        const std::scoped_lock lock(mutex);
        if (!error) error = std::current_exception();
      }
    }
  };
  const auto wanted = num_threads > 0 ? static_cast<std::size_t>(num_threads)
                                      : static_cast<std::size_t>(std::max(1u, std::thread::hardware_concurrency()));
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 1; t < std::min(wanted, count); ++t) threads.emplace_back(work);
    work();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace

std::vector<CurveReport> make_reports(std::vector<Ladder> ladders, const ReportOptions& options) {
  std::vector<CurveReport> reports(ladders.size());
  for_each_on_threads(ladders.size(), options.num_threads,
                      [&](std::size_t i) { reports[i] = make_report(std::move(ladders[i]), options); });
  for (CurveReport& report : reports)
    if (report.ladder.family == kPooled) report.families = combine_families(report.ladder, reports);
  std::map<std::string, std::vector<CurveReport*>> by_metric;
  for (CurveReport& report : reports) by_metric[report.ladder.metric.name].push_back(&report);
  for (const auto& [metric, group] : by_metric) {
    std::vector<double> p_values;
    for (const CurveReport* report : group) p_values.push_back(report->judgement.p_value);
    const auto holm = adjust_holm(p_values), benjamini_hochberg = adjust_benjamini_hochberg(p_values);
    for (std::size_t i = 0; i < group.size(); ++i) {
      group[i]->p_holm = holm[i];
      group[i]->p_benjamini_hochberg = benjamini_hochberg[i];
      constexpr double kLevel = 0.05;  // of the verdict's own test
      if (p_values[i] < kLevel && holm[i] >= kLevel) {
        group[i]->ladder.notes.push_back(
            fmt::format("the verdict is not shown among all {} curves of the metric together: p (Holm) is {:.2g}",
                        group.size(), holm[i]));
      }
    }
  }
  return reports;
}

Comparison compare(const Ladder& a, const Ladder& b, bool match_scales, const ReportOptions& options) {
  Comparison result{.difference = subtract(a, b, match_scales), .p_mean = kNan, .p_slope = kNan};
  const Ladder& difference = result.difference;
  const std::vector<ScalingPoint> points = difference.scaling_points();
  if (points.empty()) return result;
  std::vector<double> means;
  if (!difference.values.empty())
    means = bootstrap_means(difference.values, static_cast<int>(points.size()), options.num_replicates, options.seed);
  const std::size_t n = points.size();
  for (std::size_t i = 0; i < n; ++i) {
    const Estimate normal = normal_estimate(points[i].value, points[i].standard_error, kInfinity);
    const Estimate resampled = percentile_interval(points[i].value, column(means, i, n));
    result.at_each_scale.push_back(resampled.standard_error > 0 ? resampled : normal);
  }
  double mean = 0, variance = 0, mean_square = 0;
  for (std::size_t i = 0; i < n; ++i) {
    mean += points[i].value / static_cast<double>(n);
    mean_square += points[i].standard_error * points[i].standard_error / static_cast<double>(n);
    for (std::size_t j = 0; j < n && !difference.covariance.empty(); ++j)
      variance += difference.covariance[i * n + j] / static_cast<double>(n * n);
  }
  if (difference.covariance.empty()) variance = mean_square / static_cast<double>(n);
  if (!(variance > 0)) return result;
  result.mean = normal_estimate(mean, std::sqrt(variance), kInfinity);
  result.p_mean = 2 * student_upper_tail(std::abs(mean) / std::sqrt(variance), kInfinity);

  std::vector<ScalingPoint> equal = points;
  for (ScalingPoint& point : equal) point.standard_error = std::sqrt(mean_square);
  const Polynomial line = fit_polynomial(equal, Degree::kLine, difference.covariance);
  if (line.status != LeastSquaresStatus::kSolved || line.degrees_of_freedom == 0) return result;
  const double error = std::sqrt(line.covariance[3]), slope = line.coefficients[1];
  const double degrees_of_freedom = scatter_degrees_of_freedom(line.scatter, line.degrees_of_freedom);
  result.slope = normal_estimate(slope, error, degrees_of_freedom);
  if (error > 0) result.p_slope = 2 * student_upper_tail(std::abs(slope) / error, degrees_of_freedom);
  return result;
}

}  // namespace catenary::analysis
