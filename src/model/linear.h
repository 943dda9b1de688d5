#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "catenary/model/decoder.h"

namespace catenary::model {

/// Whether make_linear lays weights of this dtype and device out as oneDNN's matrix product wants them: on the CPU in
/// float32 (twice as fast as at::linear on a Zen 5) and bfloat16, where this build of libtorch and this processor can.
bool packs_linears(at::TensorOptions options);

/// Writes rows [first, end) of a weight to `out`, one after another. Called from several threads.
using ReadRows = std::function<void(std::int64_t first, std::int64_t end, std::byte* out)>;

/// The weight [rows, columns], read some rows at a time, as linear() wants it.
Linear make_linear(std::int64_t rows, std::int64_t columns, at::TensorOptions options, const ReadRows& read);
/// The same from a tensor in memory, which stays.
Linear make_linear(const at::Tensor& weight);

/// Whether copy_row works for weights of so many columns.
bool keeps_rows(at::TensorOptions options, std::int64_t columns);
/// A row of a weight as it was before make_linear laid it out: slower than from a tensor, and exact.
void copy_row(const Linear& linear, std::int64_t row, std::byte* out);

/// Where what is read waits for its way to the device: on the CPU the tensor itself, for a GPU page-locked memory, from
/// which a tensor is sent while the next one is read.
inline at::TensorOptions staging(at::TensorOptions options) {
  return options.pinned_memory(options.pinned_memory() || options.device().is_cuda()).device(at::kCPU);
}

/// How many rows of a weight a thread should read at least.
inline std::int64_t rows_at_a_time(std::int64_t row_bytes) {
  return std::max<std::int64_t>(1, (1 << 20) / row_bytes);
}

/// x · weightᵀ + bias. x [rows, in].
at::Tensor linear(const at::Tensor& x, const Linear& linear);

}  // namespace catenary::model
