#include "cli/slurm/job_size.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catenary/base/error.h"
#include "support/temporary_folder.h"

namespace catenary::cli {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::Field;

// One model that loads in no time, so many ranges of a second each where a rank has 1e9 FLOP/s.
Work work_of_seconds(std::size_t num_ranges, double seconds_of_range = 1) {
  return {
      .dtype = spec::DType::kBFloat16,
      .models = {{}},
      .units = {{.model_index = 0, .first_range = 0, .num_ranges = num_ranges, .range_cost = seconds_of_range * 1e9}}};
}

Site site() {
  Site site;
  site.flops_per_rank = 1e9;
  return site;
}

const Partition kOneCoreEach{.num_nodes = 64, .cpus_per_node = 1};

TEST(JobSize, the_fewest_nodes_that_finish_in_half_an_hour_are_proposed) {
  const JobSize size = size_job(work_of_seconds(16000), kOneCoreEach, site(), {});
  EXPECT_EQ(size.num_nodes, 16);
  // 16,000 s on one; a range more or less at the end.
  EXPECT_THAT(
      size.predictions,
      ElementsAre(Field(&Prediction::seconds, DoubleNear(16000, 1)), Field(&Prediction::seconds, DoubleNear(8000, 1)),
                  Field(&Prediction::seconds, DoubleNear(4000, 1)), Field(&Prediction::seconds, DoubleNear(2000, 1)),
                  Field(&Prediction::seconds, DoubleNear(1000, 1))));
  EXPECT_EQ(size.limit_seconds, 2640);  // 2 x 1000 + 600, in whole minutes
}

TEST(JobSize, nodes_that_would_only_wait_are_not_proposed) {
  EXPECT_EQ(size_job(work_of_seconds(1, 7200), kOneCoreEach, site(), {}).num_nodes, 1);
}

TEST(JobSize, a_partition_is_used_up_to_its_last_node_and_the_spare_ones_are_left) {
  const Partition six{.num_nodes = 6, .cpus_per_node = 1};
  EXPECT_EQ(size_job(work_of_seconds(100000), six, site(), {}).num_nodes, 6);
  EXPECT_EQ(size_job(work_of_seconds(100000), six, site(), {.num_spare = 2}).num_nodes, 4);
}

TEST(JobSize, a_number_of_nodes_that_was_given_is_taken) {
  const JobSize size = size_job(work_of_seconds(16000), kOneCoreEach, site(), {.num_nodes = 3});
  EXPECT_EQ(size.num_nodes, 3);
  EXPECT_THAT(size.predictions, ElementsAre(Field(&Prediction::seconds, DoubleNear(16000. / 3, 1))));
}

TEST(JobSize, a_model_that_several_ranks_hold_gets_as_many) {
  Work work = work_of_seconds(1);
  work.models[0].num_ranks = 8;
  EXPECT_EQ(size_job(work, kOneCoreEach, site(), {}).num_nodes, 8);
  EXPECT_EQ(test::message_of<SpecError>([&] { size_job(work, kOneCoreEach, site(), {.num_nodes = 4}); }),
            "a model of \"tensor_parallel\": 8 needs 8 nodes of 1 ranks, and there are 4");
}

TEST(JobSize, ranks_of_cores_do_not_lie_across_sockets) {
  const JobSize size =
      size_job(work_of_seconds(1), {.cpus_per_node = 28, .sockets_per_node = 2}, site(), {});  // 2 x 14 cores
  EXPECT_EQ(size.ranks_per_node, 2);
  EXPECT_EQ(size.cpus_per_rank, 14);
  const JobSize wide = size_job(work_of_seconds(1), {.cpus_per_node = 96, .sockets_per_node = 2}, site(), {});
  EXPECT_EQ(wide.ranks_per_node, 12);
  EXPECT_EQ(wide.cpus_per_rank, 8);
}

TEST(JobSize, ranks_of_gpus_share_the_cores_of_their_socket) {
  const Partition partition{.cpus_per_node = 52, .sockets_per_node = 2, .gpus_per_node = 4};
  const JobSize size = size_job(work_of_seconds(1), partition, site(), {});
  EXPECT_EQ(size.ranks_per_node, 4);
  EXPECT_EQ(size.cpus_per_rank, 13);
  EXPECT_EQ(size.gpus_per_node, 4);
}

TEST(JobSize, a_rank_that_needs_more_threads_than_a_socket_has_gets_them) {
  const Partition partition{.cpus_per_node = 16, .sockets_per_node = 2};
  const JobSize size = size_job(work_of_seconds(1), partition, site(), {.threads_per_rank = 16});
  EXPECT_EQ(size.ranks_per_node, 1);
  EXPECT_EQ(size.cpus_per_rank, 16);
}

// Twelve minutes at two fifths of an H100's 989.4 TFLOP/s, and half of that in float32.
TEST(JobSize, a_gpu_that_slurm_names_is_as_fast_as_its_maker_says) {
  Work work = work_of_seconds(1000);
  work.units[0].range_cost = 989.4e12 * 0.4 * 720 / 1000;
  const Partition partition{.cpus_per_node = 8, .gpus_per_node = 1, .gpu = "h100"};
  EXPECT_NEAR(size_job(work, partition, {}, {}).predictions[0].seconds, 720, 1);
  work.dtype = spec::DType::kFloat32;
  EXPECT_NEAR(size_job(work, partition, {}, {}).predictions[0].seconds, 1440, 2);
}

}  // namespace
}  // namespace catenary::cli
