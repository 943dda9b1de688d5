#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "catenary/base/error.h"
#include "catenary/scheduler/sweep.h"

namespace catenary::scheduler {
namespace {

using parallel::Communicator;
using testing::HasSubstr;

std::vector<PendingRange> ranges(std::size_t count) {
  std::vector<PendingRange> pending;
  for (std::size_t i = 0; i < count; ++i) pending.push_back({i, static_cast<std::int32_t>(i % 3), 1.0});
  return pending;
}

TEST(Sweep, every_range_is_run_and_recorded_once) {
  const Communicator world = Communicator::world();
  constexpr std::size_t kCount = 200;
  std::vector<long long> recorded(kCount, 0);
  std::atomic<std::size_t> reports = 0;
  const SweepProgress end = run_sweep(world, ranges(kCount),
                                      {.run =
                                           [](std::size_t i) {
                                             spec::RangeResult result;
                                             result.num_tokens_fed = static_cast<std::int64_t>(i);
                                             return result;
                                           },
                                       .record =
                                           [&](std::size_t i, const spec::RangeResult& result) {
                                             EXPECT_EQ(result.num_tokens_fed, static_cast<std::int64_t>(i));
                                             ++recorded[i];
                                           },
                                       .stop_requested = {},
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
}

TEST(Sweep, slow_ranges_do_not_hold_up_the_others) {
  const Communicator world = Communicator::world();
  long long own = 0;
  run_sweep(world, ranges(40),
            {.run =
                 [&](std::size_t) {
                   if (world.rank() == 0)
                     std::this_thread::sleep_for(std::chrono::milliseconds(world.size() > 1 ? 50 : 1));
                   return spec::RangeResult{};
                 },
             .record = [&](std::size_t, const spec::RangeResult&) { ++own; }});
  EXPECT_EQ(world.sum(own), 40);
  if (world.size() > 1 && world.rank() == 0) EXPECT_LT(own, 30);
}

TEST(Sweep, a_range_that_fails_is_recorded_with_its_reason_and_the_others_go_on) {
  const Communicator world = Communicator::world();
  long long failures = 0;
  const SweepProgress end = run_sweep(world, ranges(30),
                                      {.run = [](std::size_t i) -> spec::RangeResult {
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
}

TEST(Sweep, a_result_that_cannot_be_kept_ends_the_sweep_on_all_ranks) {
  const Communicator world = Communicator::world();
  std::string message;
  try {
    run_sweep(world, ranges(1000),
              {.run = [](std::size_t) { return spec::RangeResult{}; },
               .record =
                   [](std::size_t i, const spec::RangeResult&) {
                     if (i == 50) throw StoreError("the disk is full");
                   }});
  } catch (const Error& e) {
    message = e.what();
  }
  EXPECT_THAT(message, HasSubstr("the disk is full"));
}

TEST(Sweep, a_stop_on_one_rank_ends_all_without_losing_what_is_in_hand) {
  const Communicator world = Communicator::world();
  std::atomic<long long> run = 0;
  long long recorded = 0;
  const SweepProgress end = run_sweep(world, ranges(100000),
                                      {.run = [&](std::size_t) { return ++run, spec::RangeResult{}; },
                                       .record = [&](std::size_t, const spec::RangeResult&) { ++recorded; },
                                       .stop_requested = [&] { return world.rank() == world.size() - 1 && run >= 5; }});
  EXPECT_TRUE(end.stopped);
  EXPECT_EQ(run, recorded);
  EXPECT_EQ(static_cast<long long>(end.num_done), world.sum(recorded));
  EXPECT_LT(end.num_done, 100000u);
}

TEST(Sweep, nothing_to_do_ends_at_once) {
  const Communicator world = Communicator::world();
  const SweepProgress end = run_sweep(
      world, {},
      {.run = [](std::size_t) { return spec::RangeResult{}; }, .record = [](std::size_t, const spec::RangeResult&) {}});
  EXPECT_EQ(end.num_ranges, 0u);
  EXPECT_FALSE(end.stopped);
}

}  // namespace
}  // namespace catenary::scheduler
