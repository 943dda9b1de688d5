#include "catenary/analysis/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "catenary/analysis/estimate_text.h"
#include "catenary/analysis/isotonic.h"
#include "catenary/base/check.h"
#include "catenary/base/short_number.h"

namespace catenary::analysis {
namespace {

constexpr double kLevel = 0.05;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

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

/// One part in 400,000: a difference that no ladder means, but enough to keep the fits well conditioned.
bool same_scale(double a, double b) {
  return std::abs(std::log10(a / b)) < 1e-6;
}

/// Valid points of distinct scales, smallest first, and the covariance of their values under the sampling of items.
struct Measured {
  std::vector<ScalingPoint> points;
  std::vector<double> covariance;  // [n, n]; empty: the points are independent

  std::size_t size() const { return points.size(); }
  const ScalingPoint& operator[](std::size_t i) const { return points[i]; }
  double covariance_of(std::size_t i, std::size_t j) const {
    if (!covariance.empty()) return covariance[i * points.size() + j];
    return i == j ? points[i].standard_error * points[i].standard_error : 0;
  }

  /// Points [first, first + count).
  Measured part(std::size_t first, std::size_t count) const {
    Measured result{{points.begin() + first, points.begin() + first + count}, {}};
    for (std::size_t i = first; i < first + count && !covariance.empty(); ++i)
      for (std::size_t j = first; j < first + count; ++j) result.covariance.push_back(covariance_of(i, j));
    return result;
  }
};

Measured usable_points(std::span<const ScalingPoint> input, std::span<const double> item_covariance,
                       std::vector<std::string>& problems) {
  double largest_error = 0;
  for (const ScalingPoint& point : input)
    if (find_fault(point).empty()) largest_error = std::max(largest_error, point.standard_error);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < input.size(); ++i) {
    std::string_view fault = find_fault(input[i]);
    if (fault.empty() && input[i].standard_error < 1e-6 * largest_error)
      fault = "its standard error is less than a millionth of the largest one";
    if (fault.empty())
      order.push_back(i);
    else
      problems.push_back(fmt::format("{} left out: {}", describe(i, input[i]), fault));
  }
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return input[i].scale; });

  std::vector<std::vector<std::size_t>> groups;  // input points of one scale
  for (const std::size_t i : order) {
    if (groups.empty() || !same_scale(input[groups.back().front()].scale, input[i].scale)) {
      groups.push_back({i});
      continue;
    }
    const bool repeated = std::ranges::any_of(groups.back(), [&](std::size_t j) {
      return input[j].value == input[i].value && input[j].standard_error == input[i].standard_error;
    });
    problems.push_back(
        fmt::format("{} {}", describe(i, input[i]),
                    repeated ? "left out: an earlier point is the same" : "merged with the other points of its scale"));
    if (!repeated) groups.back().push_back(i);
  }

  // A scale's value is the mean of its points, weighted by 1 / standard_error^2.
  Measured usable;
  std::vector<std::vector<double>> weights;
  for (const auto& members : groups) {
    ScalingPoint point{input[members.front()].scale, 0, 0, 0};
    double sum = 0;
    for (const std::size_t i : members) sum += 1 / (input[i].standard_error * input[i].standard_error);
    weights.emplace_back();
    for (const std::size_t i : members) {
      weights.back().push_back(1 / (input[i].standard_error * input[i].standard_error) / sum);
      point.value += weights.back().back() * input[i].value;
      point.n += input[i].n;
    }
    point.standard_error = 1 / std::sqrt(sum);
    usable.points.push_back(point);
  }
  if (item_covariance.empty()) return usable;
  for (std::size_t a = 0; a < groups.size(); ++a)
    for (std::size_t b = 0; b < groups.size(); ++b) {
      double covariance = 0;
      for (std::size_t i = 0; i < groups[a].size(); ++i)
        for (std::size_t j = 0; j < groups[b].size(); ++j)
          covariance += weights[a][i] * weights[b][j] * item_covariance[groups[a][i] * input.size() + groups[b][j]];
      usable.covariance.push_back(covariance);
      if (a == b) usable.points[a].standard_error = std::sqrt(covariance);
    }
  return usable;
}

// ---- differences and arms -----------------------------------------------------------------------------------------

Estimate with_interval(double value, double standard_error, double quantile) {
  return {value, standard_error, value - quantile * standard_error, value + quantile * standard_error};
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNormal975 = 1.959963984540054;  // quantile of the normal distribution

Estimate difference(const Measured& points, std::size_t from, std::size_t to) {
  const double variance =
      points.covariance_of(from, from) + points.covariance_of(to, to) - 2 * points.covariance_of(from, to);
  return with_interval(points[to].value - points[from].value, std::sqrt(std::max(0.0, variance)), kNormal975);
}

double satterthwaite(const Polynomial& fit) {
  return scatter_degrees_of_freedom(fit.scatter, fit.degrees_of_freedom);
}

/// Slope per decade of the line through the points, its error times the scatter of `background`.
Estimate slope(const Measured& measured, const Polynomial& background) {
  const Polynomial line = fit_polynomial(measured.points, Degree::kLine, measured.covariance);
  const double error = std::sqrt(line.covariance[3]) / line.scatter * background.scatter;
  return with_interval(line.coefficients[1], error, student_quantile(0.975, satterthwaite(background)));
}

/// In standard errors, the weaker arm of a turn: positive if first down, then up (sign = 1) or first up, then down
/// (sign = -1).
double weaker_arm(const Arms& arms, double sign) {
  return std::min(-sign * arms.slope_before.value / arms.slope_before.standard_error,
                  sign * arms.slope_after.value / arms.slope_after.standard_error);
}

std::vector<Arms> all_arms(const Measured& points, const Polynomial& parabola) {
  std::vector<Arms> result;
  for (std::size_t i = 1; i + 1 < points.size(); ++i)
    result.push_back(
        {points[i].scale, slope(points.part(0, i + 1), parabola), slope(points.part(i, points.size() - i), parabola)});
  return result;
}

/// Rule 2a: the p-value of the best split for a turn of this sign, corrected for the number of splits; 1 if there are
/// too few.
double arms_p_value(std::span<const Arms> all, const Polynomial& parabola, double sign) {
  const double num_splits = static_cast<double>(all.size());
  if (num_splits < 3) return 1;
  double strongest = 0;
  for (const Arms& arms : all) strongest = std::max(strongest, weaker_arm(arms, sign));
  return std::min(1.0, student_upper_tail(strongest, satterthwaite(parabola)) * std::max(2.5, std::log2(num_splits)));
}

/// How models scatter about the nearest values of a shape: the variance that the items' error leaves over, and how many
/// degrees of freedom that is known from.
struct Scatter {
  double variance, degrees_of_freedom;

  /// Two-sided, of a difference between two points that exceeds what is to be exceeded by `beyond`. Satterthwaite's
  /// degrees of freedom: only the models' part is estimated.
  double p_value(double beyond, double standard_error) const {
    if (!(beyond > 0)) return 1;
    const double from_items = standard_error * standard_error, from_models = 2 * variance;
    const double all = from_items + from_models;
    const double known_from = from_models > 0 ? degrees_of_freedom * std::pow(all / from_models, 2) : kInfinity;
    return 2 * student_upper_tail(beyond / std::sqrt(all), known_from);
  }
};

constexpr Scatter kNoScatter{0, kInfinity};

/// The models' variance with which what is left of the points' chi-square about the shape is what its degrees of
/// freedom lead one to expect (R. C. Paule, J. Mandel, J. Res. Natl. Bur. Stand. 87 (1982) 377). Items that all models
/// answer move all points alike, which no difference between points sees.
Scatter scatter_about(const Measured& measured, Shape shape) {
  const std::size_t n = measured.size();
  double common = 0;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j)
      common += measured.covariance_of(i, j) / (0.5 * static_cast<double>(n) * static_cast<double>(n - 1));
  struct About {
    double chi_square, degrees_of_freedom;
    bool is_too_far() const { return degrees_of_freedom > 0 && chi_square > degrees_of_freedom; }
  };
  const auto about = [&](double variance) {
    std::vector<ScalingPoint> points = measured.points;
    for (std::size_t i = 0; i < n; ++i) {
      const double own = measured.covariance_of(i, i);
      points[i].standard_error = std::sqrt(std::max(own - common, 1e-3 * own) + variance);
    }
    const ShapeFit fit = fit_shape(points, shape);
    return About{fit.chi_square, static_cast<double>(n) - fit.num_levels};
  };
  if (!about(0).is_too_far()) return kNoScatter;
  const auto [least, most] = std::ranges::minmax(measured.points, {}, &ScalingPoint::value);
  double low = 0, high = std::pow(most.value - least.value, 2);
  constexpr int kHalvings = 20;  // to a millionth
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = 0.5 * (low + high);
    (about(middle).is_too_far() ? low : high) = middle;
  }
  return {high, std::max(1.0, about(high).degrees_of_freedom)};
}

/// Rule 2b: the p-value of an interior point that lies below both ends (sign = 1) or above both (sign = -1) by more
/// than `large_change`, corrected for the number of points; 1 if there is none.
double towers_p_value(const Measured& points, double large_change, double sign, const Scatter& scatter) {
  double smallest = 1;
  for (std::size_t i = 1; i + 1 < points.size(); ++i) {
    double weaker = 0;
    for (const std::size_t end : {std::size_t{0}, points.size() - 1}) {
      const Estimate height = difference(points, i, end);
      weaker = std::max(weaker, scatter.p_value(sign * height.value - large_change, height.standard_error));
    }
    smallest = std::min(smallest, weaker);
  }
  const double num_interior = static_cast<double>(points.size()) - 2;
  return std::min(1.0, smallest * num_interior);
}

/// Rule 4 for one number: its 90 % interval lies inside ± margin.
bool is_negligible(const Estimate& estimate, double degrees_of_freedom, double margin) {
  if (degrees_of_freedom == 0) return false;
  return std::abs(estimate.value) + student_quantile(1 - kLevel, degrees_of_freedom) * estimate.standard_error < margin;
}

/// The interior point furthest beyond both ends.
std::optional<std::size_t> find_extremal(const Measured& points) {
  std::optional<std::size_t> extremal;
  double furthest = 0;
  for (std::size_t i = 1; i + 1 < points.size(); ++i) {
    const double to_first = points[0].value - points[i].value,
                 to_last = points[points.size() - 1].value - points[i].value;
    if (to_first * to_last <= 0) continue;
    const double beyond = std::min(std::abs(to_first), std::abs(to_last));
    if (beyond > furthest) {
      furthest = beyond;
      extremal = i;
    }
  }
  return extremal;
}

std::string text(const Estimate& estimate) {
  if (!std::isfinite(estimate.low))
    return fmt::format("{:+.3g} (no interval: so few points fit exactly)",
                       std::abs(estimate.value) < 1e-12 ? 0.0 : estimate.value);  // sums leave 1e-16 where nothing is
  return interval_text(estimate, "95 % interval ");
}

// ---- the verdict, given the evidence ------------------------------------------------------------------------------

/// Rule 2: p-values of a turn down and up, and of one up and down.
struct TurnPValues {
  double arms_down_up, arms_up_down;
  double towers_down_up, towers_up_down;
  bool turns_twice;  // by 2b, did models not scatter, in both directions

  double down_up() const { return std::min(arms_down_up, towers_down_up); }
  double up_down() const { return std::min(arms_up_down, towers_up_down); }
};

struct Decision {
  Verdict verdict;
  double p_value;
  std::string reason;
};

Decision decide(const Measured& points, const Judgement& evidence, const TurnPValues& turns, Direction direction,
                const JudgeOptions& options) {
  const Polynomial& line = evidence.polynomials[1];
  const Polynomial& parabola = evidence.polynomials[2];
  const bool higher_is_better = direction == Direction::kHigherIsBetter;

  const bool down_up = turns.down_up() < kLevel, up_down = turns.up_down() < kLevel;
  if (down_up && up_down) return {Verdict::kInconclusive, kNan, "the values turn more than once"};
  if (down_up || up_down) {
    const Verdict verdict = down_up == higher_is_better ? Verdict::kUShaped : Verdict::kInvertedU;
    const std::string_view shape = down_up ? "falls, then rises" : "rises, then falls";
    const double p_value = down_up ? turns.down_up() : turns.up_down();
    if ((down_up ? turns.arms_down_up : turns.arms_up_down) >= kLevel)
      return {verdict, p_value,
              fmt::format("the value {}, each by more than {:g} beyond its error", shape, options.large_change)};
    return {verdict, p_value,
            fmt::format("the value {}: slope per decade {} up to {}, {} from there", shape,
                        text(evidence.arms->slope_before), short_number(evidence.arms->split_scale),
                        text(evidence.arms->slope_after))};
  }

  const Polynomial& trend = evidence.selected == Degree::kParabola ? parabola : line;
  const double first = points[0].scale, last = points[points.size() - 1].scale;
  const Estimate total = change(trend, first, last);
  const Estimate ends = difference(points, 0, points.size() - 1);
  const double p_total = total.standard_error > 0
                             ? 2 * student_upper_tail(std::abs(total.value) / total.standard_error,
                                                      static_cast<double>(trend.degrees_of_freedom))
                             : 1;
  const double p_ends = scatter_about(points, ends.value > 0 ? Shape::kUp : Shape::kDown)
                            .p_value(std::abs(ends.value) - options.large_change, ends.standard_error);
  if (std::min(p_total, p_ends) < kLevel) {
    const bool is_total = p_total < kLevel;
    const Estimate& shown = is_total ? total : ends;
    std::string reason = fmt::format(
        "the value changes by {} {}", text(shown),
        is_total ? fmt::format("along the fitted {}", to_string(trend.degree)) : "from the first point to the last");
    if (seems_to_turn(evidence)) {
      const std::string odd_one =
          fmt::format("the point at {} lies {} both ends, but no turn is shown (p = {:.2g})",
                      short_number(evidence.smallest_to_extremal->to_scale),
                      evidence.smallest_to_extremal->difference.value < 0 ? "below" : "above", evidence.p_turn);
      // The curve that fits best turns, too, and the arm that is less is no small part: no monotone trend explains
      // that.
      const double arm = std::min(std::abs(evidence.smallest_to_extremal->difference.value),
                                  std::abs(evidence.extremal_to_largest->difference.value));
      if (evidence.turning_point && arm > std::abs(ends.value) / 2)
        return {Verdict::kInconclusive, kNan, odd_one + ", and no monotone trend either"};
      reason += "; " + odd_one;
    }
    return {(shown.value > 0) == higher_is_better ? Verdict::kPositive : Verdict::kInverse, std::min(p_total, p_ends),
            std::move(reason)};
  }

  const double half_range = 0.5 * std::log10(last / first);
  const double squared = half_range * half_range;
  const Estimate bend{parabola.coefficients[2] * squared, std::sqrt(parabola.covariance[8]) * squared, 0, 0};
  if (is_negligible(change(line, first, last), line.degrees_of_freedom, options.flat_margin) &&
      is_negligible(bend, parabola.degrees_of_freedom, options.flat_margin))
    return {Verdict::kFlat, kNan,
            fmt::format("any change over the range is smaller than {:g}: {}", options.flat_margin, text(total))};
  if (turns.turns_twice) return {Verdict::kInconclusive, kNan, "the values turn more than once, or only scatter"};
  return {Verdict::kInconclusive, kNan,
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

bool seems_to_turn(const Judgement& judgement) {
  const auto is_beyond = [](const std::optional<Effect>& effect) {
    return effect && effect->difference.low * effect->difference.high > 0;
  };
  return is_beyond(judgement.smallest_to_extremal) && is_beyond(judgement.extremal_to_largest);
}

Judgement judge(std::span<const ScalingPoint> input, Direction direction, const JudgeOptions& options,
                std::span<const double> item_covariance) {
  check(item_covariance.empty() || item_covariance.size() == input.size() * input.size(),
        "a covariance for each pair of points");
  Judgement result;
  const Measured points = usable_points(input, item_covariance, result.problems);
  result.num_scales = static_cast<int>(points.size());
  result.verdict = Verdict::kInconclusive;
  result.p_value = kNan;
  result.p_turn = kNan;
  result.reason = fmt::format("a verdict needs 3 distinct scales, and there {} {}", points.size() == 1 ? "is" : "are",
                              points.size());
  if (points.size() == 0) return result;

  result.polynomials = fit_polynomials(points.points, points.covariance);
  const Polynomial& selected = *std::ranges::max_element(result.polynomials, {}, &Polynomial::akaike_weight);
  result.selected = selected.degree;
  if (points.size() < 2) return result;

  const std::size_t last = points.size() - 1;
  const Polynomial& line = result.polynomials[1];
  const double decades = std::log10(points[last].scale / points[0].scale);
  const double quantile = line.degrees_of_freedom > 0 ? student_quantile(0.975, satterthwaite(line)) : kInfinity;
  const Estimate total = change(line, points[0].scale, points[last].scale);
  result.slope_per_decade = with_interval(total.value / decades, total.standard_error / decades, quantile);
  const auto effect = [&](std::size_t from, std::size_t to) {
    return Effect{points[from].scale, points[to].scale, difference(points, from, to)};
  };
  result.smallest_to_largest = effect(0, last);
  if (points.size() < 3) return result;

  if (const auto extremal = find_extremal(points)) {
    result.smallest_to_extremal = effect(0, *extremal);
    result.extremal_to_largest = effect(*extremal, last);
  }
  if (selected.degree == Degree::kParabola) {
    const Estimate turn = turning_point(selected);
    if (turn.value > points[0].scale && turn.value < points[last].scale) result.turning_point = turn;
  }
  std::vector<Arms> all;
  if (points.size() > 3) {
    all = all_arms(points, result.polynomials[2]);
    result.arms = *std::ranges::max_element(
        all, {}, [](const Arms& arms) { return std::max(weaker_arm(arms, 1), weaker_arm(arms, -1)); });
  }
  const Polynomial& parabola = result.polynomials[2];
  const auto towers = [&](double sign, const Scatter& scatter) {
    return towers_p_value(points, options.large_change, sign, scatter);
  };
  const TurnPValues turns{.arms_down_up = arms_p_value(all, parabola, 1),
                          .arms_up_down = arms_p_value(all, parabola, -1),
                          .towers_down_up = towers(1, scatter_about(points, Shape::kDownUp)),
                          .towers_up_down = towers(-1, scatter_about(points, Shape::kUpDown)),
                          .turns_twice = std::max(towers(1, kNoScatter), towers(-1, kNoScatter)) < kLevel};
  result.p_turn = std::min(turns.down_up(), turns.up_down());
  Decision decision = decide(points, result, turns, direction, options);
  result.verdict = decision.verdict;
  result.p_value = decision.p_value;
  result.reason = std::move(decision.reason);
  return result;
}

}  // namespace catenary::analysis
