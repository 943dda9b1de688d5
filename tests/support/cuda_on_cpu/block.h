#pragma once

#include <array>
#include <functional>

// Runs CUDA kernels on the CPU, for tests of what they compute: a block after another, the block's threads by turns.
// The headers beside this one are found before CUDA's own, and have what src/model/cuda uses of them.
namespace catenary::test::cuda_on_cpu {

struct Index {
  unsigned x = 0;
};
inline Index thread_index, block_index, block_size, grid_size;  // of the thread whose turn it is

inline constexpr unsigned kWarp = 32, kMostThreads = 1024;
inline std::array<float, kMostThreads> exchanged;  // what a thread shows the others of its warp

/// Calls body in each thread of each block. Throws std::logic_error where the configuration is none that a GPU takes,
/// or threads wait for others that never come: a GPU would hang, or compute with anything.
void launch(unsigned num_blocks, unsigned num_threads, const std::function<void()>& body);

/// Within a thread: goes on when all of the block, or of the warp, are there.
void wait_for_block();
void wait_for_warp();

}  // namespace catenary::test::cuda_on_cpu
