// Makers that on a CPU make what a GPU has, in the place of the library's: so whole models compute with it.
#include "model/attention.h"
#include "model/cuda/operations.h"
#include "model/operations.h"

#undef CATENARY_WITH_CUDA
#define make_operations make_operations_of_the_library
#define make_attention make_attention_of_the_library
#include "model/attention.cc"
#include "model/operations.cc"
#undef make_operations
#undef make_attention

namespace catenary::model {

std::unique_ptr<Operations> make_operations(at::Device device, Kernels kernels) {
  return kernels == Kernels::kOwn ? cuda::make_operations() : make_operations_of_the_library(device, kernels);
}

std::unique_ptr<Attention> make_attention(const weights::ModelConfig& config, const at::Tensor& alibi_slopes,
                                          at::TensorOptions options, const Operations& operations, Kernels kernels) {
  if (kernels != Kernels::kOwn)
    return make_attention_of_the_library(config, alibi_slopes, options, operations, kernels);
  return make_aten_attention(config, alibi_slopes, options, operations, cuda::make_segment_attention(config, options));
}

}  // namespace catenary::model
