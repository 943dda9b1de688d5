#include "model/reduce.h"

#include <ATen/ATen.h>
#ifdef CATENARY_WITH_CUDA
#include <c10/cuda/CUDAStream.h>
#endif

#include "catenary/base/check.h"

namespace catenary::model {
namespace {

using parallel::Elements;
using parallel::Reduction;

Elements::Type type_of(const at::Tensor& x) {
  using enum Elements::Type;
  const at::ScalarType type = x.scalar_type();
  check(type == at::kFloat || type == at::kHalf || type == at::kBFloat16, "ranks reduce floats");
  return type == at::kFloat ? kFloat32 : type == at::kHalf ? kFloat16 : kBFloat16;
}

void* stream_of([[maybe_unused]] const at::Tensor& x) {
#ifdef CATENARY_WITH_CUDA
  if (x.is_cuda()) return c10::cuda::getCurrentCUDAStream(x.device().index()).stream();
#endif
  return nullptr;
}

// Ranks on the CPU reduce a copy in float32 where x is something else.
template <class Reduce>
void with_elements(const parallel::TensorParallelGroup& group, const at::Tensor& x, const Reduce& reduce) {
  if (group.size() == 1) return;
  check(x.is_contiguous(), "ranks reduce elements that lie one behind the other");
  const bool widens = x.is_cpu() && x.scalar_type() != at::kFloat;
  const at::Tensor reduced = widens ? x.to(at::kFloat) : x;
  reduce(Elements{.data = reduced.mutable_data_ptr(),
                  .count = static_cast<std::size_t>(reduced.numel()),
                  .type = type_of(reduced),
                  .stream = stream_of(reduced)});
  if (widens) x.copy_(reduced);
}

}  // namespace

void all_reduce_(parallel::TensorParallelGroup& group, const at::Tensor& x, Reduction reduction) {
  with_elements(group, x, [&](const Elements& elements) { group.all_reduce(elements, reduction); });
}

// On the CPU it ends right away, so the copy may be read.
void begin_sum_(parallel::TensorParallelGroup& group, const at::Tensor& x) {
  with_elements(group, x, [&](const Elements& elements) { group.begin_all_reduce(elements, Reduction::kSum); });
}

void end_sum(parallel::TensorParallelGroup& group) {
  if (group.size() > 1) group.end_all_reduce();
}

}  // namespace catenary::model
