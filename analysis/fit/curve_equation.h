#pragma once

#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "catenary/analysis/scaling_curve.h"

namespace catenary::analysis {

/// What a search for starts knows: the points' u and values, in order of u.
struct Sample {
  std::vector<double> u, y;
};

/// A curve as scaling_curve.h writes it.
struct Equation {
  int num_parameters;
  /// The value at u; `gradient` [num_parameters] is set to its derivatives by the parameters, unless it is null.
  double (*value)(const double* parameters, double u, const ValueModel& model, double* gradient);
  /// Where searches begin.
  std::vector<std::vector<double>> (*starts)(const Sample& sample, const ValueModel& model);
};
inline constexpr int kMostParameters = 9;

const Equation& equation_of(Curve curve, const ValueModel& model);

/// The points as a solver sees them.
struct Observations {
  std::vector<double> u, y, weight;  // weight: n of a proportion, else 1 / standard_error

  Observations(std::span<const ScalingPoint> points, double center, const ValueModel& model) {
    for (const ScalingPoint& point : points) {
      const double n = static_cast<double>(point.n);
      u.push_back(std::log10(point.scale) - center);
      weight.push_back(model.is_proportion ? n : 1 / point.standard_error);
      y.push_back(value_of(point.value, weight.back(), model));
    }
  }
  /// Half an item is added to either side of a proportion, so that 0 and 1 have finite log odds (J. B. S. Haldane, Ann.
  /// Hum. Genet. 20 (1956) 309).
  static double value_of(double value, double weight, const ValueModel& model) {
    return model.is_proportion ? (value * weight + 0.5) / (weight + 1) : value;
  }
};

/// Least squares from `parameters` on, and the best point there; false where no minimum was found. For proportions the
/// squares are the points' deviances.
bool minimize(const Equation& equation, const Observations& observations, const ValueModel& model,
              std::vector<double>& parameters);

}  // namespace catenary::analysis
