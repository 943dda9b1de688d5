#include "catenary/analysis/nonlinear_least_squares.h"

#include <algorithm>
#include <limits>

#include "analysis/fit/tiny_fit.h"
#include "catenary/base/check.h"

namespace catenary::analysis {
namespace {

struct Function {
  using Scalar = double;
  enum { NUM_RESIDUALS = Eigen::Dynamic, NUM_PARAMETERS = Eigen::Dynamic };

  const ResidualFunction& residuals;
  int num_residuals, num_parameters;

  int NumResiduals() const { return num_residuals; }
  int NumParameters() const { return num_parameters; }
  bool operator()(const double* parameters, double* values, double* jacobian) const {
    residuals(parameters, values, jacobian);
    return true;
  }
};

constexpr double kNegligible = 1e-24;  // of the sum of squares at the start
constexpr double kVanishing = 1e-5;
constexpr double kMaxCondition = 1e15;  // some of NIST's problems are close

/// The largest cosine between the residuals and a column of the jacobian: 0 at a minimum, whatever the units.
double largest_cosine(const Eigen::VectorXd& residuals, const Eigen::MatrixXd& jacobian) {
  double largest = 0;
  for (Eigen::Index j = 0; j < jacobian.cols(); ++j) {
    const double length = jacobian.col(j).norm() * residuals.norm();
    if (length > 0) largest = std::max(largest, std::abs(jacobian.col(j).dot(residuals)) / length);
  }
  return largest;
}

}  // namespace

FitStatus examine_solution(const Eigen::VectorXd& residuals, const Eigen::MatrixXd& jacobian, double negligible,
                           double max_condition, Eigen::MatrixXd& pseudoinverse) {
  if (!jacobian.allFinite()) return FitStatus::kNotConverged;
  const bool nothing_left = residuals.squaredNorm() <= negligible;
  if (!nothing_left && largest_cosine(residuals, jacobian) > kVanishing) return FitStatus::kNotConverged;
  const Eigen::Index k = jacobian.cols();
  if (jacobian.rows() < k) return FitStatus::kUndetermined;
  // Columns of unit length: the rank must not depend on the parameters' units.
  const Eigen::VectorXd length =
      jacobian.colwise().norm().transpose().unaryExpr([](double l) { return l > 0 ? l : 1; });
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(jacobian * length.cwiseInverse().asDiagonal());
  qr.setThreshold(1 / max_condition);
  if (qr.rank() < k) return FitStatus::kUndetermined;
  pseudoinverse =
      length.cwiseInverse().asDiagonal() * qr.solve(Eigen::MatrixXd::Identity(jacobian.rows(), jacobian.rows()));
  return FitStatus::kConverged;
}

NonlinearFit minimize_squares(const ResidualFunction& residuals, int num_residuals, int num_parameters,
                              std::span<const double> starts) {
  const std::size_t k = static_cast<std::size_t>(num_parameters);
  check(num_residuals > 0 && num_parameters > 0 && starts.size() % k == 0, "starts hold num_parameters numbers each");
  const Function function{residuals, num_residuals, num_parameters};
  ceres::TinySolver<Function> solver;
  NonlinearFit best{FitStatus::kFailed, {}, {}, std::numeric_limits<double>::quiet_NaN(), 0};
  double initial = 0;
  for (std::size_t first = 0; first < starts.size(); first += k) {
    for (const double trust_region : {1e4, 1.0, 1e-3}) {
      Eigen::VectorXd parameters = Eigen::Map<const Eigen::VectorXd>(&starts[first], num_parameters);
      if (!tiny_minimize(solver, function, {.initial_trust_region = trust_region}, parameters)) continue;
      const double sum_squares = 2 * solver.summary.final_cost;
      if (!best.parameters.empty() && !(sum_squares < best.sum_squares)) continue;
      best.parameters.assign(parameters.begin(), parameters.end());
      best.sum_squares = sum_squares;
      best.num_iterations = solver.summary.iterations;
      initial = 2 * solver.summary.initial_cost;
    }
  }
  if (best.parameters.empty()) return best;

  Eigen::VectorXd at_best(num_residuals);
  Eigen::MatrixXd jacobian(num_residuals, num_parameters);
  residuals(best.parameters.data(), at_best.data(), jacobian.data());
  Eigen::MatrixXd pseudoinverse;
  best.status = examine_solution(at_best, jacobian, kNegligible * initial, kMaxCondition, pseudoinverse);
  const Eigen::MatrixXd inverse = pseudoinverse * pseudoinverse.transpose();
  best.covariance.assign(inverse.data(), inverse.data() + inverse.size());
  return best;
}

}  // namespace catenary::analysis
