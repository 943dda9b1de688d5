#pragma once

#include <cstdint>
#include <span>

// What the CPU computes besides matrix products: plain functions on plain arrays, single-threaded. kernels.cc is
// compiled once for each instruction set; `kernels()` is the best that this processor runs. Arithmetic is float32
// throughout.
namespace catenary::model::cpu {

/// Keys are stored this many tokens to a block.
inline constexpr std::int64_t kKeyBlock = 16;
/// Keys that attention takes at a time.
inline constexpr std::int64_t kTileKeys = 128;
/// Rows that are transposed at a time.
inline constexpr std::int64_t kTransposedRows = 16;

/// Keys and values of one layer by slot, one slot a token.
struct KeyValueView {
  float* keys;              // [num_kv_heads, num_blocks, head_dim, kKeyBlock]
  float* values;            // [num_kv_heads, num_blocks · kKeyBlock, padded_dim]
  std::int64_t num_blocks;  // capacity
  std::int64_t num_kv_heads;
  std::int64_t head_dim;
  std::int64_t padded_dim;  // head_dim rounded up to a multiple of 16; values are 0 there
};

/// How queries and keys meet: softcap · tanh(scale · q·k / softcap) + slope · (key's position - query's position).
struct AttentionRule {
  std::int64_t num_heads;
  float scale;
  float softcap;           // 0: none
  std::int64_t window;     // tokens that a query sees, its own included; 0: all
  const float* slopes;     // [num_heads], or null
  bool alibi_in_bfloat16;  // slope · key's position, rounded to bfloat16, times scale (Falcon)
};

/// Consecutive tokens in consecutive slots.
struct KeySpan {
  std::int64_t begin, end;  // slots
  std::int64_t position;    // of the first
};

/// Queries of one branch. They see all keys of `spans` but, in the last one, none after themselves.
struct AttentionTask {
  const KeySpan* spans;
  std::int64_t num_spans;
  const std::int64_t* slots;  // [num_queries], ascending, in the last span
  std::int64_t num_queries;
  const float* queries;  // [num_queries, num_heads · head_dim]
  void* out;             // the same shape, float or bfloat16
};

/// One token's share of a rotation: the first 2·num_pairs elements of each head turn.
struct RotaryRow {
  const float* cos;  // [num_pairs]; null: nothing turns
  const float* sin;
  std::int64_t num_pairs;
  bool interleaved;  // pairs (0, 1), (2, 3), …; else (0, num_pairs), (1, num_pairs + 1), …
};

struct Kernels {
  const char* name;

  /// Queries of one key–value head's group against it. `scratch` has attention_scratch() floats.
  void (*attend)(const KeyValueView&, const AttentionRule&, const AttentionTask&, std::int64_t kv_head, bool bfloat16,
                 float* scratch);

  /// Takes apart a row of queries, keys and values, [(num_heads + 2·num_kv_heads) · head_dim]: queries, rotated, go to
  /// `queries`, keys, rotated, and values to their slot.
  void (*store_row)(const void* qkv, bool bfloat16, std::int64_t num_heads, const RotaryRow&, const KeyValueView&,
                    std::int64_t slot, float* queries);

  /// x / sqrt(mean(x²) + eps) · weight. `weight` is null for 1.
  void (*rms_norm)(const void* x, const float* weight, float eps, std::int64_t size, bool bfloat16, void* out);

  /// silu(gate) · up or, with `tanh_gelu`, gelu(gate) · up in its tanh form. `gate_up` [2·size], `out` [size].
  void (*gated)(const void* gate_up, bool tanh_gelu, std::int64_t size, bool bfloat16, void* out);

  /// Largest of the logits, and log Σ exp(logit). Logits are capped in place first where `softcap` > 0.
  void (*log_sum_exp)(float* logits, float softcap, std::int64_t size, float* max, float* log_sum_exp);

  /// Transposes kTransposedRows rows of 4-byte words: to[c · to_stride + r] = from[r · num_columns + c]. `num_columns`
  /// is a multiple of kTransposedRows.
  void (*transpose)(const std::uint32_t* from, std::int64_t num_columns, std::uint32_t* to, std::int64_t to_stride);
};

/// Queries of one task at most, so that its scratch stays in the cache.
std::int64_t max_queries_per_task(std::int64_t num_heads, std::int64_t num_kv_heads);
/// Floats of scratch for a task of that many.
std::int64_t attention_scratch(std::int64_t num_heads, std::int64_t num_kv_heads, std::int64_t padded_dim);

/// Those that this processor runs, the best first.
std::span<const Kernels* const> supported_kernels();

/// The best that this processor runs, or the one that CATENARY_CPU_KERNELS names ("x86-64-v4", "x86-64-v3",
/// "baseline").
const Kernels& kernels();

}  // namespace catenary::model::cpu
