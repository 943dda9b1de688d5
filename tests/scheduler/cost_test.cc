#include "catenary/scheduler/cost.h"

#include <gtest/gtest.h>

namespace catenary::scheduler {
namespace {

// Two layers of 100 weights by hand, a vocabulary of 10 by 5.
ModelCost small() {
  return {.flops_per_token = 400,
          .flops_per_token_seen = 8,
          .flops_per_row = 100,
          .num_layers = 2,
          .hidden_bytes = 10,
          .largest_row_bytes = 40,
          .file_bytes = 500,
          .shares = {{1, 500, 12}, {2, 260, 6}, {4, 140, 6}}};
}

TEST(Cost, flops_are_those_of_the_tokens_what_they_see_and_the_rows) {
  TokenCounts counts{.tokens = 3, .tokens_seen = 6, .rows = 1};
  counts += {.tokens = 1, .tokens_seen = 4, .rows = 1};
  EXPECT_EQ(flops(small(), counts), 4 * 400 + 10 * 8 + 2 * 100);
}

TEST(Cost, weights_are_read_once_a_batch) {
  const Surroundings around{.batch_tokens = 4};
  EXPECT_EQ(memory_traffic_bytes(small(), {.tokens = 5}, around), 2 * 500 + 2 * 5 * (2 * 10 + 12));
}

TEST(Cost, the_smallest_group_that_holds_the_model_is_taken) {
  const Surroundings around{.devices_per_node = 2,
                            .efficiency = 0.5,
                            .network_bytes_per_second = 10,
                            .load_bytes_per_second = 25,
                            .batch_tokens = 1};
  // Of two ranks: 260 bytes of weights, 3 of keys and values, 20 of hidden states, 20 of the widest layer.
  EXPECT_EQ(memory_bytes(small(), small().shares[1], around), 303);
  const DeviceKind device{"d", 80, 303 / kUsableMemory + 1, 1e9, 40};
  const Fit fit = fit_on(small(), device, around);
  EXPECT_EQ(fit.group_size, 2);
  EXPECT_EQ(fit.load_seconds, 10);
  // 400 FLOPs on 2 x 40 a second are 5 s. Two layers send 2 x 2/2 x 10 bytes twice: 40 bytes, 1 s.
  EXPECT_DOUBLE_EQ(fit.rate, 400 / 6.0);
  const DeviceKind smaller{"e", 80, 303 / kUsableMemory - 1, 1e9, 40};
  const Fit across = fit_on(small(), smaller, around);
  EXPECT_EQ(across.group_size, 4);
  // 400 on 4 x 40 are 2.5 s; 2 x 3/4 x 10 bytes four times are 60, at the network's 10 a second.
  EXPECT_DOUBLE_EQ(across.rate, 400 / 8.5);
  EXPECT_EQ(fit_on(small(), {"f", 80, 100, 1, 40}, around).group_size, 0);
}

TEST(Cost, a_slow_memory_bounds_the_rate) {
  const Surroundings around{.efficiency = 0.5, .load_bytes_per_second = 25, .batch_tokens = 1};
  // A token moves 500 bytes of weights and twice 2 x 10 + 12: 564, on two ranks of 10 a second 28.2 s, and 1 s is sent.
  const Fit fit = fit_on(small(), {"d", 80, 303 / kUsableMemory + 1, 10, 40}, around);
  EXPECT_DOUBLE_EQ(fit.rate, 400 / 29.2);
}

TEST(Cost, devices_are_known_by_name) {
  ASSERT_NE(find_device_kind("h100"), nullptr);
  EXPECT_EQ(find_device_kind("h100")->memory_bytes, 80e9);
  EXPECT_EQ(find_device_kind("h1000"), nullptr);
}

}  // namespace
}  // namespace catenary::scheduler
