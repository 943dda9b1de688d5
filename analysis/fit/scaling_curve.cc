#include "catenary/analysis/scaling_curve.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "catenary/base/check.h"

namespace catenary::analysis {
namespace {

int num_coefficients(Curve curve) {
  return static_cast<int>(curve) + 1;
}

std::vector<double> powers(double u, std::size_t count) {
  std::vector<double> result(count, 1.0);
  for (std::size_t i = 1; i < count; ++i) result[i] = result[i - 1] * u;
  return result;
}

/// `gradient` [k]: the derivative of the number by each coefficient.
double standard_error(const FittedCurve& fit, const std::vector<double>& gradient) {
  const std::size_t k = gradient.size();
  double variance = 0;
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t j = 0; j < k; ++j) variance += gradient[i] * fit.covariance[i * k + j] * gradient[j];
  return std::sqrt(std::max(0.0, variance));
}

/// sum_i gradient_i b_i
Estimate linear_estimate(const FittedCurve& fit, const std::vector<double>& gradient) {
  double value = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) value += gradient[i] * fit.coefficients[i];
  const double error = standard_error(fit, gradient);
  const double half_width = error > 0 ? student_quantile(0.975, fit.degrees_of_freedom) * error : 0;
  return {value, error, value - half_width, value + half_width};
}

}  // namespace

std::string_view to_string(Curve curve) {
  switch (curve) {
    case Curve::kConstant:
      return "constant";
    case Curve::kLine:
      return "line";
    case Curve::kParabola:
      return "parabola";
  }
  check(false, "a curve");
  return {};
}

FittedCurve fit_curve(std::span<const ScalingPoint> points, Curve curve) {
  double center = 0;
  for (const ScalingPoint& point : points) center += std::log10(point.scale) / static_cast<double>(points.size());
  const int k = num_coefficients(curve);
  std::vector<double> design, values, standard_errors;
  for (const ScalingPoint& point : points) {
    for (double power : powers(std::log10(point.scale) - center, k)) design.push_back(power);
    values.push_back(point.value);
    standard_errors.push_back(point.standard_error);
  }
  LeastSquaresFit solution = solve_least_squares(design, k, values, standard_errors);
  double scatter = 1;
  if (solution.degrees_of_freedom > 0 && solution.chi_square > solution.degrees_of_freedom)
    scatter = std::sqrt(solution.chi_square / solution.degrees_of_freedom);
  for (double& element : solution.covariance) element *= scatter * scatter;
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  return {.curve = curve,
          .status = solution.status,
          .center = center,
          .coefficients = std::move(solution.coefficients),
          .covariance = std::move(solution.covariance),
          .chi_square = solution.chi_square,
          .degrees_of_freedom = solution.degrees_of_freedom,
          .scatter = scatter,
          .aic = kNan,
          .aicc = kNan,
          .akaike_weight = kNan};
}

std::vector<FittedCurve> fit_curves(std::span<const ScalingPoint> points) {
  std::vector<FittedCurve> fits;
  for (Curve curve : {Curve::kConstant, Curve::kLine, Curve::kParabola}) fits.push_back(fit_curve(points, curve));
  const double n = static_cast<double>(points.size());
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto criterion = [n](const FittedCurve& fit) { return n >= 5 ? fit.aicc : fit.aic; };
  double best = kInfinity, sum = 0;
  for (FittedCurve& fit : fits) {
    if (fit.status != LeastSquaresStatus::kSolved) continue;
    const double k = num_coefficients(fit.curve);
    fit.aic = fit.chi_square + 2 * k;
    fit.aicc = n > k + 1 ? fit.aic + 2 * k * (k + 1) / (n - k - 1) : kInfinity;
    best = std::min(best, criterion(fit));
  }
  for (FittedCurve& fit : fits) {
    fit.akaike_weight = fit.status == LeastSquaresStatus::kSolved ? std::exp(-0.5 * (criterion(fit) - best)) : 0;
    sum += fit.akaike_weight;
  }
  if (sum > 0)
    for (FittedCurve& fit : fits) fit.akaike_weight /= sum;
  return fits;
}

Estimate predict(const FittedCurve& fit, double scale) {
  check(fit.status == LeastSquaresStatus::kSolved, "a curve that could be fitted");
  return linear_estimate(fit, powers(std::log10(scale) - fit.center, fit.coefficients.size()));
}

Estimate change(const FittedCurve& fit, double from_scale, double to_scale) {
  check(fit.status == LeastSquaresStatus::kSolved, "a curve that could be fitted");
  const std::vector<double> from = powers(std::log10(from_scale) - fit.center, fit.coefficients.size());
  std::vector<double> gradient = powers(std::log10(to_scale) - fit.center, fit.coefficients.size());
  for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] -= from[i];
  return linear_estimate(fit, gradient);
}

Estimate turning_point(const FittedCurve& parabola) {
  check(parabola.status == LeastSquaresStatus::kSolved && parabola.curve == Curve::kParabola, "a fitted parabola");
  const double b1 = parabola.coefficients[1], b2 = parabola.coefficients[2];
  const double u = -b1 / (2 * b2);
  const double error = standard_error(parabola, {0, -1 / (2 * b2), b1 / (2 * b2 * b2)});
  const double half_width = error > 0 ? student_quantile(0.975, parabola.degrees_of_freedom) * error : 0;
  const auto scale = [&](double decades) { return std::pow(10.0, parabola.center + decades); };
  return {scale(u), std::log(10.0) * scale(u) * error, scale(u - half_width), scale(u + half_width)};
}

}  // namespace catenary::analysis
