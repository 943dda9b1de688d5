#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "catenary/model/device.h"

namespace catenary::test {

/// The CPU, and a GPU where there is one.
inline std::vector<at::Device> devices() {
  std::vector<at::Device> all{at::Device(at::kCPU)};
#ifndef CATENARY_CUDA_ON_CPU  // its kernels take host memory alone
  const at::Device best = model::choose_device("auto", 0);
  if (best.is_cuda()) all.push_back(best);
#endif
  return all;
}

/// "llama-bias" on a GPU: "llama_bias_cuda".
inline std::string test_name(std::string name, at::Device device) {
  std::ranges::replace(name, '-', '_');
  return name + (device.is_cuda() ? "_cuda" : "_cpu");
}

}  // namespace catenary::test
