#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace catenary::analysis {

/// A number with its uncertainty, in the unit of the number itself.
struct Estimate {
  double value;
  double standard_error;
  double low;  // 95 % interval; infinite on both sides where the data cannot bound it
  double high;
};

/// The t with P(T ≤ t) = `probability` for Student's distribution, 0 < probability < 1. Degrees of freedom need not be
/// whole; infinity gives the normal quantile. 0 degrees of freedom say nothing about the spread: ±infinity (0 at the
/// median).
double student_quantile(double probability, double degrees_of_freedom);

/// P(T > t) of the same distribution; 1/2 or less for t ≥ 0.
double student_upper_tail(double t, double degrees_of_freedom);

/// Of an error whose square is 1, known, plus scatter^2 - 1, estimated with `degrees_of_freedom`; infinite for a
/// scatter of 1. F. E. Satterthwaite, Biometrics Bull. 2 (1946) 110.
double scatter_degrees_of_freedom(double scatter, double degrees_of_freedom);

/// Standard error of a proportion (accuracy), never 0:
///   p~ = (correct + 2) / (n + 4),   se = sqrt(p~ (1 - p~) / (n + 4))
/// The textbook sqrt(p (1 - p) / n) is 0 where all or no items are correct, which would give such a point infinite
/// weight. Use it with the plain value correct / n. Throws DataError unless 0 ≤ correct ≤ n and n ≥ 1. A. Agresti, B.
/// A. Coull, The American Statistician 52 (1998) 119.
double proportion_standard_error(std::int64_t correct, std::int64_t n);

/// Standard error of the mean of independent values (say, losses of items in nats): sqrt(sum (x - mean)^2 / (n (n -
/// 1))). NaN for fewer than two values; 0 where all are equal, and then no error is known.
double mean_standard_error(std::span<const double> values);

/// P(X > x) of the chi-square distribution.
double chi_square_upper_tail(double x, double degrees_of_freedom);

/// Estimates of one quantity in several groups (families of models, say) whose true values scatter about a mean.
struct RandomEffects {
  Estimate mean;                 // of groups such as these
  double standard_deviation;     // of the true values between groups; 0 where their errors explain the differences
  double heterogeneity_p_value;  // of all groups having the same true value: Cochran's Q
};
/// `estimates`: independent, two or more, each with a standard error above 0. With weights 1 / (se_i^2 + tau^2) and
/// tau by R. DerSimonian, N. Laird, Control. Clin. Trials 7 (1986) 177; the mean's error from the spread about it, with
/// Student's t and one degree of freedom less than there are groups (G. Knapp, J. Hartung, Statist. Med. 22 (2003)
/// 2693). Two groups say next to nothing of a third, and the interval shows it.
RandomEffects combine_groups(std::span<const Estimate> estimates);

/// p-values corrected for there being several, in their order; NaN counts as 1 among them and stays NaN.
///   Holm: of the chance of a single false claim among all (S. Holm, Scand. J. Statist. 6 (1979) 65).
///   Benjamini–Hochberg: of the share of false ones among the claims (J. R. Statist. Soc. B 57 (1995) 289).
std::vector<double> adjust_holm(std::span<const double> p_values);
std::vector<double> adjust_benjamini_hochberg(std::span<const double> p_values);

}  // namespace catenary::analysis
