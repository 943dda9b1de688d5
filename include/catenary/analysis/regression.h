#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "catenary/analysis/statistics.h"
#include "catenary/analysis/table.h"

namespace catenary::analysis {

struct RegressionOptions {
  double threshold = 0;  // a change for the worse up to this is none, in the metric's unit
  double level = 0.05;   // of the family of all tests, after Holm
  int num_replicates = 10000;
  std::uint64_t seed = 0;
};

/// One metric of one model on one task under one condition, before and after, on the items that both have.
struct Change {
  std::string task, condition, family, model;
  Metric metric;
  std::int64_t num_items;         // that both have
  double before, after;           // means over these
  Estimate difference;            // after - before; percentile interval of the paired bootstrap
  std::int64_t up = 0, down = 0;  // items whose value rose, fell
  /// Two-sided, of no change. Proportions: McNemar's exact test on the items that changed. Else the paired bootstrap:
  /// twice the share of replicates of the difference on the other side of 0, at least 2 / (replicates + 1).
  double p_value;
  double p_holm;
  bool is_regression;  // worse by more than the threshold, and p_holm < level
};

/// A series that was measured before and is not any more, or on fewer items.
struct LostSeries {
  std::string task, condition, family, model;
  Metric metric;
  std::string reason;
};

struct Changes {
  std::vector<Change> changes;
  std::vector<LostSeries> lost;
  std::vector<std::string> problems;  // what only `after` has, what is compared in part, and what never was measured
};

/// Compares accuracy and loss (all metrics of which both tables have items) of equal task, condition, family and model.
/// Items are paired by their number, so series of a task whose items are known to be others are a problem and are not
/// compared; a condition that is known to be another is told.
/// Throws DataError where nothing can be compared: the tables have no series in common, or `before` has no items of
/// those.
/// Q. McNemar, Psychometrika 12 (1947) 153; its exact form is the sign test.
Changes find_changes(const Table& before, const Table& after, const RegressionOptions& options);

/// Two-sided exact binomial p-value of `up` against `down` at even odds; 1 where nothing changed.
double mcnemar_p_value(std::int64_t up, std::int64_t down);

}  // namespace catenary::analysis
