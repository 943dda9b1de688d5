#pragma once

#include <memory>

#include "model/attention.h"
#include "model/operations.h"

// Operations and attention on a GPU: the kernels of cuda/kernels.h on tensors, and ATen's attention calls.
namespace catenary::model::cuda {

std::unique_ptr<Operations> make_operations();

/// ATen's flash attention in bfloat16 and float16 (compute capability 8.0, heads of up to 256, a multiple of 8), its
/// memory-efficient attention in float32 (heads of a multiple of 4); null where neither takes the model's heads.
std::unique_ptr<SegmentAttention> make_segment_attention(const weights::ModelConfig& config, at::TensorOptions options);

}  // namespace catenary::model::cuda
