#include "catenary/scheduler/plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

namespace catenary::scheduler {
namespace {

TEST(WorkQueue, every_range_goes_out_once_whoever_asks) {
  std::mt19937 random(1);
  std::vector<PendingRange> pending;
  for (std::size_t i = 0; i < 1000; ++i) {
    pending.push_back({i, static_cast<std::int32_t>(random() % 7), std::exp2(random() % 10)});
  }
  WorkQueue queue(pending);
  std::vector<std::optional<std::int32_t>> held(5);
  std::set<std::size_t> seen;
  while (queue.num_left() > 0) {
    auto& model = held[random() % held.size()];
    const auto range = queue.take(model);
    ASSERT_TRUE(range);
    EXPECT_TRUE(seen.insert(*range).second);
    model = pending[*range].model_index;
  }
  EXPECT_EQ(seen.size(), pending.size());
  EXPECT_FALSE(queue.take(std::nullopt));
}

TEST(WorkQueue, a_rank_stays_with_its_model_until_that_is_done) {
  WorkQueue queue({{0, 7, 1}, {1, 7, 1}, {2, 8, 100}, {3, 7, 1}});
  EXPECT_EQ(queue.take(7), 0u);
  EXPECT_EQ(queue.take(7), 1u);
  EXPECT_EQ(queue.take(7), 3u);
  EXPECT_EQ(queue.take(7), 2u);
}

TEST(WorkQueue, the_largest_model_goes_first_and_ranks_spread_by_work) {
  WorkQueue queue({{0, 0, 10}, {1, 1, 50}, {2, 1, 50}, {3, 2, 30}});
  EXPECT_EQ(queue.take(std::nullopt), 1u);  // 100 on model 1
  EXPECT_EQ(queue.take(std::nullopt), 3u);  // 30 on model 2 is more than 50 / 2 for a second rank on model 1
  EXPECT_EQ(queue.take(std::nullopt), 2u);  // 25 for a second rank is more than 10
  EXPECT_EQ(queue.take(std::nullopt), 0u);
}

TEST(WorkQueue, nothing_pending_is_nothing_to_take) {
  WorkQueue queue({});
  EXPECT_FALSE(queue.take(std::nullopt));
  EXPECT_FALSE(queue.take(3));
}

}  // namespace
}  // namespace catenary::scheduler
