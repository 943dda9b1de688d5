#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/analysis/polynomial.h"
#include "catenary/analysis/table.h"
#include "catenary/analysis/verdict.h"

namespace catenary::analysis {

/// The horizontal axis.
enum class Scale { kParameters, kTrainingFlops };
/// "parameters", "training_flops".
std::string_view to_string(Scale scale);

/// One model's point on a curve.
struct LadderPoint {
  std::string model;
  double num_parameters = 0;
  double training_flops = 0;  // NaN where not known
  ScalingPoint point;
};

/// A metric of one task under one condition along the models of one family, smallest scale first.
struct Ladder {
  std::string task;
  std::string condition;
  std::string family;
  Metric metric;
  Scale scale = Scale::kParameters;
  std::vector<LadderPoint> points;
  /// The items that all models have, and their values, [num_points, num_items]; empty for summaries. Where they are
  /// there, the points are their means.
  std::vector<std::int64_t> items;
  std::vector<double> values;
  std::vector<double> covariance;  // [num_points, num_points], from sampling the shared items; empty without them
  double chance = std::numeric_limits<double>::quiet_NaN();  // accuracy of guessing
  std::vector<std::string> missing;                          // "demo-13k (pending)": models without a point, and why
  std::vector<std::string> notes;                            // what else a reader must know

  std::vector<ScalingPoint> scaling_points() const;
};

/// Ladders in the table's order of metrics, tasks, conditions and families. A model with several checkpoints gives its
/// last one on the axis of parameters, all of them on that of training FLOPs. Points are means over the items that all
/// models have; a model with fewer than half of the items of the fullest is left out of the ladder first.
std::vector<Ladder> make_ladders(const Table& table, Scale scale);

inline constexpr std::string_view kPooled = "pooled";
inline constexpr std::size_t kFewestPooledPoints = 3;

/// One ladder of all families of the same task, condition and metric, each family shifted by its own effect: a joint
/// fit of a parabola with one intercept a family, weighted by 1 / standard_error^2, gives the effects, and `notes`
/// tells them. The shape is that which these families share; whether others would share it, CurveReport::families says.
/// Its family is called kPooled. Families of fewer than kFewestPooledPoints stay out; nothing is returned unless two
/// remain.
std::vector<Ladder> pool_families(const std::vector<Ladder>& ladders);

/// a - b, point by point, on the same items where both have them: then the error is that of the paired difference.
/// Points are matched by model; with `match_scales` by scale instead, the nearest within a tenth of a decade. The
/// metric's direction is kept.
Ladder subtract(const Ladder& a, const Ladder& b, bool match_scales = false);

/// The verdict on a ladder, with the margins that suit its metric: changes within 0.05 are flat, changes beyond 0.20
/// are no scatter (proportions; others in their own unit, losses in nats).
Judgement judge(const Ladder& ladder);
inline constexpr JudgeOptions kMargins{.flat_margin = 0.05, .large_change = 0.20};

}  // namespace catenary::analysis
