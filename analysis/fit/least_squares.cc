#include "catenary/analysis/least_squares.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>

#include "catenary/base/check.h"

namespace catenary::analysis {

using RowMajorMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

LeastSquaresFit solve_least_squares(std::span<const double> design, int num_columns, std::span<const double> values,
                                    std::span<const double> standard_errors) {
  const Eigen::Index n = std::ssize(values), k = num_columns;
  check(k > 0 && std::ssize(design) == n * k && std::ssize(standard_errors) == n,
        "design, values, standard errors agree in size");
  LeastSquaresFit fit{.status = LeastSquaresStatus::kInvalidInput,
                      .rank = 0,
                      .degrees_of_freedom = 0,
                      .chi_square = std::numeric_limits<double>::quiet_NaN(),
                      .coefficients = {},
                      .covariance = {},
                      .residuals = {}};
  const auto is_finite = [](double x) { return std::isfinite(x); };
  if (!std::ranges::all_of(design, is_finite) || !std::ranges::all_of(values, is_finite) ||
      !std::ranges::all_of(standard_errors, [](double se) { return std::isfinite(se) && se > 0; }))
    return fit;
  if (n == 0) {
    fit.status = LeastSquaresStatus::kRankDeficient;
    return fit;
  }

  const Eigen::Map<const RowMajorMatrix> x(design.data(), n, k);
  const Eigen::Map<const Eigen::VectorXd> y(values.data(), n);
  const Eigen::VectorXd weight = Eigen::Map<const Eigen::VectorXd>(standard_errors.data(), n).cwiseInverse();
  // Columns of unit length: the rank must not depend on the columns' units.
  const Eigen::MatrixXd weighted = weight.asDiagonal() * x;
  const Eigen::VectorXd length =
      weighted.colwise().norm().transpose().unaryExpr([](double l) { return l > 0 ? l : 1; });
  const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(weighted * length.cwiseInverse().asDiagonal());
  fit.rank = static_cast<int>(qr.rank());
  fit.degrees_of_freedom = static_cast<int>(n) - fit.rank;
  if (fit.rank < k) {
    fit.status = LeastSquaresStatus::kRankDeficient;
    return fit;
  }

  const Eigen::VectorXd b = length.cwiseInverse().asDiagonal() * qr.solve(weight.cwiseProduct(y));
  const Eigen::VectorXd residuals = y - x * b;
  // X P = Q R, so (X' X)^-1 = (P R^-1) (P R^-1)'.
  const Eigen::MatrixXd r_inverse =
      qr.matrixR().topRows(k).triangularView<Eigen::Upper>().solve(Eigen::MatrixXd::Identity(k, k));
  const Eigen::MatrixXd root = length.cwiseInverse().asDiagonal() * (qr.colsPermutation() * r_inverse);
  const RowMajorMatrix covariance = root * root.transpose();

  fit.status = LeastSquaresStatus::kSolved;
  fit.chi_square = weight.cwiseProduct(residuals).squaredNorm();
  fit.coefficients.assign(b.data(), b.data() + k);
  fit.covariance.assign(covariance.data(), covariance.data() + k * k);
  fit.residuals.assign(residuals.data(), residuals.data() + n);
  return fit;
}

}  // namespace catenary::analysis
