#include "model/cpu/operations.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "model/cpu/kernels.h"

namespace catenary::model::cpu {
namespace {

// Rows of at least this many elements altogether are worth a thread.
constexpr std::int64_t kGrain = 16384;

std::int64_t rows_per_thread(std::int64_t row_size) {
  return std::max<std::int64_t>(1, kGrain / row_size);
}

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor from = x.contiguous();
  const at::Tensor out = at::empty_like(from);
  const std::int64_t size = from.size(-1);
  const bool is_bfloat16 = from.scalar_type() == at::kBFloat16;
  const std::int64_t row_bytes = size * static_cast<std::int64_t>(from.element_size());
  const auto* source = static_cast<const std::byte*>(from.const_data_ptr());
  auto* target = static_cast<std::byte*>(out.mutable_data_ptr());
  const float* weights = weight.defined() ? weight.const_data_ptr<float>() : nullptr;
  at::parallel_for(0, from.numel() / size, rows_per_thread(size), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      kernels().rms_norm(source + row * row_bytes, weights, static_cast<float>(eps), size, is_bfloat16,
                         target + row * row_bytes);
    }
  });
  return out;
}

at::Tensor gated(const at::Tensor& gate_up, bool tanh_gelu) {
  const at::Tensor from = gate_up.contiguous();
  const std::int64_t rows = from.size(0), size = from.size(1) / 2;
  const at::Tensor out = at::empty({rows, size}, from.options());
  const bool is_bfloat16 = from.scalar_type() == at::kBFloat16;
  const std::int64_t row_bytes = size * static_cast<std::int64_t>(from.element_size());
  const auto* source = static_cast<const std::byte*>(from.const_data_ptr());
  auto* target = static_cast<std::byte*>(out.mutable_data_ptr());
  at::parallel_for(0, rows, rows_per_thread(size), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      kernels().gated(source + 2 * row * row_bytes, tanh_gelu, size, is_bfloat16, target + row * row_bytes);
    }
  });
  return out;
}

std::pair<at::Tensor, at::Tensor> log_sum_exp_(at::Tensor& logits, double softcap) {
  logits = logits.contiguous();
  const std::int64_t rows = logits.size(0), size = logits.size(1);
  const at::Tensor log_sum_exp = at::empty({rows}, at::kFloat), max = at::empty({rows}, at::kFloat);
  float* values = logits.mutable_data_ptr<float>();
  float* sums = log_sum_exp.mutable_data_ptr<float>();
  float* maxima = max.mutable_data_ptr<float>();
  at::parallel_for(0, rows, rows_per_thread(size), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      kernels().log_sum_exp(values + row * size, static_cast<float>(softcap), size, maxima + row, sums + row);
    }
  });
  return {log_sum_exp, max};
}

}  // namespace catenary::model::cpu
