// Kernels on the CPU wait for each other as on a GPU, and one that would hang there is found.
#include "support/cuda_on_cpu/block.h"

#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <functional>
#include <numeric>
#include <stdexcept>
#include <vector>

namespace catenary::test::cuda_on_cpu {
namespace {

TEST(BlockOnCpu, threads_meet_at_barriers_and_exchange_within_their_warp) {
  std::vector<float> sums(3 * 64), reversed(3 * 64);
  launch(3, 64, [&] {
    static std::vector<unsigned> shared(64);
    const unsigned thread = threadIdx.x, at = blockIdx.x * blockDim.x + thread;
    float sum = static_cast<float>(thread);
    for (int mask = 16; mask > 0; mask /= 2) sum += __shfl_xor_sync(0xffffffff, sum, mask);
    sums[at] = sum;
    shared[thread] = at;
    __syncthreads();
    reversed[at] = static_cast<float>(shared[63 - thread]);
  });
  for (unsigned at = 0; at < sums.size(); ++at) {
    EXPECT_EQ(sums[at], at % 64 < 32 ? 496 : 496 + 32 * 32) << at;
    EXPECT_EQ(reversed[at], static_cast<float>(at / 64 * 64 + 63 - at % 64)) << at;
  }
}

TEST(BlockOnCpu, threads_that_never_come_are_found) {
  const auto is_found = [](const std::function<void()>& kernel) {
    EXPECT_THROW(launch(1, 64, kernel), std::logic_error);
  };
  is_found([] {
    if (threadIdx.x != 7) __syncthreads();
  });
  is_found([] {
    if (threadIdx.x % 2 == 0) __shfl_xor_sync(0xffffffff, 1, 1);
  });
  is_found([] {
    if (threadIdx.x < 32) {
      __syncthreads();
    } else {
      __shfl_xor_sync(0xffffffff, 1, threadIdx.x == 40 ? 1 : 2);
      if (threadIdx.x == 40) __syncthreads();
    }
  });
  int num_threads = 0;
  launch(1, 64, [&] { ++num_threads; });  // and the next kernel begins anew
  EXPECT_EQ(num_threads, 64);
}

TEST(BlockOnCpu, takes_what_a_gpu_takes) {
  const std::function<void()> nothing = [] {};
  for (const unsigned threads : {0U, 33U, 1056U}) EXPECT_THROW(launch(1, threads, nothing), std::logic_error);
  EXPECT_THROW(launch(0, 32, nothing), std::logic_error);
  EXPECT_THROW(launch(1U << 31, 32, nothing), std::logic_error);
}

}  // namespace
}  // namespace catenary::test::cuda_on_cpu
