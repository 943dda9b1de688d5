// Compiled once for each instruction set, with CATENARY_KERNELS as the table's name. No inline function of another
// header may be used here: the linker keeps one copy of such a function, and that copy might not run on this processor.
#include "model/cpu/kernels.h"

#include <math.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wpsabi"  // vectors are never passed to another file

namespace catenary::model::cpu {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16, kTileRows = 6, kTileBlocks = 4;  // of 32 registers, 24 sums
#elif defined(__AVX2__)
constexpr int kLanes = 8, kTileRows = 4, kTileBlocks = 1;  // of 16 registers, 8 sums
#else
constexpr int kLanes = 4, kTileRows = 2, kTileBlocks = 1;
#endif
constexpr int kBlock = static_cast<int>(kKeyBlock);
constexpr int kBlockVectors = kBlock / kLanes;
constexpr int kMaxBlocks = static_cast<int>(kTileKeys / kKeyBlock);

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int IntVec __attribute__((vector_size(kLanes * 4)));
typedef unsigned UnsignedVec __attribute__((vector_size(kLanes * 4)));
typedef unsigned short HalfVec __attribute__((vector_size(kLanes * 2)));

#define CATENARY_INLINE static inline __attribute__((always_inline))

CATENARY_INLINE Vec load(const float* p) {
  Vec v;
  memcpy(&v, p, sizeof v);
  return v;
}
CATENARY_INLINE void store(float* p, Vec v) {
  memcpy(p, &v, sizeof v);
}
CATENARY_INLINE Vec splat(float x) {
  return x - Vec{};
}

CATENARY_INLINE Vec load(const unsigned short* p) {
  HalfVec half;
  memcpy(&half, p, sizeof half);
  return reinterpret_cast<Vec>(__builtin_convertvector(half, UnsignedVec) << 16);
}
// To nearest, ties to even; NaN stays NaN.
CATENARY_INLINE UnsignedVec rounded(Vec v) {
  const UnsignedVec bits = reinterpret_cast<UnsignedVec>(v);
  const UnsignedVec upper = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return reinterpret_cast<UnsignedVec>(v == v ? reinterpret_cast<IntVec>(upper) : IntVec{} + 0x7fc0);
}
CATENARY_INLINE void store(unsigned short* p, Vec v) {
  const HalfVec half = __builtin_convertvector(rounded(v), HalfVec);
  memcpy(p, &half, sizeof half);
}

CATENARY_INLINE float widen(float x) {
  return x;
}
CATENARY_INLINE float widen(unsigned short x) {
  const unsigned bits = static_cast<unsigned>(x) << 16;
  float result;
  memcpy(&result, &bits, sizeof result);
  return result;
}
CATENARY_INLINE void narrow(float x, float* out) {
  *out = x;
}
CATENARY_INLINE void narrow(float x, unsigned short* out) {
  *out = static_cast<unsigned short>(rounded(splat(x))[0]);
}

CATENARY_INLINE Vec max(Vec a, Vec b) {
  return a > b ? a : b;
}
CATENARY_INLINE float sum(Vec v) {
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += v[i];
  return total;
}
CATENARY_INLINE float largest(Vec v) {
  float result = v[0];
  for (int i = 1; i < kLanes; ++i) result = v[i] > result ? v[i] : result;
  return result;
}

// exp(x) = 2ⁿ · exp(r), |r| ≤ ln 2 / 2, by the Taylor polynomial of degree 7 (relative error below 2e-7). 0 below -87,
// infinite above 88.7; NaN stays NaN.
CATENARY_INLINE Vec exponential(Vec x) {
  const Vec shifter = splat(12582912.0F);  // 1.5 · 2²³: adding it rounds to an integer
  const Vec bounded = x > 88.7F ? splat(88.7F) : x;
  const Vec n = (bounded * 1.44269504088896F + shifter) - shifter;
  const Vec r = (bounded - n * 0.693359375F) + n * 2.12194440e-4F;
  Vec p = splat(1.0F / 5040);
  p = p * r + 1.0F / 720;
  p = p * r + 1.0F / 120;
  p = p * r + 1.0F / 24;
  p = p * r + 1.0F / 6;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  // n may be 128, for which there is no float, so in two factors.
  const IntVec whole = __builtin_convertvector(x == x ? n : Vec{}, IntVec);
  const IntVec low = whole < -126 ? IntVec{} - 126 : whole;
  const IntVec half = low >> 1;
  const Vec first = reinterpret_cast<Vec>((half + 127) << 23);
  const Vec second = reinterpret_cast<Vec>((low - half + 127) << 23);
  const Vec result = p * first * second;
  const Vec large = x > 88.7F ? splat(__builtin_inff()) : result;
  return x < -87.0F ? Vec{} : large;
}

CATENARY_INLINE Vec hyperbolic_tangent(Vec x) {
  return 1.0F - 2.0F / (exponential(2.0F * x) + 1.0F);
}

// ---- attention ----
//
// For a block of queries (a few tokens, all heads that share the key–value head) the keys are taken in tiles of
// kTileKeys: scores, their running maximum, exp, and the weighted sum of values, which is scaled down whenever the
// maximum grows (Milakov and Gimelshein, 2018; Dao et al., 2022).

struct Block {
  const float* keys;    // [head_dim, kBlock]
  const float* values;  // [kBlock, padded_dim]
  int begin, end;       // lanes that may be seen at all
  long slot, position;  // of lane 0
};

template <int kRows, int kBlocks>
CATENARY_INLINE void score_tile(const float* queries, long head_dim, const Block* blocks, float* scores) {
  Vec sums[kRows][kBlocks * kBlockVectors] = {};
  for (long d = 0; d < head_dim; ++d) {
    Vec keys[kBlocks * kBlockVectors];
    for (int b = 0; b < kBlocks; ++b) {
      for (int v = 0; v < kBlockVectors; ++v) {
        keys[b * kBlockVectors + v] = load(blocks[b].keys + d * kBlock + v * kLanes);
      }
    }
    for (int row = 0; row < kRows; ++row) {
      const Vec query = splat(queries[row * head_dim + d]);
      for (int v = 0; v < kBlocks * kBlockVectors; ++v) sums[row][v] += query * keys[v];
    }
  }
  for (int row = 0; row < kRows; ++row) {
    for (int v = 0; v < kBlocks * kBlockVectors; ++v) store(scores + row * kTileKeys + v * kLanes, sums[row][v]);
  }
}

template <int kRows>
CATENARY_INLINE void score_rows(const float* queries, long head_dim, const Block* blocks, int num_blocks,
                                float* scores) {
  int b = 0;
  for (; b + kTileBlocks <= num_blocks; b += kTileBlocks) {
    score_tile<kRows, kTileBlocks>(queries, head_dim, blocks + b, scores + b * kBlock);
  }
  for (; b < num_blocks; ++b) score_tile<kRows, 1>(queries, head_dim, blocks + b, scores + b * kBlock);
}

template <int kRows, int kVectors>
CATENARY_INLINE void weigh_tile(const float* weights, const Block* blocks, int num_blocks, long padded_dim,
                                float* sums) {
  Vec totals[kRows][kVectors];
  for (int row = 0; row < kRows; ++row) {
    for (int v = 0; v < kVectors; ++v) totals[row][v] = load(sums + row * padded_dim + v * kLanes);
  }
  for (int b = 0; b < num_blocks; ++b) {
    for (int lane = blocks[b].begin; lane < blocks[b].end; ++lane) {
      const float* from = blocks[b].values + lane * padded_dim;
      Vec values[kVectors];
      for (int v = 0; v < kVectors; ++v) values[v] = load(from + v * kLanes);
      for (int row = 0; row < kRows; ++row) {
        const float weight = weights[row * kTileKeys + b * kBlock + lane];
        if (weight == 0.0F) continue;  // not seen, and perhaps infinite
        for (int v = 0; v < kVectors; ++v) totals[row][v] += splat(weight) * values[v];
      }
    }
  }
  for (int row = 0; row < kRows; ++row) {
    for (int v = 0; v < kVectors; ++v) store(sums + row * padded_dim + v * kLanes, totals[row][v]);
  }
}

template <int kRows>
CATENARY_INLINE void weigh_rows(const float* weights, const Block* blocks, int num_blocks, long padded_dim,
                                float* sums) {
  constexpr int kVectors = kTileBlocks * kBlockVectors;
  long d = 0;
  for (; d + kVectors * kLanes <= padded_dim; d += kVectors * kLanes) {
    Block shifted[kMaxBlocks];
    for (int b = 0; b < num_blocks; ++b) {
      shifted[b] = blocks[b];
      shifted[b].values += d;
    }
    weigh_tile<kRows, kVectors>(weights, shifted, num_blocks, padded_dim, sums + d);
  }
  for (; d < padded_dim; d += kLanes) {
    Block shifted[kMaxBlocks];
    for (int b = 0; b < num_blocks; ++b) {
      shifted[b] = blocks[b];
      shifted[b].values += d;
    }
    weigh_tile<kRows, 1>(weights, shifted, num_blocks, padded_dim, sums + d);
  }
}

// Calls f<rows>(first row) for groups of kTileRows and what is left.
template <int kRows, typename Function>
CATENARY_INLINE void for_row_groups(long first, long num_rows, const Function& f) {
  if constexpr (kRows > 0) {
    for (; first + kRows <= num_rows; first += kRows) f.template operator()<kRows>(first);
    for_row_groups<kRows - 1>(first, num_rows, f);
  }
}

// Rows are (query, head of the group); one query's heads lie together.
struct Rows {
  long num_rows, group, head;   // head: the first of the group
  const long* slots;            // by query
  long own_slot, own_position;  // of the last span's first token

  __attribute__((always_inline)) long slot(long row) const { return slots[row / group]; }
  __attribute__((always_inline)) long position(long row) const { return own_position + slot(row) - own_slot; }
};

CATENARY_INLINE Vec lane_numbers() {
  Vec lanes;
  for (int i = 0; i < kLanes; ++i) lanes[i] = static_cast<float>(i);
  return lanes;
}

CATENARY_INLINE Vec to_bfloat16_and_back(Vec v) {
  return reinterpret_cast<Vec>(rounded(v) << 16);
}

// Scale, soft cap, ALiBi, and -∞ where a query may not look.
CATENARY_INLINE void finish_scores(const AttentionRule& rule, const Rows& rows, const Block& block, bool is_own,
                                   float* scores) {
  for (long row = 0; row < rows.num_rows; ++row) {
    const long position = rows.position(row);
    int begin = block.begin, end = block.end;
    if (is_own && block.slot + end > rows.slot(row) + 1) end = static_cast<int>(rows.slot(row) + 1 - block.slot);
    if (rule.window > 0 && block.position + begin <= position - rule.window) {
      begin = static_cast<int>(position - rule.window + 1 - block.position);
    }
    for (int v = 0; v < kBlockVectors; ++v) {
      float* at = scores + row * kTileKeys + v * kLanes;
      Vec x = load(at) * rule.scale;
      if (rule.softcap > 0) x = rule.softcap * hyperbolic_tangent(x / rule.softcap);
      const Vec lanes = lane_numbers() + static_cast<float>(v * kLanes);
      if (rule.slopes) {
        const float slope = rule.slopes[rows.head + row % rows.group];
        const Vec key_position = lanes + static_cast<float>(block.position);
        if (rule.alibi_in_bfloat16) {
          const Vec product = to_bfloat16_and_back(splat(slope)) * to_bfloat16_and_back(key_position);
          x += to_bfloat16_and_back(product) * rule.scale;
        } else {
          x += slope * (key_position - static_cast<float>(position));
        }
      }
      if (begin > 0 || end < kBlock) {
        const Vec minus_infinity = splat(-__builtin_inff());
        x = lanes >= static_cast<float>(begin) && lanes < static_cast<float>(end) ? x : minus_infinity;
      }
      store(at, x);
    }
  }
}

// Scores become weights; the sums so far shrink as the maximum grows.
CATENARY_INLINE void soften(int num_blocks, long num_rows, long padded_dim, float* scores, float* maxima, float* totals,
                            float* sums) {
  const int num_keys = num_blocks * kBlock;
  for (long row = 0; row < num_rows; ++row) {
    float* x = scores + row * kTileKeys;
    Vec top = load(x);
    for (int i = kLanes; i < num_keys; i += kLanes) top = max(load(x + i), top);
    const float old = maxima[row];
    const float tile_max = largest(top);
    const float now = tile_max > old ? tile_max : old;
    // Nothing seen yet: all weights are 0, and -∞ - -∞ must not be formed.
    const float reference = now == -__builtin_inff() ? 0.0F : now;
    Vec total = {};
    for (int i = 0; i < num_keys; i += kLanes) {
      const Vec weight = exponential(load(x + i) - reference);
      store(x + i, weight);
      total += weight;
    }
    const float shrink = exponential(splat(old - reference))[0];
    totals[row] = totals[row] * shrink + sum(total);
    maxima[row] = now;
    if (shrink != 1.0F) {
      float* s = sums + row * padded_dim;
      for (long d = 0; d < padded_dim; d += kLanes) store(s + d, load(s + d) * shrink);
    }
  }
}

template <typename T>
void attend(const KeyValueView& kv, const AttentionRule& rule, const AttentionTask& task, long kv_head,
            float* scratch) {
  const long group = rule.num_heads / kv.num_kv_heads;
  const KeySpan& own = task.spans[task.num_spans - 1];
  const Rows rows{task.num_queries * group, group, kv_head * group, task.slots, own.begin, own.position};
  float* queries = scratch;
  float* scores = queries + rows.num_rows * kv.padded_dim;
  float* sums = scores + rows.num_rows * kTileKeys;
  float* maxima = sums + rows.num_rows * kv.padded_dim;
  float* totals = maxima + rows.num_rows;
  for (long query = 0; query < task.num_queries; ++query) {
    memcpy(queries + query * group * kv.head_dim,
           task.queries + (query * rule.num_heads + kv_head * group) * kv.head_dim,
           static_cast<unsigned long>(group * kv.head_dim) * sizeof(float));
  }
  memset(sums, 0, static_cast<unsigned long>(rows.num_rows * kv.padded_dim) * sizeof(float));
  for (long row = 0; row < rows.num_rows; ++row) {
    maxima[row] = -__builtin_inff();
    totals[row] = 0;
  }

  const long first_position = rows.position(0);
  const long last_slot = task.slots[task.num_queries - 1];
  Block blocks[kMaxBlocks];
  bool is_own[kMaxBlocks];
  int num_blocks = 0;
  const auto flush = [&]() __attribute__((always_inline)) {
    if (num_blocks == 0) return;
    for_row_groups<kTileRows>(
        0, rows.num_rows, [&]<int kRows>(long row) __attribute__((always_inline)) {
          score_rows<kRows>(queries + row * kv.head_dim, kv.head_dim, blocks, num_blocks, scores + row * kTileKeys);
        });
    for (int b = 0; b < num_blocks; ++b) finish_scores(rule, rows, blocks[b], is_own[b], scores + b * kBlock);
    soften(num_blocks, rows.num_rows, kv.padded_dim, scores, maxima, totals, sums);
    for_row_groups<kTileRows>(
        0, rows.num_rows, [&]<int kRows>(long row) __attribute__((always_inline)) {
          weigh_rows<kRows>(scores + row * kTileKeys, blocks, num_blocks, kv.padded_dim, sums + row * kv.padded_dim);
        });
    num_blocks = 0;
  };
  for (long s = 0; s < task.num_spans; ++s) {
    const KeySpan& span = task.spans[s];
    const bool last = s + 1 == task.num_spans;
    const long end = last ? last_slot + 1 : span.end;
    for (long block = span.begin / kBlock; block * kBlock < end; ++block) {
      const long slot = block * kBlock;
      Block next{kv.keys + (kv_head * kv.num_blocks + block) * kv.head_dim * kBlock,
                 kv.values + (kv_head * kv.num_blocks * kBlock + slot) * kv.padded_dim,
                 static_cast<int>(span.begin > slot ? span.begin - slot : 0),
                 static_cast<int>(end - slot < kBlock ? end - slot : kBlock),
                 slot,
                 span.position + slot - span.begin};
      if (rule.window > 0 && next.position + next.end <= first_position - rule.window + 1) continue;
      is_own[num_blocks] = last;
      blocks[num_blocks++] = next;
      if (num_blocks == kMaxBlocks) flush();
    }
  }
  flush();

  T* out = static_cast<T*>(task.out);
  for (long row = 0; row < rows.num_rows; ++row) {
    const float scale = 1.0F / totals[row];
    T* to = out + (row / group * rule.num_heads + rows.head + row % group) * kv.head_dim;
    const float* from = sums + row * kv.padded_dim;
    long d = 0;
    for (; d + kLanes <= kv.head_dim; d += kLanes) store(to + d, load(from + d) * scale);
    for (; d < kv.head_dim; ++d) narrow(from[d] * scale, to + d);
  }
}

void attend_any(const KeyValueView& kv, const AttentionRule& rule, const AttentionTask& task, long kv_head,
                bool bfloat16, float* scratch) {
  if (bfloat16) {
    attend<unsigned short>(kv, rule, task, kv_head, scratch);
  } else {
    attend<float>(kv, rule, task, kv_head, scratch);
  }
}

// ---- queries, keys, values ----

// One head's elements, turned; `stride` between those of `out`.
template <typename T>
CATENARY_INLINE void rotate_head(const T* x, long head_dim, const RotaryRow& rotary, float* out, long stride) {
  const long pairs = rotary.cos ? rotary.num_pairs : 0;
  const long step = rotary.interleaved ? 2 : 1, other = rotary.interleaved ? 1 : pairs;
  for (long i = 0; i < pairs; ++i) {
    const float a = widen(x[i * step]), b = widen(x[i * step + other]);
    out[i * step * stride] = a * rotary.cos[i] - b * rotary.sin[i];
    out[(i * step + other) * stride] = b * rotary.cos[i] + a * rotary.sin[i];
  }
  for (long i = 2 * pairs; i < head_dim; ++i) out[i * stride] = widen(x[i]);
}

template <typename T>
void store_row(const T* qkv, long num_heads, const RotaryRow& rotary, const KeyValueView& kv, long slot,
               float* queries) {
  const long dim = kv.head_dim;
  for (long head = 0; head < num_heads; ++head) rotate_head(qkv + head * dim, dim, rotary, queries + head * dim, 1);
  const T* keys = qkv + num_heads * dim;
  const T* values = keys + kv.num_kv_heads * dim;
  const long block = slot / kBlock;
  for (long head = 0; head < kv.num_kv_heads; ++head) {
    float* key = kv.keys + (head * kv.num_blocks + block) * dim * kBlock + slot % kBlock;
    rotate_head(keys + head * dim, dim, rotary, key, kBlock);
    float* value = kv.values + (head * kv.num_blocks * kBlock + slot) * kv.padded_dim;
    for (long d = 0; d < dim; ++d) value[d] = widen(values[head * dim + d]);
  }
}

void store_any_row(const void* qkv, bool bfloat16, long num_heads, const RotaryRow& rotary, const KeyValueView& kv,
                   long slot, float* queries) {
  if (bfloat16) {
    store_row(static_cast<const unsigned short*>(qkv), num_heads, rotary, kv, slot, queries);
  } else {
    store_row(static_cast<const float*>(qkv), num_heads, rotary, kv, slot, queries);
  }
}

// ---- element by element ----

template <typename T>
void rms_norm(const T* x, const float* weight, float eps, long size, T* out) {
  Vec squares = {};
  long i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    const Vec v = load(x + i);
    squares += v * v;
  }
  float total = sum(squares);
  for (; i < size; ++i) total += widen(x[i]) * widen(x[i]);
  const float scale = 1.0F / sqrtf(total / static_cast<float>(size) + eps);
  for (i = 0; i + kLanes <= size; i += kLanes) {
    const Vec v = load(x + i) * scale;
    store(out + i, weight ? v * load(weight + i) : v);
  }
  for (; i < size; ++i) narrow(widen(x[i]) * scale * (weight ? weight[i] : 1.0F), out + i);
}

void rms_norm_any(const void* x, const float* weight, float eps, long size, bool bfloat16, void* out) {
  if (bfloat16) {
    rms_norm(static_cast<const unsigned short*>(x), weight, eps, size, static_cast<unsigned short*>(out));
  } else {
    rms_norm(static_cast<const float*>(x), weight, eps, size, static_cast<float*>(out));
  }
}

// x · sigmoid(x); or with x · sigmoid(2u) = x · (1 + tanh(u)) / 2, which loses nothing where tanh nears -1.
CATENARY_INLINE Vec activate(Vec x, bool tanh_gelu) {
  const Vec z = tanh_gelu ? 1.5957691216057308F * (x + 0.044715F * x * x * x) : x;
  return x / (1.0F + exponential(-z));
}

template <typename T>
void gated(const T* gate, bool tanh_gelu, long size, T* out) {
  const T* up = gate + size;
  long i = 0;
  for (; i + kLanes <= size; i += kLanes) store(out + i, activate(load(gate + i), tanh_gelu) * load(up + i));
  for (; i < size; ++i) narrow(activate(splat(widen(gate[i])), tanh_gelu)[0] * widen(up[i]), out + i);
}

void gated_any(const void* gate_up, bool tanh_gelu, long size, bool bfloat16, void* out) {
  if (bfloat16) {
    gated(static_cast<const unsigned short*>(gate_up), tanh_gelu, size, static_cast<unsigned short*>(out));
  } else {
    gated(static_cast<const float*>(gate_up), tanh_gelu, size, static_cast<float*>(out));
  }
}

void log_sum_exp(float* logits, float softcap, long size, float* max_out, float* log_sum_exp_out) {
  const long whole = size / kLanes * kLanes;
  if (softcap > 0) {
    long i = 0;
    for (; i < whole; i += kLanes) store(logits + i, softcap * hyperbolic_tangent(load(logits + i) / softcap));
    for (; i < size; ++i) logits[i] = softcap * hyperbolic_tangent(splat(logits[i] / softcap))[0];
  }
  Vec top = splat(-__builtin_inff());
  for (long i = 0; i < whole; i += kLanes) top = max(load(logits + i), top);
  float best = largest(top);
  for (long i = whole; i < size; ++i) best = logits[i] > best ? logits[i] : best;
  // Each lane adds float32 in runs of 64 vectors; the runs are added in float64.
  double total = 0;
  for (long begin = 0; begin < whole; begin += 64 * kLanes) {
    const long end = begin + 64 * kLanes < whole ? begin + 64 * kLanes : whole;
    Vec part = {};
    for (long i = begin; i < end; i += kLanes) part += exponential(load(logits + i) - best);
    total += static_cast<double>(sum(part));
  }
  for (long i = whole; i < size; ++i) total += static_cast<double>(exponential(splat(logits[i] - best))[0]);
  *max_out = best;
  *log_sum_exp_out = static_cast<float>(static_cast<double>(best) + log(total));
}

// ---- weights ----

typedef unsigned Words __attribute__((vector_size(16)));

// Four words of each kLanes / 4 rows, of every fourth row.
CATENARY_INLINE UnsignedVec four_words(const unsigned* from, long stride) {
  Words words[kLanes / 4];
  for (int i = 0; i < kLanes / 4; ++i) memcpy(&words[i], from + 4 * i * stride, sizeof words[i]);
#if defined(__AVX512F__)
  const auto first = __builtin_shufflevector(words[0], words[1], 0, 1, 2, 3, 4, 5, 6, 7);
  const auto second = __builtin_shufflevector(words[2], words[3], 0, 1, 2, 3, 4, 5, 6, 7);
  return __builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#elif defined(__AVX2__)
  return __builtin_shufflevector(words[0], words[1], 0, 1, 2, 3, 4, 5, 6, 7);
#else
  return words[0];
#endif
}

// A square of kLanes · kLanes words. Reading four words of a row at a time does half of the work, for an instruction
// that moves words within each four is cheaper than one that moves them anywhere.
CATENARY_INLINE void transpose_square(const unsigned* from, long from_stride, unsigned* to, long to_stride) {
  UnsignedVec low, high, even, odd;  // which words of two vectors
  for (int i = 0; i < kLanes; ++i) {
    const int four = i / 4 * 4, other = kLanes;
    low[i] = static_cast<unsigned>(four + i % 4 / 2 + i % 2 * other);
    high[i] = low[i] + 2;
    even[i] = static_cast<unsigned>(four + i % 2 + i % 4 / 2 * other);
    odd[i] = even[i] + 2;
  }
#pragma GCC unroll 4
  for (int c = 0; c < kLanes; c += 4) {
    UnsignedVec rows[4];
    for (int i = 0; i < 4; ++i) rows[i] = four_words(from + i * from_stride + c, from_stride);
    const UnsignedVec a = __builtin_shuffle(rows[0], rows[1], low), b = __builtin_shuffle(rows[0], rows[1], high);
    const UnsignedVec d = __builtin_shuffle(rows[2], rows[3], low), e = __builtin_shuffle(rows[2], rows[3], high);
    const UnsignedVec columns[4] = {__builtin_shuffle(a, d, even), __builtin_shuffle(a, d, odd),
                                    __builtin_shuffle(b, e, even), __builtin_shuffle(b, e, odd)};
    for (int i = 0; i < 4; ++i) memcpy(to + (c + i) * to_stride, &columns[i], sizeof columns[i]);
  }
}

void transpose(const unsigned* from, long num_columns, unsigned* to, long to_stride) {
  for (long c = 0; c < num_columns; c += kLanes) {
    for (int r = 0; r < kTransposedRows; r += kLanes) {
      transpose_square(from + r * num_columns + c, num_columns, to + c * to_stride + r, to_stride);
    }
  }
}

#if defined(__AVX512F__)
constexpr const char* kName = "x86-64-v4";
#elif defined(__AVX2__)
constexpr const char* kName = "x86-64-v3";
#else
constexpr const char* kName = "baseline";
#endif

}  // namespace

extern const Kernels CATENARY_KERNELS;
const Kernels CATENARY_KERNELS{kName, attend_any, store_any_row, rms_norm_any, gated_any, log_sum_exp, transpose};

}  // namespace catenary::model::cpu
