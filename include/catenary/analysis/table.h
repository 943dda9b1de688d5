#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/analysis/verdict.h"

namespace catenary::analysis {

/// A metric: what its values are and which way is better.
struct Metric {
  std::string name;  // "accuracy", "loss", "log_odds", or a table's own word
  Direction direction = Direction::kHigherIsBetter;
  bool is_proportion = false;       // a fraction of items
  bool is_direction_known = false;  // else the word is not known, and higher is taken as better
};
/// What the words of the name say: losses, perplexities, error rates and stereotype scores are better when lower.
Metric describe_metric(std::string_view name);

/// One metric of one model on one task under one condition: a value an item, or a summary of them. Unknown numbers are
/// NaN.
struct Series {
  std::string task, condition, family, model;
  Metric metric;
  double num_parameters = std::numeric_limits<double>::quiet_NaN();
  double training_tokens = std::numeric_limits<double>::quiet_NaN();
  double training_flops = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::int64_t> items;                          // ascending; empty for a summary
  std::vector<double> values;                               // one an item
  double value = std::numeric_limits<double>::quiet_NaN();  // the mean
  double standard_error = std::numeric_limits<double>::quiet_NaN();
  std::int64_t n = 0;  // items behind the value; 0 where it is not known
  /// Accuracy of guessing, the mean of 1 / classes over the items.
  double chance = std::numeric_limits<double>::quiet_NaN();
  /// What the values depend on besides the names, where a store knows it: hash of the task's items, the condition as
  /// JSON.
  std::string task_fingerprint, condition_definition;
  std::string absence;  // why there is no value; empty if there is one
};

/// Sets value, standard_error and n from the items' values; a series without items is left as it is.
void summarize(Series& series);

/// Results of any number of models, and what was wrong with them and could be left out.
struct Table {
  std::string name;
  std::vector<Series> series;
  std::vector<std::string> problems;
};

/// Reads results, told apart by what lies at `path`:
///   a folder   lm-evaluation-harness result files (results*.json) anywhere below it; `models` says their sizes
///   *.csv      a long table (a row an item: task, condition, family, model, num_parameters, training_flops, item, and
///   any
///              of loss, correct, log_odds) or a summary table (a row a point: value, standard_error, n, metric in
///              place of those). task and model are needed and either of num_parameters and training_flops; without the
///              rest, condition and family are "all", and items are numbered by their order.
///   else       a store
/// `models`: a CSV file model, family, num_parameters, training_tokens; families and tokens may be missing.
/// Extensions are read whatever their case. Throws DataError for a path that is none of these, and with all mistakes of
/// a file, each with its line. Told in `problems` and left out: values that are not numbers, an item given twice, a
/// point given twice, models without a size; where nothing is left, that is thrown, too.
Table read_table(const std::filesystem::path& path, const std::optional<std::filesystem::path>& models = {});

/// Whether a file begins as HDF5 files do: among the sources of read_table that is a store.
bool is_hdf5(const std::filesystem::path& path);

}  // namespace catenary::analysis
