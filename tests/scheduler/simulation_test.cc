#include "catenary/scheduler/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace catenary::scheduler {
namespace {

constexpr Strategy kAll[] = {Strategy::kPolicy, Strategy::kRoundRobin, Strategy::kLongestFirst,
                             Strategy::kJobsOfEqualSize, Strategy::kJobsByParameters};

Work even_work() {
  Work work{.models = {{{.group_size = 1, .rate = 2, .load_seconds = 3}}},
            .units = {{0, 0, 100, 4}, {0, 100, 100, 4}},
            .ranks = {}};
  for (int i = 0; i < 4; ++i) work.ranks.push_back({i / 2, 0});
  return work;
}

TEST(Simulation, even_work_takes_its_time_and_one_loading) {
  // 200 ranges of 2 s on 4 ranks.
  for (const Strategy strategy : {Strategy::kPolicy, Strategy::kJobsOfEqualSize, Strategy::kJobsByParameters}) {
    const Simulation simulation = simulate(even_work(), {}, strategy);
    EXPECT_DOUBLE_EQ(simulation.lower_bound_seconds, 100);
    EXPECT_DOUBLE_EQ(simulation.makespan_seconds, 103);
    EXPECT_DOUBLE_EQ(simulation.utilization, 100.0 / 103);
  }
  // Two units dealt to four ranks.
  EXPECT_DOUBLE_EQ(simulate(even_work(), {}, Strategy::kRoundRobin).makespan_seconds, 203);
}

TEST(Simulation, the_longest_chain_bounds_from_below) {
  Work work = even_work();
  work.units = {{0, 0, 1, 400}};
  const Simulation simulation = simulate(work, {}, Strategy::kPolicy);
  EXPECT_DOUBLE_EQ(simulation.lower_bound_seconds, 203);
  EXPECT_DOUBLE_EQ(simulation.makespan_seconds, 203);
}

TEST(Simulation, a_group_is_as_slow_as_its_slowest_node) {
  Work work = even_work();
  work.models = {{{.group_size = 4, .rate = 2}}};
  EXPECT_DOUBLE_EQ(simulate(work, {.slow_nodes = 0.5}, Strategy::kPolicy).makespan_seconds, 800);
}

TEST(Simulation, devices_of_two_speeds_end_together) {
  // 1,600 ranges, four devices that do three a second and four that do one: 100 s.
  Work work{.models = {{{.rate = 3}, {.rate = 1}}}, .units = {{0, 0, 1600, 1}}, .ranks = {}};
  for (int i = 0; i < 8; ++i) work.ranks.push_back({.node = i / 4, .kind = i / 4});
  const Simulation simulation = simulate(work, {}, Strategy::kPolicy);
  EXPECT_GE(simulation.makespan_seconds, 100);
  EXPECT_LE(simulation.makespan_seconds, 102);
}

TEST(Simulation, a_lost_node_costs_its_hour_and_what_it_had_in_hand) {
  Work work = even_work();
  work.units = {{0, 0, 40000, 4}};  // 20,000 s
  const Simulation simulation = simulate(work, {.lose_a_node = true}, Strategy::kPolicy);
  EXPECT_GE(simulation.makespan_seconds, 20003 + 1800);
  EXPECT_LE(simulation.makespan_seconds, 20003 + 1800 + 20000 / 4.0);
}

TEST(Simulation, same_seed_same_sweep) {
  const Disturbances some{.seed = 7, .cost_error = 0.3};
  EXPECT_EQ(simulate(even_work(), some, Strategy::kPolicy).makespan_seconds,
            simulate(even_work(), some, Strategy::kPolicy).makespan_seconds);
  EXPECT_NE(simulate(even_work(), some, Strategy::kPolicy).makespan_seconds,
            simulate(even_work(), {.seed = 8, .cost_error = 0.3}, Strategy::kPolicy).makespan_seconds);
}

// A lopsided ladder on 64 devices: each model twice as large as the one before.
TEST(Simulation, the_policy_is_near_the_bound_and_no_strategy_beats_it) {
  Work work;
  std::mt19937 random(3);
  std::size_t first = 0;
  for (int m = 0; m < 10; ++m) {
    const double size = 1 << m;
    work.models.push_back(
        {{.group_size = m < 7 ? 1 : 1 << (m - 6), .rate = m < 7 ? 1.0 : 1 << (m - 6), .load_seconds = size / 50}});
    for (int u = 0; u < 200; ++u) {
      const auto count = static_cast<std::size_t>(1 + random() % 8);
      work.units.push_back({m, first, count, size * static_cast<double>(1 + random() % 100) / 100});
      first += count;
    }
  }
  for (int i = 0; i < 64; ++i) work.ranks.push_back({i / 8, 0});
  for (const Disturbances& disturbances :
       {Disturbances{}, Disturbances{.cost_error = 0.3}, Disturbances{.slow_nodes = 0.125},
        Disturbances{.cost_error = 0.3, .slow_nodes = 0.125, .lose_a_node = true}}) {
    const double own = simulate(work, disturbances, Strategy::kPolicy).makespan_seconds;
    for (const Strategy strategy : kAll) {
      const Simulation simulation = simulate(work, disturbances, strategy);
      EXPECT_GE(simulation.makespan_seconds, simulation.lower_bound_seconds);
      EXPECT_LE(simulation.utilization, 1);
      EXPECT_LE(own, simulation.makespan_seconds);
    }
    if (disturbances.slow_nodes == 0)
      EXPECT_LE(own, 1.06 * simulate(work, disturbances, Strategy::kPolicy).lower_bound_seconds);
  }
}

TEST(Simulation, bars_do_not_overlap_on_any_device_and_make_a_picture) {
  Work work = even_work();
  work.models = {{{.group_size = 2, .rate = 1, .load_seconds = 1}}, {{.group_size = 1, .rate = 1, .load_seconds = 1}}};
  work.units = {{0, 0, 20, 1}, {1, 20, 90, 1}};
  const Simulation simulation = simulate(work, {}, Strategy::kPolicy, /*with_bars=*/true);
  double computed = 0;
  for (const Bar& a : simulation.bars) {
    computed += (a.end - a.begin) * a.group.num_ranks;
    EXPECT_LE(a.end, simulation.makespan_seconds);
    for (const Bar& b : simulation.bars) {
      if (&a != &b && overlap(a.group, b.group)) EXPECT_TRUE(a.end <= b.load_begin || b.end <= a.load_begin);
    }
  }
  EXPECT_NEAR(computed, 130, 1e-9);
  const std::string svg = to_svg(simulation, {"large", "a<b"}, 4);
  EXPECT_THAT(svg, testing::StartsWith("<svg"));
  EXPECT_THAT(svg, testing::HasSubstr("a&lt;b"));
}

}  // namespace
}  // namespace catenary::scheduler
