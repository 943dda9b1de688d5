// What src/model/cuda asks of ATen's attention on a GPU, by the formula on a CPU: the arguments mean, and the results
// are laid out, as in PyTorch's aten/src/ATen/native/transformers/cuda/attention.cu.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <limits>
#include <optional>
#include <tuple>
#include <vector>

#include "support/plain_attention.h"

namespace {

using catenary::model::Attended;
using OptionalTensor = std::optional<at::Tensor>;
using Six = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, c10::SymInt, c10::SymInt>;
using Five = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

std::int64_t at_index(const at::Tensor& x, std::int64_t i) {
  TORCH_CHECK(x.scalar_type() == at::kInt && x.is_contiguous() && i < x.numel(), "int32, one behind the other");
  return x[i].item<std::int32_t>();
}

// By segment. queries [queries, heads, dim], keys and values [slots, heads or a divisor, dim].
std::vector<Attended> attend(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                             const at::Tensor& query_begins, const at::Tensor& key_begins, const at::Tensor& num_keys,
                             std::int64_t most_queries, std::int64_t most_keys, bool is_causal, double scale) {
  const std::int64_t num_segments = query_begins.numel() - 1;
  TORCH_CHECK(key_begins.numel() == num_segments + 1 && num_keys.numel() == num_segments, "a number for each segment");
  TORCH_CHECK(at_index(query_begins, num_segments) == queries.size(0), "all queries are in segments");
  std::vector<Attended> segments;
  for (std::int64_t i = 0; i < num_segments; ++i) {
    const std::int64_t begin = at_index(query_begins, i), end = at_index(query_begins, i + 1);
    const std::int64_t first = at_index(key_begins, i), count = at_index(num_keys, i);
    TORCH_CHECK(end - begin <= most_queries && count <= most_keys, "no segment is longer than was said");
    segments.push_back(catenary::test::attend_plainly(queries.slice(0, begin, end), keys.narrow(0, first, count),
                                                      values.narrow(0, first, count), is_causal, scale));
  }
  return segments;
}

at::Tensor joined(const std::vector<Attended>& segments, at::Tensor Attended::*part, at::ScalarType dtype) {
  std::vector<at::Tensor> parts;
  for (const Attended& segment : segments) parts.push_back(segment.*part);
  return at::cat(parts).to(dtype);
}

Five flash_attention(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                     const OptionalTensor& query_begins, const OptionalTensor& key_begins, c10::SymInt most_queries,
                     c10::SymInt most_keys, double dropout, bool is_causal, bool /*return_debug_mask*/,
                     std::optional<double> scale, std::optional<c10::SymInt> left, std::optional<c10::SymInt> right,
                     const OptionalTensor& num_keys, const OptionalTensor& alibi_slopes) {
  TORCH_CHECK(queries.scalar_type() == at::kHalf || queries.scalar_type() == at::kBFloat16, "16 bits");
  TORCH_CHECK(queries.size(2) % 8 == 0 && queries.size(2) <= 256, "heads of up to 256, a multiple of 8");
  TORCH_CHECK(queries.stride(2) == 1 && keys.stride(2) == 1 && values.stride(2) == 1, "heads lie in one piece");
  TORCH_CHECK(most_queries > 1, "one query: heads would become queries");
  TORCH_CHECK(dropout == 0 && !left && !right && !alibi_slopes && num_keys, "what Catenary asks for");
  const auto segments = attend(queries, keys, values, *query_begins, *key_begins, *num_keys, most_queries.expect_int(),
                               most_keys.expect_int(), is_causal, scale.value());
  return {joined(segments, &Attended::out, queries.scalar_type()),
          joined(segments, &Attended::log_sum_exp, at::kFloat).t(),
          {},
          {},
          {}};  // sums [heads, queries]
}

Six efficient_attention(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                        const OptionalTensor& bias, const OptionalTensor& query_begins,
                        const OptionalTensor& key_begins, std::optional<c10::SymInt> most_queries,
                        std::optional<c10::SymInt> most_keys, double dropout, std::int64_t mask,
                        bool computes_log_sum_exp, std::optional<double> scale, const OptionalTensor& num_keys,
                        std::optional<std::int64_t> window) {
  TORCH_CHECK(queries.dim() == 4 && queries.size(0) == 1 && keys.size(0) == 1 && values.size(0) == 1, "one batch");
  TORCH_CHECK(keys.size(2) == queries.size(2) && values.size(2) == queries.size(2), "each head has keys of its own");
  TORCH_CHECK(queries.size(3) % 4 == 0, "rows of 16 bytes");
  TORCH_CHECK(!bias && dropout == 0 && !window && num_keys && computes_log_sum_exp, "what Catenary asks for");
  TORCH_CHECK(mask == 0 || mask == 2, "no mask, or a causal one from the bottom right");
  const auto segments = attend(queries[0], keys[0], values[0], *query_begins, *key_begins, *num_keys,
                               most_queries->expect_int(), most_keys->expect_int(), mask == 2, scale.value());
  const std::int64_t padded = (most_queries->expect_int() + 31) / 32 * 32;
  const at::Tensor sums =  // [segments, heads, padded queries]
      at::full({static_cast<std::int64_t>(segments.size()), queries.size(2), padded},
               std::numeric_limits<float>::infinity(), queries.options().dtype(at::kFloat));
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const at::Tensor own = segments[i].log_sum_exp.t();
    sums[static_cast<std::int64_t>(i)].narrow(1, 0, own.size(1)).copy_(own);
  }
  return {
      joined(segments, &Attended::out, queries.scalar_type()).unsqueeze(0), sums, {}, {}, *most_queries, *most_keys};
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, CPU, m) {
  m.impl("_flash_attention_forward", &flash_attention);
  m.impl("_efficient_attention_forward", &efficient_attention);
}
