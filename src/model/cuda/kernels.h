#pragma once

#include <cstdint>

// What a GPU computes besides matrix products and attention: plain arrays on the device, queued in a stream. Arithmetic
// is float32 throughout; inputs and outputs are of one Type. Rows lie one behind the other. Each call throws
// std::runtime_error if the kernel cannot be started.
namespace catenary::model::cuda {

using Stream = void*;  // cudaStream_t

enum class Type { kFloat32, kFloat16, kBFloat16 };
enum class Gate { kSilu, kGelu, kGeluTanh, kRelu };

/// out = x / sqrt(mean(x²) + eps) · weight; first x += branch where `branch` is not null. `weight` is null for 1.
void rms_norm(Type type, void* x, const void* branch, const float* weight, float eps, std::int64_t num_rows,
              std::int64_t size, void* out, Stream stream);

/// activation(gate) · up. `gate_up` [num_rows, 2·size], `out` [num_rows, size].
void gated(Type type, const void* gate_up, Gate gate, std::int64_t num_rows, std::int64_t size, void* out,
           Stream stream);

struct Heads {
  std::int64_t num_heads, num_kv_heads, head_dim;
};

/// The first 2·num_pairs elements of each head turn; cos, sin [num_rows, num_pairs].
struct Turn {
  const float* cos;  // null: nothing turns
  const float* sin;
  std::int64_t num_pairs;
  bool interleaved;  // pairs (0, 1), (2, 3), …; else (0, num_pairs), (1, num_pairs + 1), …
};

/// Takes rows qkv [num_rows, (num_heads + 2·num_kv_heads)·head_dim] apart: queries, turned, go to `queries` [num_rows,
/// num_heads·head_dim], keys, turned, and values to slots[row] of keys, values [slots, num_kv_heads, head_dim].
void store(Type type, const void* qkv, const std::int64_t* slots, const Turn& turn, const Heads& heads,
           std::int64_t num_rows, void* queries, void* keys, void* values, Stream stream);

/// log Σ exp of attention's scores, element (row, head) at data[row·row_stride + head·head_stride].
struct LogSumExp {
  const float* data;
  std::int64_t row_stride, head_stride;
};

/// Merges parts into rows: out[rows[i]] becomes the mean of itself and above[parts[j]], j from part_begins[i] to
/// part_begins[i + 1], weighted by exp(log Σ exp). `out`, `above` [rows, num_heads, head_dim].
void merge(Type type, void* out, const LogSumExp& out_sums, const void* above, const LogSumExp& above_sums,
           const std::int32_t* rows, const std::int32_t* part_begins, const std::int32_t* parts,
           std::int64_t num_merged, std::int64_t num_heads, std::int64_t head_dim, Stream stream);

/// What rows have shown of the vocabulary so far. Σ exp(logit) = sum · exp(max); begin with max -∞ and sum 0.
struct Seen {
  float* max;
  float* sum;
  const std::int32_t* target_begins;  // row i has targets from [i] to [i + 1]
  const std::int32_t* targets;        // token ids
  float* target_logits;
};

/// Adds logits [num_rows, size] of rows first_row, … and tokens first_token, …, capped first where softcap > 0.
void add_logits(Type type, const void* logits, std::int64_t first_row, std::int64_t num_rows, std::int64_t first_token,
                std::int64_t size, float softcap, const Seen& seen, Stream stream);

}  // namespace catenary::model::cuda
