#pragma once

#include <ceres/tiny_solver.h>

#include <Eigen/Dense>
#include <cmath>

#include "catenary/analysis/nonlinear_least_squares.h"

namespace catenary::analysis {

/// How thorough one run of the solver is.
struct TinyOptions {
  int max_num_iterations = 20000;
  double step_tolerance = 1e-14;  // relative length of the last step
  double initial_trust_region = 1e4;
};

/// Whether residuals [n] with jacobian J [n, k] are those of a minimum, a sum of squares of `negligible` being as good
/// as 0, and the pseudoinverse (J' J)^-1 J' [k, n] if J, its columns scaled to unit length, has a condition number of
/// at most about `max_condition`; else the parameters are undetermined.
FitStatus examine_solution(const Eigen::VectorXd& residuals, const Eigen::MatrixXd& jacobian, double negligible,
                           double max_condition, Eigen::MatrixXd& pseudoinverse);

/// Runs ceres::TinySolver from `parameters` and leaves the best point there. False where the start is outside the
/// function's domain. `Function` as ceres/tiny_solver.h wants it.
template <class Function>
bool tiny_minimize(ceres::TinySolver<Function>& solver, const Function& function, const TinyOptions& options,
                   typename ceres::TinySolver<Function>::Parameters& parameters) {
  solver.options.max_num_iterations = options.max_num_iterations;
  solver.options.parameter_tolerance = options.step_tolerance;
  solver.options.initial_trust_region_radius = options.initial_trust_region;
  // Absolute thresholds, so none fits every problem: the step decides.
  solver.options.gradient_tolerance = 0;
  solver.options.function_tolerance = 0;
  solver.options.cost_threshold = 0;
  solver.Solve(function, &parameters);
  return std::isfinite(solver.summary.final_cost);
}

}  // namespace catenary::analysis
