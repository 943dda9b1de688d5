#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "catenary/analysis/nonlinear_least_squares.h"
#include "catenary/analysis/polynomial.h"

namespace catenary::analysis {

/// Equations of a value y against scale x, with u = log10(x) - center in decades (center: the points' mean log10 x);
/// parameters in this order. y, a, b have the values' unit; c, h, k are per decade or exponents of x, d is in decades,
/// f a width.
///
///   kConstant      y = a
///   kLine          y = a + b u
///   kQuadratic     y = a + b u + c u^2
///   kPowerLaw      y = a + b 10^(-c u), c > 0: a is the irreducible part. J. Kaplan et al., arXiv:2001.08361 (2020);
///                  T. Henighan et al., arXiv:2010.14701 (2020)
///   kLogistic      y = floor + (ceiling - floor) / (1 + exp(-(h + k u))); for proportions floor (chance) and ceiling
///                  are known, h and k are fitted; else the parameters are h, k, floor, ceiling. Y. Ruan, C. J.
///                  Maddison, T. Hashimoto, arXiv:2405.10938 (2024)
///   kBrokenOnce    y = a + b 10^(-c0 u) (1 + 10^((u - d1) / f1))^(-c1 f1); parameters a, b, c0, c1, d1, ln f1
///   kBrokenTwice   the same times (1 + 10^((u - d2) / f2))^(-c2 f2); then c2, d2, ln f2
///                  E. Caballero, K. Gupta, I. Rish, D. Krueger, arXiv:2210.14891 (2022)
enum class Curve { kConstant, kLine, kQuadratic, kPowerLaw, kLogistic, kBrokenOnce, kBrokenTwice };
/// "constant", "line", "quadratic", "power_law", "logistic", "broken_power_law_1", "broken_power_law_2".
std::string_view to_string(Curve curve);

/// What the values are.
struct ValueModel {
  /// Values are fractions of n items, binomial: the curve maximises their likelihood, and must stay within (0, 1). Else
  /// they are normal with the points' standard errors.
  bool is_proportion = false;
  double floor = 0;  // of the logistic; chance. Only for proportions
  double ceiling = 1;
};

struct FittedCurve {
  Curve curve;
  ValueModel model;
  FitStatus status;  // covariance, aic and so on mean something only if kConverged
  double center;
  std::vector<double> parameters;
  std::vector<double> covariance;  // [k, k]; times scatter^2, items' correlation heeded
  /// Normal values: chi^2. Binomial: 2 sum n (y ln(y / p) + (1 - y) ln((1 - y) / (1 - p))). Corrected for the items'
  /// correlation as in polynomial.h.
  double deviance;
  int degrees_of_freedom;
  double scatter;  // max(1, sqrt(deviance / degrees of freedom))
  double aic, aicc, akaike_weight;
};

/// Fits one curve from several starts. Points must be valid, in order of scale. `item_covariance` as in polynomial.h;
/// the covariance of the parameters is (J' J)^-1 J' C J (J' J)^-1 scatter^2, with the jacobian J of the residuals
/// (deviance residuals for proportions) and C the correlation of the points. A curve with more parameters than points
/// is kUndetermined.
FittedCurve fit_curve(std::span<const ScalingPoint> points, Curve curve, const ValueModel& model,
                      std::span<const double> item_covariance = {});

/// Fits all curves and weighs those that converged as fit_polynomials does: AICc, for fewer than five points AIC. A
/// curve through all points has no weight, and broken power laws are tried from 8 and 11 points on: below, their AICc
/// is infinite.
std::vector<FittedCurve> fit_curves(std::span<const ScalingPoint> points, const ValueModel& model,
                                    std::span<const double> item_covariance = {});
/// The curve with the largest weight; none if none converged.
const FittedCurve* select_curve(std::span<const FittedCurve> curves);

/// The curve's value, with the uncertainty of the curve by linear theory and Student's t.
Estimate predict(const FittedCurve& fit, double scale);
/// The value for other parameters, say a replicate's.
double value_at(const FittedCurve& fit, std::span<const double> parameters, double scale);

/// Fits the curve again to each replicate of the points' values, starting from `fit`: [num_replicates, k] from values
/// [num_replicates, num_points]. A row is NaN where the solver found no minimum.
std::vector<double> refit_curve(const FittedCurve& fit, std::span<const ScalingPoint> points,
                                std::span<const double> replicates);

enum class Turn { kLowest, kHighest };
/// Where within [from, to] the curve falls and then rises (kLowest), or rises and then falls. None if it does not.
std::optional<double> turning_point(const FittedCurve& fit, std::span<const double> parameters, double from, double to,
                                    Turn turn);

}  // namespace catenary::analysis
