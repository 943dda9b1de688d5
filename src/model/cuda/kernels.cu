// Each element is read and written once where it can be, 16 bytes at a time where sizes and addresses allow it. A row
// belongs to one block, or to one warp, so that sums do not depend on what else is computed.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>
#include <stdexcept>
#include <string>

#include "model/cuda/kernels.h"

namespace catenary::model::cuda {
namespace {

constexpr int kWarp = 32;

template <typename T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T values[kCount];
};

__device__ float widen(float x) {
  return x;
}
__device__ float widen(__half x) {
  return __half2float(x);
}
__device__ float widen(__nv_bfloat16 x) {
  return __bfloat162float(x);
}

template <typename T>
__device__ T narrow(float x);
template <>
__device__ float narrow<float>(float x) {
  return x;
}
template <>
__device__ __half narrow<__half>(float x) {
  return __float2half_rn(x);
}
template <>
__device__ __nv_bfloat16 narrow<__nv_bfloat16>(float x) {
  return __float2bfloat16_rn(x);
}

// Not with <<<…>>>, so that the tests can compile this file for a CPU (tests/support/cuda_on_cpu).
template <typename... Parameters, typename... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), std::int64_t num_blocks, std::int64_t num_threads,
            Stream stream, Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = {static_cast<unsigned>(num_blocks)};
  config.blockDim = {static_cast<unsigned>(num_threads)};
  config.stream = static_cast<cudaStream_t>(stream);
  const cudaError_t error = cudaLaunchKernelEx(&config, kernel, arguments...);
  if (error != cudaSuccess) {
    throw std::runtime_error(std::string("CUDA kernel ") + name + ": " + cudaGetErrorString(error));
  }
}

// Calls f with a value of the type that `type` names.
template <typename Function>
void with_type(Type type, const Function& f) {
  switch (type) {
    case Type::kFloat32:
      return f(float());
    case Type::kFloat16:
      return f(__half());
    case Type::kBFloat16:
      return f(__nv_bfloat16());
  }
}

template <int kCount>
struct Count {
  static constexpr int value = kCount;
};

template <typename T, typename... Pointers>
bool fits_packs(std::int64_t size, Pointers... pointers) {
  return size % (16 / static_cast<std::int64_t>(sizeof(T))) == 0 &&
         ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
}

// Calls f with how many elements to take at a time: 16 bytes where rows of `size` and the addresses allow it, else 1.
template <typename T, typename Function, typename... Pointers>
void with_count(const Function& f, std::int64_t size, Pointers... pointers) {
  if (fits_packs<T>(size, pointers...)) {
    f(Count<16 / sizeof(T)>());
  } else {
    f(Count<1>());
  }
}

std::int64_t threads_for(std::int64_t items) {
  return std::min<std::int64_t>(1024, (items + kWarp - 1) / kWarp * kWarp);
}

__device__ float warp_sum(float x) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(0xffffffff, x, offset);
  return x;
}

// The sum over the block, for all its threads. Blocks are whole warps.
__device__ float block_sum(float x) {
  __shared__ float by_warp[kWarp];
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  x = warp_sum(x);
  if (lane == 0) by_warp[warp] = x;
  __syncthreads();
  return warp_sum(lane < blockDim.x / kWarp ? by_warp[lane] : 0.0F);
}

// A block a row. Each thread reads again what it read, or wrote, before: it comes from the cache.
template <typename T, int kCount>
__global__ void rms_norm_kernel(T* x, const T* branch, const float* weight, float eps, std::int64_t size, T* out) {
  using Packed = Pack<T, kCount>;
  const std::int64_t row = blockIdx.x, packs = size / kCount;
  auto* x_packs = reinterpret_cast<Packed*>(x + row * size);
  auto* out_packs = reinterpret_cast<Packed*>(out + row * size);
  float squares = 0;
  for (std::int64_t i = threadIdx.x; i < packs; i += blockDim.x) {
    Packed pack = x_packs[i];
    if (branch) {
      const Packed more = reinterpret_cast<const Packed*>(branch + row * size)[i];
      for (int j = 0; j < kCount; ++j) pack.values[j] = narrow<T>(widen(pack.values[j]) + widen(more.values[j]));
      x_packs[i] = pack;
    }
    for (int j = 0; j < kCount; ++j) squares += widen(pack.values[j]) * widen(pack.values[j]);
  }
  const float scale = 1 / sqrtf(block_sum(squares) / static_cast<float>(size) + eps);
  for (std::int64_t i = threadIdx.x; i < packs; i += blockDim.x) {
    Packed pack = x_packs[i];
    for (int j = 0; j < kCount; ++j) {
      const float scaled = widen(pack.values[j]) * scale;
      pack.values[j] = narrow<T>(weight ? scaled * weight[i * kCount + j] : scaled);
    }
    out_packs[i] = pack;
  }
}

template <Gate kGate>
__device__ float activation(float x) {
  if constexpr (kGate == Gate::kSilu) return x / (1 + expf(-x));
  if constexpr (kGate == Gate::kGelu) return 0.5F * x * (1 + erff(x * 0.70710678F));
  if constexpr (kGate == Gate::kGeluTanh) return 0.5F * x * (1 + tanhf(0.79788456F * (x + 0.044715F * x * x * x)));
  return fmaxf(x, 0.0F);
}

// Blocks along a row, and a row of blocks for each row.
template <typename T, int kCount, Gate kGate>
__global__ void gated_kernel(const T* gate_up, std::int64_t num_rows, std::int64_t size, T* out) {
  using Packed = Pack<T, kCount>;
  const std::int64_t packs = size / kCount, total = num_rows * packs;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t at = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; at < total; at += step) {
    const std::int64_t row = at / packs, i = at % packs;
    const auto* from = reinterpret_cast<const Packed*>(gate_up + row * 2 * size);
    const Packed gate = from[i], up = from[packs + i];
    Packed made;
    for (int j = 0; j < kCount; ++j) {
      made.values[j] = narrow<T>(activation<kGate>(widen(gate.values[j])) * widen(up.values[j]));
    }
    reinterpret_cast<Packed*>(out + row * size)[i] = made;
  }
}

// A block a row. With kCount > 1 turned pairs lie num_pairs apart, in packs of their own.
template <typename T, int kCount>
__global__ void store_kernel(const T* qkv, const std::int64_t* slots, Turn turn, Heads heads, T* queries, T* keys,
                             T* values) {
  using Packed = Pack<T, kCount>;
  const std::int64_t row = blockIdx.x, dim = heads.head_dim, slot = slots[row];
  const std::int64_t query_size = heads.num_heads * dim, kv_size = heads.num_kv_heads * dim;
  const std::int64_t turned = turn.cos ? 2 * turn.num_pairs : 0;
  const T* from = qkv + row * (query_size + 2 * kv_size);
  for (std::int64_t at = threadIdx.x * kCount; at < query_size + 2 * kv_size; at += blockDim.x * kCount) {
    Packed pack = *reinterpret_cast<const Packed*>(from + at);
    const std::int64_t d = at % dim;
    if (at < query_size + kv_size && d < turned) {
      bool is_first;
      std::int64_t pair, partner;
      if (turn.interleaved) {
        is_first = d % 2 == 0;
        pair = d / 2;
        partner = is_first ? at + 1 : at - 1;
      } else {
        is_first = d < turn.num_pairs;
        pair = is_first ? d : d - turn.num_pairs;
        partner = is_first ? at + turn.num_pairs : at - turn.num_pairs;
      }
      const Packed other = *reinterpret_cast<const Packed*>(from + partner);
      const float* cos = turn.cos + row * turn.num_pairs + pair;
      const float* sin = turn.sin + row * turn.num_pairs + pair;
      for (int j = 0; j < kCount; ++j) {
        const float across = widen(other.values[j]) * sin[j];
        pack.values[j] = narrow<T>(widen(pack.values[j]) * cos[j] + (is_first ? -across : across));
      }
    }
    T* to = at < query_size             ? queries + row * query_size + at
            : at < query_size + kv_size ? keys + slot * kv_size + (at - query_size)
                                        : values + slot * kv_size + (at - query_size - kv_size);
    *reinterpret_cast<Packed*>(to) = pack;
  }
}

// A warp for each merged row and head.
template <typename T>
__global__ void merge_kernel(T* out, LogSumExp out_sums, const T* above, LogSumExp above_sums, const std::int32_t* rows,
                             const std::int32_t* part_begins, const std::int32_t* parts, std::int64_t num_merged,
                             std::int64_t num_heads, std::int64_t head_dim) {
  const std::int64_t warp = (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) / kWarp;
  if (warp >= num_merged * num_heads) return;
  const std::int64_t merged = warp / num_heads, head = warp % num_heads, row = rows[merged];
  const int lane = threadIdx.x % kWarp, begin = part_begins[merged], end = part_begins[merged + 1];
  const float own_sum = out_sums.data[row * out_sums.row_stride + head * out_sums.head_stride];
  const auto part_sum = [&](std::int64_t part) {
    return above_sums.data[part * above_sums.row_stride + head * above_sums.head_stride];
  };
  float largest = own_sum;
  for (int i = begin; i < end; ++i) largest = fmaxf(largest, part_sum(parts[i]));
  const float own_weight = expf(own_sum - largest);
  float total = own_weight;
  for (int i = begin; i < end; ++i) total += expf(part_sum(parts[i]) - largest);
  T* own = out + (row * num_heads + head) * head_dim;
  for (std::int64_t d = lane; d < head_dim; d += kWarp) {
    float sum = own_weight * widen(own[d]);
    for (int i = begin; i < end; ++i) {
      const std::int64_t part = parts[i];
      sum += expf(part_sum(part) - largest) * widen(above[(part * num_heads + head) * head_dim + d]);
    }
    own[d] = narrow<T>(sum / total);
  }
}

struct MaxAndSum {  // Σ exp(x) = sum · exp(max)
  float max, sum;
};

// -∞ and 0 if nothing was added. NaN stays NaN in the sum.
__device__ MaxAndSum combined(MaxAndSum a, MaxAndSum b) {
  const float max = fmaxf(a.max, b.max);
  const auto share = [max](MaxAndSum x) { return x.max == max ? x.sum : x.sum * expf(x.max - max); };
  return {max, share(a) + share(b)};
}

__device__ MaxAndSum warp_combined(MaxAndSum x) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) {
    x = combined(x, {__shfl_xor_sync(0xffffffff, x.max, offset), __shfl_xor_sync(0xffffffff, x.sum, offset)});
  }
  return x;
}

__device__ float capped(float logit, float softcap) {
  return softcap > 0 ? softcap * tanhf(logit / softcap) : logit;
}

// A block a row.
template <typename T, int kCount>
__global__ void add_logits_kernel(const T* logits, std::int64_t first_row, std::int64_t first_token, std::int64_t size,
                                  float softcap, Seen seen) {
  using Packed = Pack<T, kCount>;
  const T* from = logits + blockIdx.x * size;
  const std::int64_t row = first_row + blockIdx.x;
  MaxAndSum mine{-INFINITY, 0};
  for (std::int64_t i = threadIdx.x; i < size / kCount; i += blockDim.x) {
    const Packed pack = reinterpret_cast<const Packed*>(from)[i];
    float x[kCount], max = mine.max;
    for (int j = 0; j < kCount; ++j) {
      x[j] = capped(widen(pack.values[j]), softcap);
      max = fmaxf(max, x[j]);
    }
    float sum = mine.max == max ? mine.sum : mine.sum * expf(mine.max - max);
    for (int j = 0; j < kCount; ++j) sum += x[j] == -INFINITY ? 0.0F : expf(x[j] - max);
    mine = {max, sum};
  }
  __shared__ MaxAndSum by_warp[kWarp];
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  mine = warp_combined(mine);
  if (lane == 0) by_warp[warp] = mine;
  __syncthreads();
  if (warp > 0) return;
  mine = warp_combined(lane < blockDim.x / kWarp ? by_warp[lane] : MaxAndSum{-INFINITY, 0});
  if (lane == 0) {
    const MaxAndSum all = combined({seen.max[row], seen.sum[row]}, mine);
    seen.max[row] = all.max;
    seen.sum[row] = all.sum;
  }
  for (std::int64_t i = seen.target_begins[row] + lane; i < seen.target_begins[row + 1]; i += kWarp) {
    const std::int64_t column = seen.targets[i] - first_token;
    if (column >= 0 && column < size) seen.target_logits[i] = capped(widen(from[column]), softcap);
  }
}

}  // namespace

void rms_norm(Type type, void* x, const void* branch, const float* weight, float eps, std::int64_t num_rows,
              std::int64_t size, void* out, Stream stream) {
  if (num_rows == 0) return;
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    with_count<T>(
        [&](auto count) {
          constexpr int kCount = decltype(count)::value;
          launch("rms_norm", rms_norm_kernel<T, kCount>, num_rows, threads_for(size / kCount), stream,
                 static_cast<T*>(x), static_cast<const T*>(branch), weight, eps, size, static_cast<T*>(out));
        },
        size, x, branch, out);
  });
}

void gated(Type type, const void* gate_up, Gate gate, std::int64_t num_rows, std::int64_t size, void* out,
           Stream stream) {
  if (num_rows == 0) return;
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    with_count<T>(
        [&](auto count) {
          constexpr int kCount = decltype(count)::value;
          const auto run = [&](auto kernel) {
            constexpr std::int64_t kThreads = 256, kMostBlocks = 1 << 20;
            const std::int64_t blocks = (num_rows * (size / kCount) + kThreads - 1) / kThreads;
            launch("gated", kernel, std::min(blocks, kMostBlocks), kThreads, stream, static_cast<const T*>(gate_up),
                   num_rows, size, static_cast<T*>(out));
          };
          switch (gate) {
            case Gate::kSilu:
              return run(gated_kernel<T, kCount, Gate::kSilu>);
            case Gate::kGelu:
              return run(gated_kernel<T, kCount, Gate::kGelu>);
            case Gate::kGeluTanh:
              return run(gated_kernel<T, kCount, Gate::kGeluTanh>);
            case Gate::kRelu:
              return run(gated_kernel<T, kCount, Gate::kRelu>);
          }
        },
        size, gate_up, out);
  });
}

void store(Type type, const void* qkv, const std::int64_t* slots, const Turn& turn, const Heads& heads,
           std::int64_t num_rows, void* queries, void* keys, void* values, Stream stream) {
  if (num_rows == 0) return;
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    const auto run = [&](auto count) {
      constexpr int kCount = decltype(count)::value;
      const std::int64_t width = (heads.num_heads + 2 * heads.num_kv_heads) * heads.head_dim;
      launch("store", store_kernel<T, kCount>, num_rows, threads_for(width / kCount), stream,
             static_cast<const T*>(qkv), slots, turn, heads, static_cast<T*>(queries), static_cast<T*>(keys),
             static_cast<T*>(values));
    };
    const bool pairs_fit = turn.cos == nullptr || (!turn.interleaved && fits_packs<T>(turn.num_pairs));
    if (pairs_fit && fits_packs<T>(heads.head_dim, qkv, queries, keys, values)) {
      run(Count<16 / sizeof(T)>());
    } else {
      run(Count<1>());
    }
  });
}

void merge(Type type, void* out, const LogSumExp& out_sums, const void* above, const LogSumExp& above_sums,
           const std::int32_t* rows, const std::int32_t* part_begins, const std::int32_t* parts,
           std::int64_t num_merged, std::int64_t num_heads, std::int64_t head_dim, Stream stream) {
  if (num_merged == 0) return;
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    constexpr std::int64_t kThreads = 256;
    const std::int64_t blocks = (num_merged * num_heads * kWarp + kThreads - 1) / kThreads;
    launch("merge", merge_kernel<T>, blocks, kThreads, stream, static_cast<T*>(out), out_sums,
           static_cast<const T*>(above), above_sums, rows, part_begins, parts, num_merged, num_heads, head_dim);
  });
}

void add_logits(Type type, const void* logits, std::int64_t first_row, std::int64_t num_rows, std::int64_t first_token,
                std::int64_t size, float softcap, const Seen& seen, Stream stream) {
  if (num_rows == 0) return;
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    with_count<T>(
        [&](auto count) {
          constexpr int kCount = decltype(count)::value;
          launch("add_logits", add_logits_kernel<T, kCount>, num_rows, threads_for(size / kCount), stream,
                 static_cast<const T*>(logits), first_row, first_token, size, softcap, seen);
        },
        size, logits);
  });
}

}  // namespace catenary::model::cuda
