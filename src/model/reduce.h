#pragma once

#include <ATen/core/Tensor.h>

#include "catenary/parallel/tensor_parallel_group.h"

namespace catenary::model {

// Collective. `x` is contiguous. On the CPU ranks add in float32, whatever the dtype.

/// x becomes its sum, or maximum, over the group's ranks.
void all_reduce_(parallel::TensorParallelGroup& group, const at::Tensor& x, parallel::Reduction reduction);
inline void sum_(parallel::TensorParallelGroup& group, const at::Tensor& x) {
  all_reduce_(group, x, parallel::Reduction::kSum);
}

/// The sum in two steps; x must not be touched in between.
void begin_sum_(parallel::TensorParallelGroup& group, const at::Tensor& x);
void end_sum(parallel::TensorParallelGroup& group);

}  // namespace catenary::model
