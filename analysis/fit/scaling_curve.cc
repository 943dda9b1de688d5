#include "catenary/analysis/scaling_curve.h"

#include <Eigen/Dense>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "analysis/fit/curve_equation.h"
#include "analysis/fit/tiny_fit.h"
#include "catenary/base/check.h"

namespace catenary::analysis {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// ---- residuals ----------------------------------------------------------------------------------------------------

/// The signed square root of a fraction's deviance, and its derivative by the fitted p; `y` within (0, 1).
double deviance_residual(double y, double n, double p, double* by_p) {
  if (!(p > 0 && p < 1)) return kNan;
  const double slope = std::sqrt(n / (p * (1 - p)));
  double residual = (y - p) * slope;
  if (std::abs(residual) > 1e-4) {
    const double deviance = 2 * n * (y * std::log(y / p) + (1 - y) * std::log((1 - y) / (1 - p)));
    residual = std::copysign(std::sqrt(std::max(0.0, deviance)), y - p);
    if (by_p != nullptr) *by_p = -n * (y - p) / (p * (1 - p)) / residual;
  } else if (by_p != nullptr) {
    *by_p = -slope;
  }
  return residual;
}

/// The residuals in the form that the solver asks for.
struct CurveResiduals {
  using Scalar = double;
  enum { NUM_RESIDUALS = Eigen::Dynamic, NUM_PARAMETERS = Eigen::Dynamic };

  const Equation& equation;
  const Observations& observations;
  const ValueModel& model;

  int NumResiduals() const { return static_cast<int>(observations.u.size()); }
  int NumParameters() const { return equation.num_parameters; }
  bool operator()(const double* parameters, double* residuals, double* jacobian) const {
    std::array<double, kMostParameters> gradient;
    const std::size_t n = observations.u.size();
    for (std::size_t i = 0; i < n; ++i) {
      const double fitted =
          equation.value(parameters, observations.u[i], model, jacobian == nullptr ? nullptr : gradient.data());
      double by_fitted = -observations.weight[i];
      residuals[i] = model.is_proportion
                         ? deviance_residual(observations.y[i], observations.weight[i], fitted, &by_fitted)
                         : (observations.y[i] - fitted) * observations.weight[i];
      if (jacobian == nullptr) continue;
      for (int j = 0; j < equation.num_parameters; ++j)
        jacobian[static_cast<std::size_t>(j) * n + i] = by_fitted * gradient[static_cast<std::size_t>(j)];
    }
    return true;
  }
};

// ---- one curve ----------------------------------------------------------------------------------------------------

void fit_equation(const Equation& equation, std::span<const ScalingPoint> points,
                  std::span<const double> item_covariance, FittedCurve& fit) {
  const Eigen::Index n = std::ssize(points), k = equation.num_parameters;
  fit.degrees_of_freedom = static_cast<int>(n - k);
  fit.status = FitStatus::kUndetermined;
  if (n < k) return;
  const Observations observations(points, fit.center, fit.model);
  const CurveResiduals residuals{equation, observations, fit.model};
  ceres::TinySolver<CurveResiduals> solver;
  // All starts a little way, then the most promising to the end.
  std::vector<std::pair<double, Eigen::VectorXd>> candidates;
  for (const std::vector<double>& start : equation.starts({observations.u, observations.y}, fit.model)) {
    Eigen::VectorXd parameters = Eigen::Map<const Eigen::VectorXd>(start.data(), k);
    if (tiny_minimize(solver, residuals, {.max_num_iterations = 40, .step_tolerance = 1e-3, .initial_trust_region = 1},
                      parameters))
      candidates.emplace_back(solver.summary.final_cost, parameters);
  }
  std::ranges::stable_sort(candidates, {}, [](const auto& candidate) { return candidate.first; });
  Eigen::VectorXd best;
  fit.status = FitStatus::kFailed;
  fit.deviance = kInfinity;
  for (std::size_t i = 0; i < std::min<std::size_t>(candidates.size(), 3); ++i) {
    for (const double trust_region : {1e4, 1.0}) {
      Eigen::VectorXd parameters = candidates[i].second;
      if (!tiny_minimize(solver, residuals,
                         {.max_num_iterations = 200, .step_tolerance = 1e-9, .initial_trust_region = trust_region},
                         parameters))
        continue;
      if (2 * solver.summary.final_cost >= fit.deviance) continue;
      fit.deviance = 2 * solver.summary.final_cost;
      best = parameters;
    }
  }
  if (!std::isfinite(fit.deviance)) return;

  fit.parameters.assign(best.begin(), best.end());
  Eigen::VectorXd at_best(n);
  Eigen::MatrixXd jacobian(n, k), a;
  residuals(best.data(), at_best.data(), jacobian.data());
  constexpr double kNegligible = 1e-12;  // a millionth of a standard error in all
  // Where parameters make up for each other to a millionth, a step between two points, say, the points do not tell
  // them, and what covariances and bands would be computed from is rounding.
  constexpr double kMaxCondition = 1e6;
  fit.status = examine_solution(at_best, jacobian, kNegligible, kMaxCondition, a);
  if (fit.status != FitStatus::kConverged) return;
  Eigen::MatrixXd inverse = a * a.transpose();
  if (!item_covariance.empty()) {
    Eigen::MatrixXd correlation = Eigen::Map<const Eigen::MatrixXd>(item_covariance.data(), n, n);
    const Eigen::VectorXd deviation = correlation.diagonal().cwiseSqrt().cwiseInverse();
    correlation = (deviation.asDiagonal() * correlation * deviation.asDiagonal()).eval();
    const Eigen::MatrixXd residual = Eigen::MatrixXd::Identity(n, n) - jacobian * a;
    const double expected = (residual * correlation * residual.transpose()).trace();
    if (n > k && expected > 0) fit.deviance *= static_cast<double>(n - k) / expected;
    inverse = (a * correlation * a.transpose()).eval();
  }
  if (n > k) fit.scatter = std::max(1.0, std::sqrt(fit.deviance / static_cast<double>(n - k)));
  inverse *= fit.scatter * fit.scatter;
  fit.covariance.assign(inverse.data(), inverse.data() + inverse.size());
}

}  // namespace

bool minimize(const Equation& equation, const Observations& observations, const ValueModel& model,
              std::vector<double>& parameters) {
  const CurveResiduals residuals{equation, observations, model};
  ceres::TinySolver<CurveResiduals> solver;
  const TinyOptions options{.max_num_iterations = 50, .step_tolerance = 1e-5, .initial_trust_region = 1e4};
  Eigen::VectorXd point = Eigen::Map<const Eigen::VectorXd>(parameters.data(), std::ssize(parameters));
  const bool is_found = tiny_minimize(solver, residuals, options, point);
  parameters.assign(point.begin(), point.end());
  return is_found && solver.summary.iterations < options.max_num_iterations;
}

std::string_view to_string(Curve curve) {
  switch (curve) {
    case Curve::kConstant:
      return "constant";
    case Curve::kLine:
      return "line";
    case Curve::kQuadratic:
      return "quadratic";
    case Curve::kPowerLaw:
      return "power_law";
    case Curve::kLogistic:
      return "logistic";
    case Curve::kBrokenOnce:
      return "broken_power_law_1";
    case Curve::kBrokenTwice:
      return "broken_power_law_2";
  }
  check(false, "a curve");
  return {};
}

FittedCurve fit_curve(std::span<const ScalingPoint> points, Curve curve, const ValueModel& model,
                      std::span<const double> item_covariance) {
  check(!points.empty() && (item_covariance.empty() || item_covariance.size() == points.size() * points.size()),
        "points, and a covariance for each pair");
  FittedCurve fit{.curve = curve,
                  .model = model,
                  .status = FitStatus::kFailed,
                  .center = 0,
                  .parameters = {},
                  .covariance = {},
                  .deviance = kNan,
                  .degrees_of_freedom = 0,
                  .scatter = 1,
                  .aic = kNan,
                  .aicc = kNan,
                  .akaike_weight = 0};
  for (const ScalingPoint& point : points) fit.center += std::log10(point.scale) / static_cast<double>(points.size());
  fit_equation(equation_of(curve, model), points, item_covariance, fit);
  return fit;
}

std::vector<FittedCurve> fit_curves(std::span<const ScalingPoint> points, const ValueModel& model,
                                    std::span<const double> item_covariance) {
  std::vector<FittedCurve> fits;
  const double n = static_cast<double>(points.size());
  double best = kInfinity, sum = 0;
  const auto criterion = [n](const FittedCurve& fit) { return n >= 5 ? fit.aicc : fit.aic; };
  for (const Curve curve : {Curve::kConstant, Curve::kLine, Curve::kQuadratic, Curve::kPowerLaw, Curve::kLogistic,
                            Curve::kBrokenOnce, Curve::kBrokenTwice}) {
    // Beyond these AICc is infinite, and a search would be for nothing.
    const bool is_broken = curve == Curve::kBrokenOnce || curve == Curve::kBrokenTwice;
    if (is_broken && points.size() < (curve == Curve::kBrokenOnce ? 8u : 11u)) continue;
    FittedCurve fit = fit_curve(points, curve, model, item_covariance);
    if (fit.status == FitStatus::kConverged && fit.degrees_of_freedom > 0) {
      const double k = static_cast<double>(fit.parameters.size());
      fit.aic = fit.deviance + 2 * k;
      fit.aicc = n > k + 1 ? fit.aic + 2 * k * (k + 1) / (n - k - 1) : kInfinity;
      best = std::min(best, criterion(fit));
    }
    fits.push_back(std::move(fit));
  }
  for (FittedCurve& fit : fits) {
    if (fit.status == FitStatus::kConverged && fit.degrees_of_freedom > 0 && std::isfinite(best))
      sum += fit.akaike_weight = std::exp(-0.5 * (criterion(fit) - best));
  }
  for (FittedCurve& fit : fits) fit.akaike_weight /= sum > 0 ? sum : 1;
  return fits;
}

const FittedCurve* select_curve(std::span<const FittedCurve> curves) {
  const auto best = std::ranges::max_element(curves, {}, &FittedCurve::akaike_weight);
  return best != curves.end() && best->akaike_weight > 0 ? &*best : nullptr;
}

Estimate predict(const FittedCurve& fit, double scale) {
  check(fit.status == FitStatus::kConverged, "a curve that could be fitted");
  const Equation& equation = equation_of(fit.curve, fit.model);
  Eigen::VectorXd gradient(equation.num_parameters);
  const double value =
      equation.value(fit.parameters.data(), std::log10(scale) - fit.center, fit.model, gradient.data());
  const Eigen::Map<const Eigen::MatrixXd> covariance(fit.covariance.data(), gradient.size(), gradient.size());
  const double error = std::sqrt(std::max(0.0, gradient.dot(covariance * gradient)));
  const double half_width = error > 0 ? student_quantile(0.975, fit.degrees_of_freedom) * error : 0;
  return {value, error, value - half_width, value + half_width};
}

double value_at(const FittedCurve& fit, std::span<const double> parameters, double scale) {
  return equation_of(fit.curve, fit.model).value(parameters.data(), std::log10(scale) - fit.center, fit.model, nullptr);
}

std::optional<double> turning_point(const FittedCurve& fit, std::span<const double> parameters, double from, double to,
                                    Turn turn) {
  const double first = std::log10(from) - fit.center, last = std::log10(to) - fit.center;
  if (fit.curve == Curve::kQuadratic) {
    const double u = -parameters[1] / (2 * parameters[2]);
    if (!(u > first && u < last) || (parameters[2] > 0) != (turn == Turn::kLowest)) return std::nullopt;
    return std::pow(10.0, fit.center + u);
  }
  if (fit.curve != Curve::kBrokenOnce && fit.curve != Curve::kBrokenTwice) return std::nullopt;
  // The interior point of a fine grid that lies furthest beyond both ends.
  constexpr int kSteps = 200;
  const double at_first = value_at(fit, parameters, from), at_last = value_at(fit, parameters, to);
  double furthest = 0;
  std::optional<double> where;
  for (int i = 1; i < kSteps; ++i) {
    const double scale = std::pow(10.0, fit.center + first + (last - first) * i / kSteps);
    const double y = value_at(fit, parameters, scale);
    if ((at_first - y) * (at_last - y) <= 0 || (y < at_first) != (turn == Turn::kLowest)) continue;
    const double beyond = std::min(std::abs(at_first - y), std::abs(at_last - y));
    if (beyond > furthest) {
      furthest = beyond;
      where = scale;
    }
  }
  return where;
}

}  // namespace catenary::analysis
