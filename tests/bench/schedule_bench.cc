// The sweep's dispatch over MPI, with ranges that sleep: mpirun -n 8 build/bin/schedule_bench
//   efficiency  against the lower bound (all of the time over the ranks, or the longest range), heavy-tailed ranges
//   dispatch    time a range when ranges take none
//   idle        processor time of a rank that waits
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "catenary/parallel/mpi_environment.h"
#include "catenary/scheduler/sweep.h"

namespace {

using namespace catenary;
using scheduler::Group;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double processor_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Eight models, 25 units each of one to eight ranges; Pareto-distributed sleeps (shape 1.5), 2 s at most.
struct Sleeps {
  scheduler::Work work;
  std::vector<double> seconds;  // by range

  explicit Sleeps(int num_ranks) {
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> uniform(0, 1);
    for (std::int32_t m = 0; m < 8; ++m) {
      work.models.push_back({{.group_size = 1, .rate = 1, .load_seconds = 0}});
      for (int u = 0; u < 25; ++u) {
        const std::size_t count = 1 + random() % 8;
        const double each = std::min(2.0, 0.01 * std::pow(1 - uniform(random), -1 / 1.5));
        work.units.push_back({m, seconds.size(), count, each});
        for (std::size_t i = 0; i < count; ++i) seconds.push_back(each * (0.7 + 0.6 * uniform(random)));
      }
    }
    work.ranks.resize(static_cast<std::size_t>(num_ranks));
  }
};

std::string gathered(const parallel::Communicator& world, double value) {
  std::string text;
  for (const std::string& one : world.all_gather(fmt::format("{:.3g}", value))) text += " " + one;
  return text;
}

void efficiency(const parallel::Communicator& world) {
  const Sleeps sleeps(world.size());
  double total = 0;
  for (const double seconds : sleeps.seconds) total += seconds;
  const double longest = *std::ranges::max_element(sleeps.seconds);
  const double bound = std::max(total / world.size(), longest);
  double own = 0;
  world.barrier();
  const auto start = Clock::now();
  run_sweep(world, sleeps.work,
            {.run =
                 [&](std::size_t i, const Group&) {
                   const auto begin = Clock::now();
                   std::this_thread::sleep_for(std::chrono::duration<double>(sleeps.seconds[i]));
                   const double slept = seconds_since(begin);
                   own += slept;
                   return spec::RangeResult{.seconds = slept};
                 },
             .record = [](std::size_t, const spec::RangeResult&) {}});
  const double took = seconds_since(start);
  const std::string shares = gathered(world, own);
  if (world.rank() > 0) return;
  fmt::print(
      "{} ranges of {:.3g} to {:.3g} s: {:.3f} s, lower bound {:.3f} s, efficiency {:.1f} %; seconds at work by "
      "rank{}\n",
      sleeps.seconds.size(), *std::ranges::min_element(sleeps.seconds), longest, took, bound, 100 * bound / took,
      shares);
}

void dispatch(const parallel::Communicator& world, std::size_t ranges_per_unit) {
  constexpr std::size_t kRanges = 20000;
  scheduler::Work work{.models = {{{}}}, .units = {}, .ranks = {}};
  for (std::size_t i = 0; i < kRanges; i += ranges_per_unit) work.units.push_back({0, i, ranges_per_unit, 1.0});
  work.ranks.resize(static_cast<std::size_t>(world.size()));
  world.barrier();
  const auto start = Clock::now();
  run_sweep(world, work,
            {.run = [](std::size_t, const Group&) { return spec::RangeResult{.seconds = 1e-6}; },
             .record = [](std::size_t, const spec::RangeResult&) {}});
  const double took = seconds_since(start);
  if (world.rank() > 0) return;
  fmt::print("{} empty units of {} ranges: {:.1f} µs a unit\n", kRanges / ranges_per_unit, ranges_per_unit,
             1e6 * took / static_cast<double>(kRanges / ranges_per_unit));
}

// One range of three seconds: all other ranks wait.
void idle(const parallel::Communicator& world) {
  scheduler::Work work{.models = {{{}}}, .units = {{0, 0, 1, 1.0}}, .ranks = {}};
  work.ranks.resize(static_cast<std::size_t>(world.size()));
  world.barrier();
  const double before = processor_seconds();
  const auto start = Clock::now();
  run_sweep(world, work,
            {.run =
                 [](std::size_t, const Group&) {
                   std::this_thread::sleep_for(std::chrono::seconds(3));
                   return spec::RangeResult{.seconds = 3};
                 },
             .record = [](std::size_t, const spec::RangeResult&) {}});
  const double share = (processor_seconds() - before) / seconds_since(start);
  const std::string shares = gathered(world, 100 * share);
  if (world.rank() == 0) fmt::print("waiting takes, in % of a core by rank{}\n", shares);
}

}  // namespace

int main() {
  const parallel::MpiEnvironment mpi;
  const auto world = parallel::Communicator::world();
  for (int round = 0; round < 3; ++round) efficiency(world);
  for (const std::size_t ranges_per_unit : {1, 20}) dispatch(world, ranges_per_unit);
  idle(world);
}
