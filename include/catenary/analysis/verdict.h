#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/analysis/polynomial.h"

namespace catenary::analysis {

/// What larger models do to the task. Better and worse follow the metric's direction: a falling loss is kPositive, and
/// kUShaped is always "first worse, then better".
enum class Verdict { kPositive, kInverse, kUShaped, kInvertedU, kFlat, kInconclusive };
/// "positive", "inverse", "u_shaped", "inverted_u", "flat", "inconclusive".
std::string_view to_string(Verdict verdict);

enum class Direction { kHigherIsBetter, kLowerIsBetter };

/// Both in the unit of the values; the defaults suit accuracy as a fraction. Set them for losses and log-odds.
struct JudgeOptions {
  double flat_margin = 0.05;   // changes inside ± this are of no practical interest
  double large_change = 0.20;  // what a trend or turn without a fitted curve has to exceed
};

/// Observed difference between two points, to - from.
struct Effect {
  double from_scale;
  double to_scale;
  Estimate difference;  // standard error from the items alone
};

/// The points split at one of them, a line through each part (both contain it).
struct Arms {
  double split_scale;
  Estimate slope_before;  // per decade; standard errors times the parabola's scatter
  Estimate slope_after;
};

struct Judgement {
  Verdict verdict;
  /// Of the change or turn that the verdict claims, corrected for looking at several splits; NaN for flat and
  /// inconclusive.
  double p_value;
  double p_turn;       // of the likelier turn, claimed or not, corrected likewise; NaN with fewer than three scales
  std::string reason;  // one sentence for people
  std::vector<std::string> problems;  // points left out or merged, each by its position in the input
  int num_scales;                     // distinct scales that were used

  std::vector<Polynomial> polynomials;  // constant, line, parabola; empty if no point is usable
  std::optional<Degree> selected;       // the largest Akaike weight
  /// Of the line, with Satterthwaite's degrees of freedom as in rule 2a: it covers in 95 % whether models scatter or
  /// not. The test of a trend (rule 3) is stricter: it trusts no estimate of the scatter that is small by chance.
  std::optional<Estimate> slope_per_decade;
  std::optional<Estimate> turning_point;  // where the parabola is selected and turns inside the range
  std::optional<Arms> arms;               // the split that speaks most for a turn; four scales or more
  std::optional<Effect> smallest_to_largest;
  /// The interior point that lies furthest beyond both ends. Picked for being extreme, hence biased outwards; absent if
  /// none does.
  std::optional<Effect> smallest_to_extremal;
  std::optional<Effect> extremal_to_largest;
};

/// Whether the extremal point lies beyond both ends by more than the items' error. A table shows that, and it is no
/// turn yet: models scatter, too.
bool seems_to_turn(const Judgement& judgement);

/// The verdict on one curve. In this order, with K distinct scales:
///
/// 1. K < 3: inconclusive.
/// 2. A turn (u_shaped, inverted_u), if a or b holds; inconclusive if this is so for both shapes.
///    a. K ≥ 5, and for some split of the points the line before it falls and the line after it rises (or the reverse),
///       each significantly. A monotone truth, however bent, has no split with slopes of opposite sign, whereas a
///       parabola fitted to a saturating curve happily turns: the points decide, the parabola describes.
///       Level: 5 % one-sided for each arm, divided by max(2.5, log2(K - 2)); the K - 2 splits overlap, and about so
///       many are independent. Standard errors are multiplied by the parabola's Birge ratio S; the quantile is
///       Student's with (K - 3) S^4 / (S^2 - 1)^2 degrees of freedom, as only the excess over the known variance is
///       estimated.
///    b. An interior point differs from both ends, in the same direction, by more than `large_change` beyond the
///       error: level 5 % two-sided, divided by K - 2. No smooth curve need fit (0.50, 0.05, 0.30, 0.60, 0.90). The
///       error is the items' and that with which models scatter about the nearest values with one turn (fit_shape()).
/// 3. A trend (positive, inverse): the change from the smallest to the largest scale along the line (along the parabola
///    where that is selected) has a 95 % interval without 0; or the end points differ by more than `large_change`
///    beyond the error, level 5 % two-sided, the error as in 2b with the nearest monotone values. But inconclusive
///    where the points seem to turn (seems_to_turn), by more than half of the change between the ends, and a parabola
///    that turns between them is selected: then no monotone trend explains them either.
/// 4. Flat: the line's change over the range and the parabola's departure from its chord, b2 (range / 2)^2, both have
///    90 % intervals inside ± flat_margin (two one-sided tests).
/// 5. Inconclusive: nothing was shown, not even that nothing happens.
///
/// 2a: U. Simonsohn, Adv. Methods Pract. Psychol. Sci. 1 (2018) 538 (two lines instead of a parabola); J. T. Lind,
/// H. Mehlum, Oxf. Bull. Econ. Stat. 72 (2010) 109 (both arms must pass); F. E. Satterthwaite, Biometrics Bull. 2
/// (1946) 110. 4: D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987) 657.
///
/// Three or four scales leave next to nothing to estimate the scatter from: there only 2b and very clear trends are
/// said. Calibration, by simulation, is in tests/analysis/verdict_simulation_test.cc. Its limit: where models scatter
/// twice as much as their items' error explains, six scales call a flat truth something else in some 9 %.
///
/// Bad points do not throw: they are left out and told in `problems`, as is a row given twice. Other points of one
/// scale (equal to 1e-6 decades) are merged, weighted by 1 / standard_error^2.
///
///   item_covariance  [n, n], of the points' values under the sampling of items, its diagonal standard_error^2; empty:
///                    the points are independent. Models that answered the same items differ by less than independent
///                    ones would.
Judgement judge(std::span<const ScalingPoint> points, Direction direction, const JudgeOptions& options = {},
                std::span<const double> item_covariance = {});

}  // namespace catenary::analysis
