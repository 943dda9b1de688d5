#include "catenary/analysis/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "catenary/base/check.h"

namespace catenary::analysis {
namespace {

constexpr double kLevel = 0.05;

// ---- the points ---------------------------------------------------------------------------------------------------

std::string describe(std::size_t index, const ScalingPoint& point) {
  return fmt::format("point {} (scale {:g}, value {:g}, standard error {:g})", index, point.scale, point.value,
                     point.standard_error);
}

std::string_view find_fault(const ScalingPoint& point) {
  if (!std::isfinite(point.scale) || point.scale <= 0) return "the scale must be a positive number";
  if (!std::isfinite(point.value)) return "the value is not a finite number";
  if (!std::isfinite(point.standard_error) || point.standard_error <= 0)
    return "the standard error must be a positive number (proportion_standard_error gives one for 0 % and 100 %)";
  return {};
}

ScalingPoint merged(const ScalingPoint& a, const ScalingPoint& b) {
  const double weight_a = 1 / (a.standard_error * a.standard_error),
               weight_b = 1 / (b.standard_error * b.standard_error);
  return {.scale = a.scale,
          .value = (weight_a * a.value + weight_b * b.value) / (weight_a + weight_b),
          .standard_error = 1 / std::sqrt(weight_a + weight_b),
          .n = a.n + b.n};
}

/// One part in 400,000: a difference that no ladder means, but enough to keep the fits well conditioned.
bool same_scale(double a, double b) {
  return std::abs(std::log10(a / b)) < 1e-6;
}

/// Valid points of distinct scales, smallest first.
std::vector<ScalingPoint> usable_points(std::span<const ScalingPoint> points, std::vector<std::string>& problems) {
  double largest_error = 0;
  for (const ScalingPoint& point : points)
    if (find_fault(point).empty()) largest_error = std::max(largest_error, point.standard_error);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::string_view fault = find_fault(points[i]);
    if (fault.empty() && points[i].standard_error < 1e-6 * largest_error)
      fault = "its standard error is less than a millionth of the largest one";
    if (fault.empty())
      order.push_back(i);
    else
      problems.push_back(fmt::format("{} left out: {}", describe(i, points[i]), fault));
  }
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return points[i].scale; });

  std::vector<ScalingPoint> usable;
  for (std::size_t j = 0; j < order.size(); ++j) {
    const ScalingPoint& point = points[order[j]];
    if (usable.empty() || !same_scale(usable.back().scale, point.scale)) {
      usable.push_back(point);
      continue;
    }
    const bool repeated = std::any_of(order.begin(), order.begin() + j, [&](std::size_t i) {
      return same_scale(points[i].scale, point.scale) && points[i].value == point.value &&
             points[i].standard_error == point.standard_error;
    });
    if (repeated) {
      problems.push_back(fmt::format("{} left out: an earlier point is the same", describe(order[j], point)));
    } else {
      usable.back() = merged(usable.back(), point);
      problems.push_back(fmt::format("{} merged with the other points of its scale", describe(order[j], point)));
    }
  }
  return usable;
}

// ---- differences and arms -----------------------------------------------------------------------------------------

Estimate with_interval(double value, double standard_error, double quantile) {
  return {value, standard_error, value - quantile * standard_error, value + quantile * standard_error};
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const double kNormal975 = student_quantile(0.975, kInfinity);

Estimate difference(const ScalingPoint& from, const ScalingPoint& to) {
  return with_interval(to.value - from.value, std::hypot(from.standard_error, to.standard_error), kNormal975);
}

/// Degrees of freedom of an error whose square is 1 (known) + scatter^2 - 1 (estimated with `degrees_of_freedom`).
double satterthwaite(const FittedCurve& fit) {
  const double s2 = fit.scatter * fit.scatter;
  return s2 > 1 ? fit.degrees_of_freedom * s2 * s2 / ((s2 - 1) * (s2 - 1)) : kInfinity;
}

/// Slope per decade of the line through the points, its error times the scatter of `background`.
Estimate slope(std::span<const ScalingPoint> points, const FittedCurve& background) {
  const FittedCurve line = fit_curve(points, Curve::kLine);
  const double error = std::sqrt(line.covariance[3]) / line.scatter * background.scatter;
  return with_interval(line.coefficients[1], error, student_quantile(0.975, satterthwaite(background)));
}

/// In standard errors, the weaker arm of a turn: positive if first down, then up (sign = 1) or first up, then down
/// (sign = -1).
double weaker_arm(const Arms& arms, double sign) {
  return std::min(-sign * arms.slope_before.value / arms.slope_before.standard_error,
                  sign * arms.slope_after.value / arms.slope_after.standard_error);
}

std::vector<Arms> all_arms(std::span<const ScalingPoint> points, const FittedCurve& parabola) {
  std::vector<Arms> result;
  for (std::size_t i = 1; i + 1 < points.size(); ++i)
    result.push_back({points[i].scale, slope(points.first(i + 1), parabola), slope(points.subspan(i), parabola)});
  return result;
}

/// Rule 2a.
bool arms_turn(std::span<const Arms> all, const FittedCurve& parabola, double sign) {
  const double num_splits = static_cast<double>(all.size());
  if (num_splits < 3) return false;
  const double level = kLevel / std::max(2.0, std::log2(num_splits));
  const double threshold = student_quantile(1 - level, satterthwaite(parabola));
  return std::ranges::any_of(all, [&](const Arms& arms) { return weaker_arm(arms, sign) > threshold; });
}

/// Rule 2b: an interior point lies below both ends (sign = 1) or above both (sign = -1) by more than `large_change`.
bool ends_tower(std::span<const ScalingPoint> points, double large_change, double sign) {
  const double threshold = student_quantile(1 - kLevel / (2 * (static_cast<double>(points.size()) - 2)), kInfinity);
  const auto towers = [&](const ScalingPoint& end, const ScalingPoint& interior) {
    const Estimate height = difference(interior, end);
    return sign * height.value - large_change > threshold * height.standard_error;
  };
  return std::any_of(points.begin() + 1, points.end() - 1, [&](const ScalingPoint& interior) {
    return towers(points.front(), interior) && towers(points.back(), interior);
  });
}

/// Rule 4 for one number: its 90 % interval lies inside ± margin.
bool is_negligible(const Estimate& estimate, double degrees_of_freedom, double margin) {
  if (degrees_of_freedom == 0) return false;
  return std::abs(estimate.value) + student_quantile(1 - kLevel, degrees_of_freedom) * estimate.standard_error < margin;
}

const ScalingPoint* find_extremal(std::span<const ScalingPoint> points) {
  const ScalingPoint* extremal = nullptr;
  double furthest = 0;
  for (std::size_t i = 1; i + 1 < points.size(); ++i) {
    const double to_first = points.front().value - points[i].value, to_last = points.back().value - points[i].value;
    if (to_first * to_last <= 0) continue;
    const double beyond = std::min(std::abs(to_first), std::abs(to_last));
    if (beyond > furthest) {
      furthest = beyond;
      extremal = &points[i];
    }
  }
  return extremal;
}

std::string text(const Estimate& estimate) {
  return fmt::format("{:+.3g} (95 % interval {:+.3g} to {:+.3g})", estimate.value, estimate.low, estimate.high);
}

// ---- the verdict, given the evidence ------------------------------------------------------------------------------

struct Decision {
  Verdict verdict;
  std::string reason;
};

Decision decide(std::span<const ScalingPoint> points, const Judgement& evidence, std::span<const Arms> all,
                Direction direction, const JudgeOptions& options) {
  const FittedCurve& line = evidence.curves[1];
  const FittedCurve& parabola = evidence.curves[2];
  const bool higher_is_better = direction == Direction::kHigherIsBetter;

  const bool arms_down_up = arms_turn(all, parabola, 1), arms_up_down = arms_turn(all, parabola, -1);
  const bool down_up = arms_down_up || ends_tower(points, options.large_change, 1);
  const bool up_down = arms_up_down || ends_tower(points, options.large_change, -1);
  if (down_up && up_down) return {Verdict::kInconclusive, "the values turn more than once"};
  if (down_up || up_down) {
    const Verdict verdict = down_up == higher_is_better ? Verdict::kUShaped : Verdict::kInvertedU;
    const std::string_view shape = down_up ? "falls, then rises" : "rises, then falls";
    if (!arms_down_up && !arms_up_down)
      return {verdict,
              fmt::format("the value {}, each by more than {:g} beyond the items' error", shape, options.large_change)};
    return {verdict, fmt::format("the value {}: slope per decade {} up to scale {:.3g}, {} from there", shape,
                                 text(evidence.arms->slope_before), evidence.arms->split_scale,
                                 text(evidence.arms->slope_after))};
  }

  const FittedCurve& trend = evidence.selected == Curve::kParabola ? parabola : line;
  const double first = points.front().scale, last = points.back().scale;
  const Estimate total = change(trend, first, last);
  const Estimate ends = difference(points.front(), points.back());
  const bool is_significant = total.low > 0 || total.high < 0;
  const bool is_large = std::abs(ends.value) - options.large_change > kNormal975 * ends.standard_error;
  if (is_significant || is_large) {
    const Estimate& shown = is_significant ? total : ends;
    return {(shown.value > 0) == higher_is_better ? Verdict::kPositive : Verdict::kInverse,
            fmt::format("the value changes by {} over the range ({})", text(shown),
                        is_significant ? to_string(trend.curve) : "end points")};
  }

  const double half_range = 0.5 * std::log10(last / first);
  const double squared = half_range * half_range;
  const Estimate bend{parabola.coefficients[2] * squared, std::sqrt(parabola.covariance[8]) * squared, 0, 0};
  if (is_negligible(change(line, first, last), line.degrees_of_freedom, options.flat_margin) &&
      is_negligible(bend, parabola.degrees_of_freedom, options.flat_margin))
    return {Verdict::kFlat,
            fmt::format("any change over the range is smaller than {:g}: {}", options.flat_margin, text(total))};
  return {Verdict::kInconclusive,
          fmt::format("neither a change nor its absence is shown: {} over the range", text(total))};
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPositive:
      return "positive";
    case Verdict::kInverse:
      return "inverse";
    case Verdict::kUShaped:
      return "u_shaped";
    case Verdict::kInvertedU:
      return "inverted_u";
    case Verdict::kFlat:
      return "flat";
    case Verdict::kInconclusive:
      return "inconclusive";
  }
  check(false, "a verdict");
  return {};
}

Judgement judge(std::span<const ScalingPoint> input, Direction direction, const JudgeOptions& options) {
  Judgement result;
  const std::vector<ScalingPoint> points = usable_points(input, result.problems);
  result.num_scales = static_cast<int>(points.size());
  result.verdict = Verdict::kInconclusive;
  result.reason = fmt::format("a verdict needs 3 distinct scales, and there {} {}", points.size() == 1 ? "is" : "are",
                              points.size());
  if (points.empty()) return result;

  result.curves = fit_curves(points);
  const FittedCurve& selected = *std::ranges::max_element(result.curves, {}, &FittedCurve::akaike_weight);
  result.selected = selected.curve;
  if (points.size() < 2) return result;

  const FittedCurve& line = result.curves[1];
  const double decades = std::log10(points.back().scale / points.front().scale);
  const Estimate total = change(line, points.front().scale, points.back().scale);
  result.slope_per_decade =
      Estimate{total.value / decades, total.standard_error / decades, total.low / decades, total.high / decades};
  const auto effect = [](const ScalingPoint& from, const ScalingPoint& to) {
    return Effect{from.scale, to.scale, difference(from, to)};
  };
  result.smallest_to_largest = effect(points.front(), points.back());
  if (points.size() < 3) return result;

  if (const ScalingPoint* extremal = find_extremal(points)) {
    result.smallest_to_extremal = effect(points.front(), *extremal);
    result.extremal_to_largest = effect(*extremal, points.back());
  }
  if (selected.curve == Curve::kParabola) {
    const Estimate turn = turning_point(selected);
    if (turn.value > points.front().scale && turn.value < points.back().scale) result.turning_point = turn;
  }
  std::vector<Arms> all;
  if (points.size() > 3) {
    all = all_arms(points, result.curves[2]);
    result.arms = *std::ranges::max_element(
        all, {}, [](const Arms& arms) { return std::max(weaker_arm(arms, 1), weaker_arm(arms, -1)); });
  }
  Decision decision = decide(points, result, all, direction, options);
  result.verdict = decision.verdict;
  result.reason = std::move(decision.reason);
  return result;
}

}  // namespace catenary::analysis
