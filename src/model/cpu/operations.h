#pragma once

#include <ATen/core/Tensor.h>

#include <utility>

// The kernels of cpu/kernels.h on tensors, all threads at work. float32 or bfloat16, on the CPU.
namespace catenary::model::cpu {

/// x / sqrt(mean(x²) + eps) · weight over the last dimension; `weight` float32, or undefined for 1.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

/// silu(gate) · up, or gelu(gate) · up in its tanh form. `gate_up` [rows, 2·size]; returns [rows, size].
at::Tensor gated(const at::Tensor& gate_up, bool tanh_gelu);

/// Caps float32 logits [rows, vocab_size] in place, softcap · tanh(logit / softcap), where softcap > 0; returns
/// log Σ exp(logit) and the maximum of each row.
std::pair<at::Tensor, at::Tensor> log_sum_exp_(at::Tensor& logits, double softcap);

}  // namespace catenary::model::cpu
