#include "cli/gpu_of_rank.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catenary/base/error.h"

namespace catenary::cli {
namespace {

using testing::ElementsAre;
using Lists = std::vector<std::vector<std::string>>;

std::string problem_of(const Lists& visible) {
  try {
    gpu_of_each_rank("n1", visible);
  } catch (const SpecError& e) {
    return e.what();
  }
  return "";
}

TEST(GpuOfRank, ranks_that_see_all_gpus_take_one_each) {
  EXPECT_THAT(gpu_of_each_rank("n1", Lists(3, {"a", "b", "c", "d"})), ElementsAre(0, 1, 2));
}

TEST(GpuOfRank, ranks_that_slurm_gives_a_gpu_each_take_it) {
  EXPECT_THAT(gpu_of_each_rank("n1", {{"a"}, {"b"}, {"c"}}), ElementsAre(0, 0, 0));
}

TEST(GpuOfRank, a_rank_with_two_gpus_of_its_own_takes_the_first) {
  EXPECT_THAT(gpu_of_each_rank("n1", {{"a", "b"}, {"c", "d"}}), ElementsAre(0, 0));
}

TEST(GpuOfRank, sockets_whose_ranks_see_the_same_gpus_are_filled) {
  EXPECT_THAT(gpu_of_each_rank("n1", {{"a", "b"}, {"a", "b"}, {"c", "d"}, {"c", "d"}}), ElementsAre(0, 1, 0, 1));
}

TEST(GpuOfRank, more_ranks_than_gpus_is_told) {
  EXPECT_EQ(problem_of({{"a"}, {"a"}}),
            "n1: rank 1 of 2 there needs a GPU of its own, and the 1 that it sees are taken by ranks before it; start "
            "as many ranks a node as it has GPUs, or use --device cpu");
}

TEST(GpuOfRank, ranks_that_see_no_gpu_are_told_all_at_once) {
  EXPECT_THAT(problem_of({{"a"}, {}, {}}),
              testing::AllOf(testing::HasSubstr("rank 1 of 3 there"), testing::HasSubstr("rank 2 of 3 there"),
                             testing::HasSubstr("and sees none")));
}

}  // namespace
}  // namespace catenary::cli
