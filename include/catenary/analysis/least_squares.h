#pragma once

#include <span>
#include <vector>

namespace catenary::analysis {

enum class LeastSquaresStatus {
  kSolved,
  kRankDeficient,  // the data do not determine all coefficients: too few distinct rows, or a column made of others
  kInvalidInput,   // a value that is not finite, or a standard error that is not positive
};

struct LeastSquaresFit {
  LeastSquaresStatus status;
  int rank;                          // number of coefficients that the data determine
  int degrees_of_freedom;            // num_rows - rank
  double chi_square;                 // sum of squared weighted residuals
  std::vector<double> coefficients;  // [num_columns]
  std::vector<double> covariance;    // [num_columns, num_columns], row by row
  std::vector<double> residuals;     // [num_rows], values - fitted, in the unit of the values
};

/// Weighted linear least squares: the b that minimises
///   chi^2 = sum_i ((values_i - sum_j design_ij b_j) / standard_errors_i)^2
/// by Householder QR with column pivoting; the normal equations are never formed.
///   design           [num_rows, num_columns], row by row
///   values           [num_rows]
///   standard_errors  [num_rows], each > 0: taken as known, so
///   covariance       (X' W X)^-1, W = diag(1 / standard_errors^2), is not scaled by chi^2 / degrees of freedom
/// Unless the status is kSolved, the vectors are empty and chi_square is NaN; nothing is invented for an undetermined
/// fit. Å. Björck, Numerical Methods for Least Squares Problems, SIAM 1996.
LeastSquaresFit solve_least_squares(std::span<const double> design, int num_columns, std::span<const double> values,
                                    std::span<const double> standard_errors);

}  // namespace catenary::analysis
