#include "catenary/scheduler/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <random>
#include <vector>

#include "catenary/base/error.h"

namespace catenary::scheduler {
namespace {

std::vector<RankPlace> ranks(int num_nodes, int per_node, int kind = 0) {
  std::vector<RankPlace> places;
  for (int i = 0; i < num_nodes * per_node; ++i) places.push_back({i / per_node, kind});
  return places;
}

// A sweep drawn at random, and what a caller of the policy sees; checks what has to hold after every step.
class Checked {
 public:
  explicit Checked(unsigned seed) : random_(seed) {
    const int num_kinds = draw(1, 2), per_node = 1 << draw(0, 3), num_nodes = draw(2, 6);
    for (int node = 0; node < num_nodes; ++node) {
      for (int i = 0; i < per_node; ++i) ranks_.push_back({node, node * num_kinds / num_nodes});
    }
    // Sizes as memory asks for them: the second kind has half the memory of the first.
    std::vector<ModelFits> models;
    for (int m = draw(1, 6); m > 0; --m) {
      const int size = 1 << draw(0, per_node < 4 ? 0 : 2);
      ModelFits fits{{.group_size = size, .rate = static_cast<double>(draw(1, 9)), .load_seconds = draw(0, 20) / 10.0}};
      if (num_kinds == 2) fits.push_back({.group_size = 2 * size > per_node ? 0 : 2 * size, .rate = 1});
      models.push_back(fits);
    }
    fits_ = models;
    std::vector<PendingUnit> units;
    for (int u = draw(0, 60); u > 0; --u) {
      const auto count = static_cast<std::size_t>(draw(1, 30));
      units.push_back({draw(0, static_cast<int>(models.size()) - 1), recorded_.size(), count, draw(1, 1000) / 10.0});
      recorded_.resize(recorded_.size() + count);
      failures_.resize(recorded_.size());
    }
    policy_.emplace(Work{std::move(models), units, ranks_});
    group_of_.resize(ranks_.size(), kUnknown);
    ask_idle();
  }

  void play(bool fail_some, bool lose_some) {
    while (!in_hand_.empty()) {
      const auto i = static_cast<std::size_t>(draw(0, static_cast<int>(in_hand_.size()) - 1));
      const Assignment done = in_hand_[i];
      in_hand_.erase(in_hand_.begin() + static_cast<std::ptrdiff_t>(i));
      finish(done, fail_some);
      ask(done.group);
      ask_idle();
      if (lose_some && draw(0, 20) == 0) lose_and_rejoin();
      ask_idle();
    }
    EXPECT_EQ(policy_->num_left(), 0u);
    EXPECT_THAT(recorded_, testing::Each(1)) << "every range is recorded, and once";
  }

 private:
  int draw(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }

  void ask_idle() {
    for (const Group& group : policy_->take_idle()) {
      see(group);
      ask(group);
    }
  }

  // Groups only split: this one is a part of what its ranks were in before.
  void see(const Group& group) {
    for (int r = group.first_rank; r < group.first_rank + group.num_ranks; ++r) {
      Group& before = group_of_[static_cast<std::size_t>(r)];
      EXPECT_TRUE(before.num_ranks == 0 ||
                  (before.has(group.first_rank) && before.has(group.first_rank + group.num_ranks - 1)));
      EXPECT_EQ(ranks_[static_cast<std::size_t>(r)].kind, ranks_[static_cast<std::size_t>(group.first_rank)].kind);
      before = group;
    }
  }

  void ask(const Group& group) {
    for (const Assignment& a : policy_->assign(group.first_rank)) {
      EXPECT_TRUE(group.has(a.group.first_rank) && group.has(a.group.first_rank + a.group.num_ranks - 1));
      see(a.group);
      const auto kind = static_cast<std::size_t>(ranks_[static_cast<std::size_t>(a.group.first_rank)].kind);
      EXPECT_EQ(a.group.num_ranks, fits_[static_cast<std::size_t>(a.model_index)][kind].group_size) << "memory";
      EXPECT_TRUE(std::ranges::none_of(in_hand_, [&](const Assignment& b) { return overlap(a.group, b.group); }));
      in_hand_.push_back(a);
    }
  }

  void finish(const Assignment& a, bool fail_some) {
    std::vector<std::size_t> failed;
    for (std::size_t range = a.first_range; range < a.first_range + a.num_ranges; ++range) {
      if (fail_some && draw(0, 9) == 0) {
        EXPECT_LE(++failures_[range], 2);
        if (a.is_final) {
          ++recorded_[range];
        } else {
          failed.push_back(range);
        }
      } else {
        ++recorded_[range];
      }
    }
    policy_->finish(a, a.num_ranges - failed.size(), draw(1, 100) / 10.0);
    for (const std::size_t range : failed) {
      Assignment one = a;
      one.first_range = range;
      one.num_ranges = 1;
      policy_->retry(one);
    }
  }

  void lose_and_rejoin() {
    const int node = ranks_[static_cast<std::size_t>(draw(0, static_cast<int>(ranks_.size()) - 1))].node;
    int first = 0, count = 0;
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      if (ranks_[r].node != node) continue;
      if (count++ == 0) first = static_cast<int>(r);
    }
    const Group lost{first, count};
    std::erase_if(in_hand_, [&](const Assignment& a) {
      if (!overlap(a.group, lost)) return false;
      policy_->finish(a, 0, 0);
      policy_->put_back(a);
      return true;
    });
    for (Group& group : group_of_) {
      if (overlap(group, lost)) group = kUnknown;
    }
    policy_->lose(first, count);
    policy_->join(first, count);
  }

  static constexpr Group kUnknown{0, 0};
  std::mt19937 random_;
  std::vector<RankPlace> ranks_;
  std::vector<ModelFits> fits_;
  std::optional<Policy> policy_;
  std::vector<int> recorded_, failures_;
  std::vector<Assignment> in_hand_;
  std::vector<Group> group_of_;  // by rank: the last that was seen
};

TEST(Policy, no_range_is_lost_or_done_twice_groups_only_split_and_memory_suffices) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Checked(seed).play(/*fail_some=*/false, /*lose_some=*/false);
  }
}

TEST(Policy, the_same_where_ranges_fail) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Checked(seed).play(true, false);
  }
}

TEST(Policy, the_same_where_nodes_go_and_come_back) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Checked(seed).play(true, true);
  }
}

TEST(Policy, a_group_stays_with_its_model_until_that_is_done) {
  Policy policy({{{{.rate = 1, .load_seconds = 5}}, {{.rate = 1, .load_seconds = 5}}},
                 {{0, 0, 1, 10}, {1, 1, 1, 100}, {0, 2, 1, 10}, {1, 3, 1, 90}},
                 ranks(1, 1)});
  std::vector<std::int32_t> models;
  for (int i = 0; i < 4; ++i) models.push_back(policy.assign(0).at(0).model_index);
  EXPECT_THAT(models, testing::ElementsAre(1, 1, 0, 0));
  EXPECT_TRUE(policy.assign(0).empty());
}

TEST(Policy, groups_spread_over_models_as_the_work_does) {
  // 3 : 1, on eight ranks.
  Policy policy({{{{}}, {{}}}, {{0, 0, 300, 1}, {1, 300, 100, 1}}, ranks(8, 1)});
  int on_first = 0;
  for (const Group& group : policy.take_idle()) on_first += policy.assign(group.first_rank).at(0).model_index == 0;
  EXPECT_EQ(on_first, 6);
}

TEST(Policy, a_group_splits_for_a_smaller_model_and_each_part_gets_something) {
  Policy policy({{{{.group_size = 4}}, {{.group_size = 1}}}, {{0, 0, 1, 100}, {1, 1, 40, 1}}, ranks(1, 4)});
  EXPECT_THAT(policy.take_idle(), testing::SizeIs(1));
  auto first = policy.assign(0);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].group.num_ranks, 4);
  policy.finish(first[0], 1, 1);
  auto parts = policy.assign(0);
  EXPECT_THAT(parts, testing::SizeIs(4));
  for (const Assignment& part : parts) EXPECT_EQ(part.group.num_ranks, 1);
}

TEST(Policy, handouts_get_shorter_towards_the_end) {
  Policy policy({{{{}}}, {{0, 0, 1000, 1}}, ranks(4, 1)});
  std::deque<int> asking{0, 1, 2, 3};
  std::vector<std::size_t> sizes;
  policy.take_idle();
  while (true) {
    const auto given = policy.assign(asking.front());
    if (given.empty()) break;
    sizes.push_back(given[0].num_ranges);
    asking.push_back(asking.front());
    asking.pop_front();
  }
  EXPECT_GT(sizes.front(), 50u);
  EXPECT_EQ(sizes.back(), 1u);
  EXPECT_TRUE(std::ranges::is_sorted(sizes.begin() + 4, sizes.end(), std::ranges::greater()));
}

TEST(Policy, a_model_is_not_loaded_where_the_others_finish_it_sooner) {
  Policy policy({{{{.load_seconds = 50}}, {{.load_seconds = 50}}}, {{0, 0, 12, 1}, {1, 12, 1, 1}}, ranks(2, 1)});
  policy.take_idle();
  EXPECT_EQ(policy.assign(0).at(0).model_index, 0);
  EXPECT_EQ(policy.assign(1).at(0).model_index, 1);
  EXPECT_TRUE(policy.assign(1).empty());
  EXPECT_EQ(policy.assign(0).at(0).model_index, 0);
}

TEST(Policy, a_failed_range_goes_elsewhere_and_only_once) {
  Policy policy({{{{}}}, {{0, 0, 1, 1}}, ranks(2, 1)});
  policy.take_idle();
  const Assignment first = policy.assign(0).at(0);
  EXPECT_FALSE(first.is_final);
  policy.finish(first, 0, 1);
  policy.retry(first);
  EXPECT_TRUE(policy.assign(0).empty());
  const Assignment again = policy.assign(1).at(0);
  EXPECT_TRUE(again.is_final);
  policy.finish(again, 0, 1);
  EXPECT_EQ(policy.num_left(), 0u);
}

TEST(Policy, a_second_try_is_on_another_node_where_there_is_one) {
  Policy policy({.models = {{{}}}, .units = {{0, 0, 1, 1.0}}, .ranks = ranks(2, 2)});
  const auto idle = policy.take_idle();
  ASSERT_EQ(idle.size(), 4u);
  const Assignment first = policy.assign(0).at(0);
  EXPECT_TRUE(policy.assign(1).empty() && policy.assign(2).empty() && policy.assign(3).empty());
  policy.finish(first, 0, 0);
  policy.retry(first);
  EXPECT_TRUE(policy.assign(0).empty());
  EXPECT_TRUE(policy.assign(1).empty()) << "the same node";
  const Assignment again = policy.assign(2).at(0);
  EXPECT_TRUE(again.is_final);
  EXPECT_EQ(again.failed_on, 0);
}

TEST(Policy, a_second_try_is_on_the_same_node_where_it_is_the_only_one) {
  Policy policy({.models = {{{}}}, .units = {{0, 0, 1, 1.0}}, .ranks = ranks(1, 2)});
  const Assignment first = policy.assign(0).at(0);
  EXPECT_TRUE(policy.assign(1).empty());
  policy.finish(first, 0, 0);
  policy.retry(first);
  EXPECT_EQ(policy.assign(1).at(0).first_range, 0u);
}

// How many of 100 ranges go to the first of three ranks where all fail that begin there, in which other ranks fail too
// if `others_fail`.
int num_ranges_of_a_rank_that_fails(bool others_fail) {
  Policy policy({.models = {{{}}}, .units = {{0, 0, 100, 1.0}}, .ranks = ranks(3, 1)});
  std::deque<Assignment> in_hand;
  const auto ask = [&](int rank) {
    for (const Assignment& a : policy.assign(rank)) in_hand.push_back(a);
  };
  int num_ranges = 0;
  for (const Group& group : policy.take_idle()) ask(group.first_rank);
  while (!in_hand.empty()) {
    const Assignment done = in_hand.front();
    in_hand.pop_front();
    const bool fails = done.group.first_rank == 0 || others_fail;
    if (done.group.first_rank == 0) num_ranges += static_cast<int>(done.num_ranges);
    policy.finish(done, fails ? 0 : done.num_ranges, 1);
    for (std::size_t i = 0; fails && !done.is_final && i < done.num_ranges; ++i) {
      Assignment one = done;
      one.first_range += i;
      one.num_ranges = 1;
      policy.retry(one);
    }
    ask(done.group.first_rank);
    for (const Group& group : policy.take_idle()) ask(group.first_rank);
  }
  EXPECT_EQ(policy.num_left(), 0u);
  return num_ranges;
}

TEST(Policy, a_rank_that_only_fails_gets_nothing_more) {
  EXPECT_LT(num_ranges_of_a_rank_that_fails(false), 40);
  EXPECT_GT(num_ranges_of_a_rank_that_fails(true), 40) << "it is not to blame where all fail";
}

TEST(Policy, a_failure_where_there_is_no_other_group_is_final) {
  Policy policy({{{{.group_size = 2}}, {{}}}, {{0, 0, 1, 1}, {1, 1, 1, 1}}, ranks(2, 2)});
  policy.take_idle();
  EXPECT_FALSE(policy.assign(2).at(0).is_final);  // of the large model
  EXPECT_FALSE(policy.assign(0).at(0).is_final);  // the small one, whose group splits
  Policy alone({{{{.group_size = 2}}}, {{0, 0, 1, 1}}, ranks(1, 2)});
  EXPECT_TRUE(alone.assign(0).at(0).is_final);
}

TEST(Policy, the_last_group_that_could_run_a_model_waits_until_that_is_done) {
  Policy policy({{{{.group_size = 2}}, {{}}}, {{0, 0, 1, 1}, {1, 1, 9, 1}}, ranks(1, 2)});
  policy.take_idle();
  const Assignment large = policy.assign(0).at(0);
  EXPECT_TRUE(policy.assign(0).empty());
  EXPECT_THAT(policy.take_idle(), testing::IsEmpty());
  policy.finish(large, 1, 1);
  ASSERT_THAT(policy.take_idle(), testing::SizeIs(1));
  EXPECT_THAT(policy.assign(0), testing::SizeIs(2));
}

TEST(Policy, a_slow_rank_gets_shorter_handouts) {
  Policy policy({{{{}}}, {{0, 0, 10000, 1}}, ranks(2, 1)});
  policy.take_idle();
  std::vector<std::size_t> sizes(2);
  for (int round = 0; round < 8; ++round) {
    for (const int rank : {0, 1}) {
      const Assignment a = policy.assign(rank).at(0);
      sizes[static_cast<std::size_t>(rank)] = a.num_ranges;
      policy.finish(a, a.num_ranges, static_cast<double>(a.num_ranges) * (rank == 1 ? 4 : 1));
    }
  }
  EXPECT_LT(static_cast<double>(sizes[1]), 0.5 * static_cast<double>(sizes[0]));
}

TEST(Policy, measured_speeds_take_the_place_of_predicted_ones) {
  // Predicted alike; the second model turns out to take three times as long, and so gets the third rank.
  Policy policy({{{{}}, {{}}}, {{0, 0, 1000, 1}, {1, 1000, 1000, 1}}, ranks(3, 1)});
  policy.take_idle();
  for (const int rank : {0, 1}) {
    const Assignment a = policy.assign(rank).at(0);
    EXPECT_EQ(a.model_index, rank);
    policy.finish(a, a.num_ranges, static_cast<double>(a.num_ranges) * (a.model_index == 1 ? 3 : 1));
  }
  EXPECT_EQ(policy.assign(2).at(0).model_index, 1);
}

TEST(Policy, what_fits_few_devices_goes_to_those_first) {
  // Model 0 runs on the second kind only; there is more of model 1.
  std::vector<RankPlace> places{{0, 0}, {1, 0}, {2, 0}, {3, 1}};
  Policy policy({{{{.group_size = 0}, {}}, {{}, {}}}, {{0, 0, 10, 1}, {1, 10, 30, 1}}, places});
  policy.take_idle();
  EXPECT_EQ(policy.assign(3).at(0).model_index, 0);
  EXPECT_EQ(policy.assign(0).at(0).model_index, 1);
}

TEST(Policy, a_model_that_fits_nowhere_is_refused) {
  EXPECT_THROW(Policy({{{{.group_size = 8}}}, {{0, 0, 1, 1}}, ranks(1, 4)}), SpecError);
  EXPECT_THROW(Policy({{{{.group_size = 0}}}, {{0, 0, 1, 1}}, ranks(1, 4)}), SpecError);
}

TEST(Policy, groups_lie_within_nodes_or_are_made_of_whole_nodes) {
  Policy within({{{{.group_size = 4}}}, {{0, 0, 1, 1}}, ranks(2, 6)});
  std::vector<std::pair<int, int>> groups;
  for (const Group& group : within.take_idle()) groups.emplace_back(group.first_rank, group.num_ranks);
  EXPECT_THAT(groups, testing::ElementsAre(testing::Pair(0, 4), testing::Pair(4, 2), testing::Pair(6, 4),
                                           testing::Pair(10, 2)));
  Policy across({{{{.group_size = 16}}}, {{0, 0, 1, 1}}, ranks(3, 8)});
  groups.clear();
  for (const Group& group : across.take_idle()) groups.emplace_back(group.first_rank, group.num_ranks);
  EXPECT_THAT(groups, testing::ElementsAre(testing::Pair(0, 16), testing::Pair(16, 8)));
}

TEST(Policy, nothing_pending_is_nothing_to_do) {
  Policy policy({{{{}}}, {}, ranks(1, 2)});
  EXPECT_EQ(policy.num_left(), 0u);
  EXPECT_TRUE(policy.assign(0).empty());
}

}  // namespace
}  // namespace catenary::scheduler
