#pragma once

#include <cmath>
#include <cstdint>

#include "support/cuda_on_cpu/block.h"

#define __global__
#define __device__
#define __shared__ static  // blocks run one after another

inline auto& threadIdx = catenary::test::cuda_on_cpu::thread_index;
inline auto& blockIdx = catenary::test::cuda_on_cpu::block_index;
inline auto& blockDim = catenary::test::cuda_on_cpu::block_size;
inline auto& gridDim = catenary::test::cuda_on_cpu::grid_size;

inline void __syncthreads() {
  ::catenary::test::cuda_on_cpu::wait_for_block();
}

inline float __shfl_xor_sync(unsigned /*all of the warp*/, float x, int mask) {
  using namespace ::catenary::test::cuda_on_cpu;
  exchanged[thread_index.x] = x;
  wait_for_warp();
  const float other = exchanged[thread_index.x ^ static_cast<unsigned>(mask)];
  wait_for_warp();
  return other;
}

enum cudaError_t { cudaSuccess };
inline const char* cudaGetErrorString(cudaError_t) {
  return "";
}

using cudaStream_t = void*;
struct dim3 {
  unsigned x = 1;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  cudaStream_t stream = nullptr;
};

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments... arguments) {
  catenary::test::cuda_on_cpu::launch(config->gridDim.x, config->blockDim.x, [&] { kernel(arguments...); });
  return cudaSuccess;
}
