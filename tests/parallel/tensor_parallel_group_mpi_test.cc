#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <thread>

#include "catenary/base/error.h"
#include "catenary/parallel/tensor_parallel_group.h"

namespace catenary::parallel {
namespace {

using testing::HasSubstr;

Elements elements_of(std::vector<float>& values) {
  return {.data = values.data(), .count = values.size()};
}

std::unique_ptr<TensorParallelGroup> group_of_all(const Communicator& world) {
  return make_mpi_group(world, 0, world.size());
}

// What agree() threw, if it did.
std::string problem_of(TensorParallelGroup& group, const std::function<void()>& act) {
  try {
    agree(group, act);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(TensorParallelGroup, all_reduce_gives_everyone_the_sum_and_the_maximum) {
  const Communicator world = Communicator::world();
  const auto group = group_of_all(world);
  const int n = group->size(), rank = group->rank();
  EXPECT_EQ(n, world.size());
  for (const std::size_t count : {0U, 1U, 3U, 1000U, 100'000U}) {  // fewer elements than ranks, too
    std::vector<float> sums, maxima;
    for (std::size_t i = 0; i < count; ++i) {
      sums.push_back(static_cast<float>(i % 100) * static_cast<float>(rank + 1));
      maxima.push_back(static_cast<float>((i + static_cast<std::size_t>(rank)) % 7));
    }
    group->all_reduce(elements_of(sums), Reduction::kSum);
    group->all_reduce(elements_of(maxima), Reduction::kMax);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(sums[i], static_cast<float>(i % 100) * static_cast<float>(n * (n + 1) / 2));
      float max = 0;
      for (std::size_t r = 0; r < static_cast<std::size_t>(n); ++r)
        max = std::max(max, static_cast<float>((i + r) % 7));
      ASSERT_EQ(maxima[i], max);
    }
  }
}

TEST(TensorParallelGroup, sums_have_the_same_bits_on_all_ranks) {
  const Communicator world = Communicator::world();
  const auto group = group_of_all(world);
  std::vector<float> values(1001);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = 1 / static_cast<float>(3 + i + 17 * static_cast<std::size_t>(world.rank()));
  }
  group->all_reduce(elements_of(values), Reduction::kSum);
  const std::string bytes(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  for (const std::string& other : world.all_gather(bytes)) EXPECT_EQ(other, bytes);
}

TEST(TensorParallelGroup, all_gather_gives_everyone_each_rank_s_text) {
  const Communicator world = Communicator::world();
  const auto group = group_of_all(world);
  std::vector<std::string> expected;
  for (int rank = 0; rank < group->size(); ++rank) expected.emplace_back(static_cast<std::size_t>(rank) * 3, 'x');
  EXPECT_EQ(group->all_gather(expected[static_cast<std::size_t>(group->rank())]), expected);
  EXPECT_EQ(single_rank().all_gather("alone"), std::vector<std::string>{"alone"});
}

TEST(TensorParallelGroup, halves_of_the_ranks_work_side_by_side) {
  const Communicator world = Communicator::world();
  if (world.size() == 1) GTEST_SKIP() << "one rank has no halves";
  const int half = world.size() / 2, first = world.rank() / half * half;
  const auto group = make_mpi_group(world, first, half);
  EXPECT_EQ(group->rank(), world.rank() - first);
  for (int i = 0; i < 100; ++i) {
    std::vector<float> one{static_cast<float>(world.rank())};
    group->all_reduce(elements_of(one), Reduction::kSum);
    EXPECT_EQ(one[0], static_cast<float>(half * first + half * (half - 1) / 2));
  }
}

TEST(Agree, a_rank_that_throws_is_an_error_on_all_even_on_those_that_wait_for_it) {
  const Communicator world = Communicator::world();
  const auto group = group_of_all(world);
  for (int at_fault = 0; at_fault < group->size(); ++at_fault) {
    for (const int step : {0, 1, 7}) {
      SCOPED_TRACE(step);
      const std::string problem = problem_of(*group, [&] {
        for (int i = 0; i < 10; ++i) {
          if (i == step && group->rank() == at_fault) throw DataError("the weights are gone");
          std::vector<float> values(100'000, 1);
          group->all_reduce(elements_of(values), Reduction::kSum);
        }
      });
      EXPECT_THAT(problem, HasSubstr("the weights are gone"));
      if (group->rank() != at_fault) EXPECT_THAT(problem, HasSubstr("rank " + std::to_string(at_fault)));
      EXPECT_EQ(problem_of(*group,
                           [&] {
                             std::vector<float> values(10, 1);
                             group->all_reduce(elements_of(values), Reduction::kSum);
                             EXPECT_EQ(values[9], static_cast<float>(group->size()));
                           }),
                "")
          << "the group is as good as new";
    }
  }
}

TEST(Agree, a_rank_that_throws_after_the_others_are_through_is_an_error_on_all) {
  const Communicator world = Communicator::world();
  const auto group = group_of_all(world);
  const std::string problem = problem_of(*group, [&] {
    if (group->rank() + 1 < group->size()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    throw DataError("too late");
  });
  EXPECT_THAT(problem, HasSubstr("too late"));
}

TEST(Agree, ranks_that_are_not_at_the_same_point_are_an_error) {
  const Communicator world = Communicator::world();
  if (world.size() == 1) GTEST_SKIP() << "one rank is always at the same point";
  const auto group = group_of_all(world);
  EXPECT_THAT(problem_of(*group,
                         [&] {
                           std::vector<float> values(group->rank() == 0 ? 800 : 400);
                           group->all_reduce(elements_of(values), Reduction::kSum);
                         }),
              HasSubstr("not at the same point"));
  EXPECT_THAT(problem_of(*group,
                         [&] {
                           std::vector<float> values(400);
                           if (group->rank() == 0) group->all_reduce(elements_of(values), Reduction::kSum);
                         }),
              HasSubstr("not at the same point"));
}

TEST(SingleRank, agrees_with_itself) {
  std::vector<float> values{2};
  single_rank().all_reduce(elements_of(values), Reduction::kSum);
  EXPECT_EQ(values[0], 2);
  EXPECT_THAT(problem_of(single_rank(), [] { throw DataError("gone"); }), HasSubstr("gone"));
}

}  // namespace
}  // namespace catenary::parallel
