// fit_bench REFITS.jsonl [TABLE.csv]: refits by curve, 1,000 curves with 1,000 bootstrap replicates each, and how fast
// a table is read. Refits are timed in processor time, the best of ten rounds, and written to REFITS.jsonl: from there
// tests/bench/fit_bench.py times the very same by scipy.optimize.curve_fit.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <cmath>
#include <ctime>
#include <exception>
#include <fstream>
#include <random>
#include <stdexcept>
#include <vector>

#include "catenary/analysis/ladder.h"
#include "catenary/analysis/paired.h"
#include "catenary/analysis/report.h"

namespace {

using namespace catenary::analysis;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr int kScales = 6, kItems = 500, kReplicates = 1000;

/// Six models on 500 items; every third ladder falls and rises, the others saturate. `metric` accuracy or loss.
Ladder make_ladder(std::mt19937_64& random, int index, const char* metric) {
  std::normal_distribution<double> normal;
  Ladder ladder{.task = fmt::format("task-{}", index), .condition = "zero_shot", .family = "bench"};
  ladder.metric = describe_metric(metric);
  std::vector<double> shared(kItems), errors;
  for (double& item : shared) item = normal(random);
  for (int i = 0; i < kItems; ++i) ladder.items.push_back(i);
  for (int m = 0; m < kScales; ++m) {
    const double x = static_cast<double>(m) / (kScales - 1);
    const double level = index % 3 == 0 ? 0.6 * std::pow(2 * x - 1, 2) - 0.2 : 0.7 * (1 - std::exp(-3 * x));
    Series series{.metric = ladder.metric};
    for (int i = 0; i < kItems; ++i) {
      const double latent = level + shared[static_cast<std::size_t>(i)] + normal(random);
      series.values.push_back(ladder.metric.is_proportion ? latent > 0 : 2 - 0.5 * latent);
    }
    summarize(series);
    ladder.values.insert(ladder.values.end(), series.values.begin(), series.values.end());
    errors.push_back(series.standard_error);
    const double scale = std::pow(10.0, 8 + 3 * x);
    ladder.points.push_back({fmt::format("m{}", m), scale, NAN, {scale, series.value, series.standard_error, kItems}});
  }
  ladder.covariance = covariance_of_means(ladder.values, errors);
  return ladder;
}

void time_reports() {
  std::mt19937_64 random(1);
  std::vector<Ladder> ladders;
  for (int i = 0; i < 1000; ++i) ladders.push_back(make_ladder(random, i, i % 2 == 0 ? "accuracy" : "loss"));
  for (const int num_threads : {1, 2}) {
    const auto start = Clock::now();
    const std::clock_t processor_start = std::clock();
    const auto reports = make_reports(ladders, {.num_replicates = kReplicates, .num_threads = num_threads});
    fmt::print("1000 curves x {} replicates, {} items x {} sizes, {} threads: {:.2f} s, {:.2f} s of processor time\n",
               kReplicates, kItems, kScales, num_threads, seconds_since(start),
               static_cast<double>(std::clock() - processor_start) / CLOCKS_PER_SEC);
  }
}

void time_refits(const char* path) {
  std::ofstream file(path);
  std::mt19937_64 random(1);
  for (const char* metric : {"accuracy", "loss"}) {
    const Ladder ladder = make_ladder(random, 1, metric);
    const auto points = ladder.scaling_points();
    const auto means = bootstrap_means(ladder.values, kScales, kReplicates, 1);
    for (const Curve curve : {Curve::kLine, Curve::kQuadratic, Curve::kPowerLaw, Curve::kLogistic}) {
      const FittedCurve fit = fit_curve(points, curve, {.is_proportion = ladder.metric.is_proportion});
      if (fit.status != FitStatus::kConverged) continue;
      double best = 1e300;
      std::vector<double> refits;
      for (int round = 0; round < 10; ++round) {
        const std::clock_t start = std::clock();
        refits = refit_curve(fit, points, means);
        best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
      }
      std::size_t num_failed = 0;
      for (std::size_t i = 0; i < refits.size(); i += fit.parameters.size()) num_failed += std::isnan(refits[i]);
      fmt::print("{:<9}{:<10}{:>8.2f} us a refit, {} of {} without a minimum\n", metric, to_string(curve),
                 1e6 * best / kReplicates, num_failed, kReplicates);
      std::vector<double> u, errors;
      for (const ScalingPoint& point : points) {
        u.push_back(std::log10(point.scale) - fit.center);
        errors.push_back(point.standard_error);
      }
      file << fmt::format(
          "{{\"metric\": \"{}\", \"curve\": \"{}\", \"microseconds\": {}, \"start\": [{}], \"u\": [{}], \"errors\": "
          "[{}], "
          "\"values\": [{}]}}\n",
          metric, to_string(curve), 1e6 * best / kReplicates, fmt::join(fit.parameters, ", "), fmt::join(u, ", "),
          fmt::join(errors, ", "), fmt::join(means, ", "));
    }
  }
}

void time_table(const char* path) {
  const auto start = Clock::now();
  const Table table = read_table(path);
  std::size_t num_values = 0;
  for (const Series& series : table.series) num_values += series.values.size();
  fmt::print("{}: {} series, {} values, {:.2f} s\n", path, table.series.size(), num_values, seconds_since(start));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw std::invalid_argument("usage: fit_bench REFITS.jsonl [TABLE.csv]");
    time_refits(argv[1]);
    time_reports();
    if (argc > 2) time_table(argv[2]);
  } catch (const std::exception& e) {
    fmt::print(stderr, "{}\n", e.what());
    return 1;
  }
}
