#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "catenary/base/error.h"
#include "catenary/scheduler/sweep.h"

namespace catenary::scheduler {
namespace {

using parallel::Communicator;
using testing::HasSubstr;

std::vector<RankPlace> places(const Communicator& world) {
  return std::vector<RankPlace>(static_cast<std::size_t>(world.size()));
}

// Units of ten ranges, of three models.
Work units(const Communicator& world, std::size_t num_ranges) {
  Work work{.models = {{{}}, {{}}, {{}}}, .units = {}, .ranks = places(world)};
  for (std::size_t i = 0; i < num_ranges; i += 10) work.units.push_back({static_cast<int>(i / 10 % 3), i, 10, 1.0});
  return work;
}

spec::RangeResult nothing(std::size_t, const Group&) {
  return {};
}
void no_record(std::size_t, const spec::RangeResult&) {}

TEST(Sweep, every_range_is_run_and_recorded_once) {
  const Communicator world = Communicator::world();
  constexpr std::size_t kCount = 200;
  std::vector<long long> recorded(kCount, 0);
  std::atomic<std::size_t> reports = 0;
  const SweepProgress end = run_sweep(world, units(world, kCount),
                                      {.run =
                                           [](std::size_t i, const Group&) {
                                             spec::RangeResult result;
                                             result.num_tokens_fed = static_cast<std::int64_t>(i);
                                             result.flops = 0.5 * static_cast<double>(i);
                                             return result;
                                           },
                                       .record =
                                           [&](std::size_t i, const spec::RangeResult& result) {
                                             EXPECT_EQ(result.num_tokens_fed, static_cast<std::int64_t>(i));
                                             ++recorded[i];
                                           },
                                       .progress =
                                           [&](const SweepProgress&, std::size_t range_index) {
                                             EXPECT_LT(range_index, kCount);
                                             ++reports;
                                           }});
  for (const long long count : recorded) EXPECT_EQ(world.sum(count), 1);
  EXPECT_EQ(end.num_done, kCount);
  EXPECT_EQ(end.num_ranges, kCount);
  EXPECT_EQ(end.num_failed, 0u);
  EXPECT_FALSE(end.stopped);
  EXPECT_EQ(reports, world.rank() == 0 ? kCount : 0);
  EXPECT_EQ(end.num_tokens_fed, world.rank() == 0 ? 199 * 100 : 0);
  EXPECT_EQ(end.flops, world.rank() == 0 ? 199 * 50 : 0);
}

TEST(Sweep, a_slow_rank_does_not_hold_up_the_others) {
  const Communicator world = Communicator::world();
  long long own = 0;
  run_sweep(
      world, units(world, 400),
      {.run =
           [&](std::size_t, const Group&) {
             std::this_thread::sleep_for(std::chrono::milliseconds(world.rank() == 0 && world.size() > 1 ? 20 : 1));
             return spec::RangeResult{.seconds = world.rank() == 0 ? 0.020 : 0.001};
           },
       .record = [&](std::size_t, const spec::RangeResult&) { ++own; }});
  EXPECT_EQ(world.sum(own), 400);
  if (world.size() > 1 && world.rank() == 0) EXPECT_LT(own, 400 / world.size());
}

TEST(Sweep, groups_of_ranks_run_a_range_together_in_one_order) {
  const Communicator world = Communicator::world();
  // A model for each size of group that there can be, the largest first in the list of ranges.
  Work work{.models = {}, .units = {}, .ranks = places(world)};
  std::vector<int> size_of_range;
  for (int size = world.size(); size >= 1; size /= 2) {
    const auto model_index = static_cast<std::int32_t>(work.models.size());
    work.models.push_back({{.group_size = size}});
    work.units.push_back({model_index, size_of_range.size(), 20, 1.0});
    size_of_range.resize(size_of_range.size() + 20, size);
  }
  std::vector<long long> runs(size_of_range.size(), 0), records(size_of_range.size(), 0);
  std::string order;
  const SweepProgress end = run_sweep(world, work,
                                      {.run =
                                           [&](std::size_t i, const Group& group) {
                                             EXPECT_TRUE(group.has(world.rank()));
                                             EXPECT_EQ(group.num_ranks, size_of_range[i]);
                                             ++runs[i];
                                             if (group.num_ranks == world.size()) order += std::to_string(i) + " ";
                                             return spec::RangeResult{};
                                           },
                                       .record =
                                           [&](std::size_t i, const spec::RangeResult&) {
                                             EXPECT_EQ(world.rank() % size_of_range[i], 0);
                                             ++records[i];
                                           }});
  EXPECT_EQ(end.num_done, size_of_range.size());
  for (std::size_t i = 0; i < size_of_range.size(); ++i) {
    EXPECT_EQ(world.sum(runs[i]), size_of_range[i]);
    EXPECT_EQ(world.sum(records[i]), 1);
  }
  const auto orders = world.all_gather(order);
  if (world.size() > 1) EXPECT_THAT(orders, testing::Each(orders[0]));
}

TEST(Sweep, a_model_that_needs_more_ranks_than_there_are_is_refused_on_all) {
  const Communicator world = Communicator::world();
  const Work work{.models = {{{.group_size = 16}}}, .units = {{0, 0, 1, 1.0}}, .ranks = places(world)};
  EXPECT_THROW(run_sweep(world, work, {.run = nothing, .record = no_record}), Error);
}

TEST(Sweep, a_range_that_fails_is_tried_elsewhere_once_then_recorded_with_its_reason) {
  const Communicator world = Communicator::world();
  long long failures = 0;
  std::vector<long long> runs(30, 0);
  const SweepProgress end = run_sweep(world, units(world, 30),
                                      {.run = [&](std::size_t i, const Group&) -> spec::RangeResult {
                                         ++runs[i];
                                         if (i % 10 == 3) throw DataError("weights are gone");
                                         return {};
                                       },
                                       .record =
                                           [&](std::size_t i, const spec::RangeResult& result) {
                                             EXPECT_EQ(result.error, i % 10 == 3 ? "weights are gone" : "");
                                             failures += result.error.empty() ? 0 : 1;
                                           }});
  EXPECT_EQ(world.sum(failures), 3);
  EXPECT_EQ(end.num_failed, 3u);
  EXPECT_EQ(end.num_done, 27u);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    EXPECT_LE(runs[i], 1) << "the second try is on another rank";
    EXPECT_EQ(world.sum(runs[i]), i % 10 == 3 && world.size() > 1 ? 2 : 1);
  }
}

TEST(Sweep, what_fails_on_one_rank_alone_does_not_fail) {
  const Communicator world = Communicator::world();
  const SweepProgress end = run_sweep(world, units(world, 100),
                                      {.run = [&](std::size_t, const Group&) -> spec::RangeResult {
                                         if (world.rank() == 0 && world.size() > 1) throw DataError("out of memory");
                                         return {};
                                       },
                                       .record = no_record});
  EXPECT_EQ(end.num_done, 100u);
  EXPECT_EQ(end.num_failed, 0u);
}

TEST(Sweep, the_next_range_is_known_while_one_is_run) {
  const Communicator world = Communicator::world();
  std::mutex mutex;
  std::set<std::size_t> prepared;
  long long num_run = 0, num_prepared = 0;
  run_sweep(world, units(world, 100 * static_cast<std::size_t>(world.size())),
            {.run =
                 [&](std::size_t i, const Group&) {
                   std::this_thread::sleep_for(std::chrono::milliseconds(2));
                   const std::scoped_lock lock(mutex);
                   ++num_run;
                   num_prepared += static_cast<long long>(prepared.count(i));
                   return spec::RangeResult{.seconds = 0.002};
                 },
             .record = no_record,
             .prepare =
                 [&](std::size_t i) {
                   const std::scoped_lock lock(mutex);
                   prepared.insert(i);
                 }});
  EXPECT_LE(num_prepared, num_run);
  EXPECT_GT(world.sum(num_prepared), world.sum(num_run) / 2);
}

TEST(Sweep, a_result_that_cannot_be_kept_ends_the_sweep_on_all_ranks) {
  const Communicator world = Communicator::world();
  std::string message;
  try {
    run_sweep(world, units(world, 1000), {.run = nothing, .record = [](std::size_t i, const spec::RangeResult&) {
                                            if (i == 50) throw StoreError("the disk is full");
                                          }});
  } catch (const Error& e) {
    message = e.what();
  }
  EXPECT_THAT(message, HasSubstr("the disk is full"));
}

TEST(Sweep, a_stop_on_one_rank_ends_all_without_losing_what_is_in_hand) {
  const Communicator world = Communicator::world();
  for (const int group_size : {1, world.size()}) {
    // One unit: a rank has a quarter of what is left in hand.
    const Work work{.models = {{{.group_size = group_size}}}, .units = {{0, 0, 100000, 1.0}}, .ranks = places(world)};
    std::atomic<long long> num_run = 0;
    long long recorded = 0;
    const SweepProgress end =
        run_sweep(world, work,
                  {.run =
                       [&](std::size_t, const Group&) {
                         std::this_thread::sleep_for(std::chrono::microseconds(100));
                         return ++num_run, spec::RangeResult{};
                       },
                   .record = [&](std::size_t, const spec::RangeResult&) { ++recorded; },
                   .stop_requested = [&] { return world.rank() == world.size() - 1 && num_run >= 5; }});
    EXPECT_TRUE(end.stopped);
    EXPECT_EQ(world.sum(num_run), world.sum(recorded) * group_size);
    EXPECT_EQ(static_cast<long long>(end.num_done), world.sum(recorded));
    EXPECT_LT(end.num_done, 100000u);
  }
}

TEST(Sweep, nothing_to_do_ends_at_once) {
  const Communicator world = Communicator::world();
  const SweepProgress end =
      run_sweep(world, {.models = {}, .units = {}, .ranks = places(world)}, {.run = nothing, .record = no_record});
  EXPECT_EQ(end.num_ranges, 0u);
  EXPECT_FALSE(end.stopped);
}

}  // namespace
}  // namespace catenary::scheduler
