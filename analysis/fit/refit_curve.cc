#include <Eigen/Dense>
#include <limits>

#include "analysis/fit/curve_equation.h"
#include "catenary/base/check.h"

namespace catenary::analysis {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Fisher's scoring from `parameters` on (Gauss and Newton's steps where values are normal). A step after which the
/// next one is no shorter is halved. False after a dozen and a half evaluations without an end.
template <int k>
bool score(const Equation& equation, const Observations& observations, const ValueModel& model,
           Eigen::Vector<double, k>& parameters) {
  double last_length = kInfinity;
  Eigen::Vector<double, k> step = Eigen::Vector<double, k>::Zero();
  for (int evaluation = 0; evaluation < 18; ++evaluation) {
    Eigen::Matrix<double, k, k> information = Eigen::Matrix<double, k, k>::Zero();
    Eigen::Vector<double, k> slope = Eigen::Vector<double, k>::Zero(), gradient;
    bool is_inside = true;
    for (std::size_t i = 0; i < observations.u.size(); ++i) {
      const double fitted = equation.value(parameters.data(), observations.u[i], model, gradient.data());
      double weight = observations.weight[i];
      weight = model.is_proportion ? weight / (fitted * (1 - fitted)) : weight * weight;
      is_inside = is_inside && weight > 0;
      slope += weight * (observations.y[i] - fitted) * gradient;
      information.template selfadjointView<Eigen::Lower>().rankUpdate(gradient, weight);
    }
    const Eigen::Vector<double, k> next = information.llt().solve(slope);
    const double length = slope.dot(next);  // squared, in standard errors
    if (is_inside && length < last_length) {
      parameters += step = next;
      if (length < 1e-4) return true;
      last_length = length;
    } else {
      parameters -= step *= 0.5;
    }
  }
  return false;
}

template <int k>
std::vector<double> refit(const Equation& equation, const FittedCurve& fit, std::span<const ScalingPoint> points,
                          std::span<const double> replicates) {
  Observations observations(points, fit.center, fit.model);
  std::vector<double> result;
  result.reserve(replicates.size() / points.size() * k);
  for (std::size_t first = 0; first < replicates.size(); first += points.size()) {
    for (std::size_t i = 0; i < points.size(); ++i)
      observations.y[i] = Observations::value_of(replicates[first + i], observations.weight[i], fit.model);
    Eigen::Vector<double, k> scored(fit.parameters.data());
    if (score<k>(equation, observations, fit.model, scored)) {
      result.insert(result.end(), scored.begin(), scored.end());
      continue;
    }
    std::vector<double> parameters = fit.parameters;
    if (!minimize(equation, observations, fit.model, parameters)) parameters.assign(k, kNan);
    result.insert(result.end(), parameters.begin(), parameters.end());
  }
  return result;
}

}  // namespace

std::vector<double> refit_curve(const FittedCurve& fit, std::span<const ScalingPoint> points,
                                std::span<const double> replicates) {
  check(fit.status == FitStatus::kConverged && replicates.size() % points.size() == 0,
        "a curve that could be fitted, and a value a point and replicate");
  const Equation& equation = equation_of(fit.curve, fit.model);
  switch (equation.num_parameters) {
    case 1:
      return refit<1>(equation, fit, points, replicates);
    case 2:
      return refit<2>(equation, fit, points, replicates);
    case 3:
      return refit<3>(equation, fit, points, replicates);
    case 4:
      return refit<4>(equation, fit, points, replicates);
    case 6:
      return refit<6>(equation, fit, points, replicates);
    default:
      return refit<9>(equation, fit, points, replicates);
  }
}

}  // namespace catenary::analysis
