#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catenary/analysis/isotonic.h"
#include "catenary/analysis/ladder.h"
#include "catenary/analysis/scaling_curve.h"

namespace catenary::analysis {

struct ReportOptions {
  int num_replicates = 1000;  // of the bootstrap; at least 100
  std::uint64_t seed = 0;
  /// Accuracy of guessing, the floor of the logistic curve; default: what the ladder knows, else 0.
  std::optional<double> chance;
  int num_held_out = 0;                 // largest scales that the extrapolation is tested on
  std::vector<double> forecast_scales;  // where the user wants a forecast
  int num_threads = 0;                  // 0: the machine's
};

/// The curves' value at a scale, averaged over curves by Akaike weight w_i. The interval has 2.5 % of the averaged
/// tails on either side: the low x solves sum w_i P(T_i < (x - y_i) / se_i) = 0.025, T_i Student's with the curve's
/// degrees of freedom (D. Turek, D. Fletcher, Comput. Stat. Data Anal. 56 (2012) 2809); the value has half on either
/// side, as a mean could lie outside. With the curves' mean y,
///   standard error = sum w_i sqrt(se_i^2 + (y_i - y)^2)
/// (K. P. Burnham, D. R. Anderson, Model Selection and Multimodel Inference, section 4.3). It is the interval of the
/// curve; a new model scatters about it. A fraction's ends at 0 and 1; where its value would not lie between, as far
/// along a parabola, nothing is said: NaN.
struct Forecast {
  double scale;
  Estimate predicted;
  std::string model;  // held-out points: which, and what it has
  double observed;    // NaN for a forecast
};

/// What would settle an inconclusive verdict in 80 % of studies, if what was seen is true: enough to show the line's
/// change where it exceeds the margin of flatness, else to show that change and bend lie within. Items shrink the
/// items' error alone; sizes, spread over the same range, shrink the scatter between models too.
struct Power {
  std::optional<std::int64_t> more_items;  // none: no number of items would do
  int more_scales;                         // kMostMoreScales + 1: that many would not do
};
inline constexpr int kMostMoreScales = 100;

/// All that is said of one ladder.
struct CurveReport {
  Ladder ladder;
  Judgement judgement;  // its effects have bootstrap intervals where the items are known
  double p_holm;        // judgement.p_value adjusted over all reports of the same metric
  double p_benjamini_hochberg;
  std::vector<FittedCurve> curves;
  std::optional<Curve> selected;     // by Akaike weight
  std::vector<Estimate> parameters;  // of the selected curve
  /// Where the selected curve turns, else the quadratic, else the extremal point; only for a verdict with a turn.
  std::optional<Estimate> turning_point;
  std::vector<ShapeFit> shapes;
  std::vector<Forecast> held_out, forecasts;
  std::optional<Power> power;  // of an inconclusive verdict
  /// Of a pooled ladder: slope per decade of families such as these, of which each has its own.
  std::optional<RandomEffects> families;
};

/// Fits, judges and bootstraps every ladder. Intervals of curves are 95 % percentile intervals of a bootstrap over
/// items, joint across models, with half-widths times S t / z: S the curve's scatter between models beyond the items'
/// error, t and z the quantiles of Student's distribution with the degrees of freedom of S (Satterthwaite) and of the
/// normal. Where only summaries are known, linear theory takes the bootstrap's place.
std::vector<CurveReport> make_reports(std::vector<Ladder> ladders, const ReportOptions& options);

/// Two ladders compared point by point (see subtract).
struct Comparison {
  Ladder difference;                    // a - b
  std::vector<Estimate> at_each_scale;  // bootstrap where items are shared
  /// Plain mean over the scales, for these models and other items: normal theory with the items' covariance.
  std::optional<Estimate> mean;
  /// Per decade: do the two drift apart? A line with equal weights, its error with the scatter between models.
  std::optional<Estimate> slope;
  double p_mean, p_slope;  // two-sided; NaN where not known
};
Comparison compare(const Ladder& a, const Ladder& b, bool match_scales, const ReportOptions& options);

}  // namespace catenary::analysis
