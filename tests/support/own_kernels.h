#pragma once

#include <memory>

#include "model/attention.h"
#include "model/operations.h"
#ifdef CATENARY_CUDA_ON_CPU
#include "model/cuda/operations.h"
#endif

namespace catenary::test {

// Our own kernels of a device; in cuda_on_cpu_test those for GPUs, on CPU tensors (support/cuda_on_cpu/block.h).

inline std::unique_ptr<model::Operations> own_operations([[maybe_unused]] at::Device device) {
#ifdef CATENARY_CUDA_ON_CPU
  return model::cuda::make_operations();
#else
  return make_operations(device, model::Kernels::kOwn);
#endif
}

inline std::unique_ptr<model::Attention> own_attention(const weights::ModelConfig& config,
                                                       const at::Tensor& alibi_slopes, at::TensorOptions options,
                                                       const model::Operations& operations) {
#ifdef CATENARY_CUDA_ON_CPU
  return make_aten_attention(config, alibi_slopes, options, operations,
                             model::cuda::make_segment_attention(config, options));
#else
  return make_attention(config, alibi_slopes, options, operations, model::Kernels::kOwn);
#endif
}

}  // namespace catenary::test
