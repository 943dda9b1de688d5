#include "catenary/weights/tensor_info.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <numeric>

#include "catenary/base/check.h"
#include "weights/layout.h"

namespace catenary::weights {
namespace {

struct Format {
  Encoding encoding;
  std::string_view name;
  BlockSize block;
};

constexpr Format kFormats[] = {
    {Encoding::kF32, "F32", {1, 4}},       {Encoding::kF16, "F16", {1, 2}},       {Encoding::kBF16, "BF16", {1, 2}},
    {Encoding::kQ4_0, "Q4_0", {32, 18}},   {Encoding::kQ4_1, "Q4_1", {32, 20}},   {Encoding::kQ5_0, "Q5_0", {32, 22}},
    {Encoding::kQ5_1, "Q5_1", {32, 24}},   {Encoding::kQ8_0, "Q8_0", {32, 34}},   {Encoding::kQ4_K, "Q4_K", {256, 144}},
    {Encoding::kQ5_K, "Q5_K", {256, 176}}, {Encoding::kQ6_K, "Q6_K", {256, 210}},
};

const Format& format_of(Encoding encoding) {
  const auto* found = std::ranges::find(kFormats, encoding, &Format::encoding);
  check(found != std::end(kFormats), "every Encoding has a row in kFormats");
  return *found;
}

}  // namespace

std::string_view to_string(Encoding encoding) {
  return format_of(encoding).name;
}
BlockSize block_size(Encoding encoding) {
  return format_of(encoding).block;
}

std::int64_t TensorInfo::num_elements() const {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::optional<std::int64_t> stored_bytes(Encoding encoding, std::span<const std::int64_t> shape) {
  const BlockSize block = block_size(encoding);
  const std::int64_t row = shape.empty() ? 1 : shape.back();
  if (row % block.elements != 0) return std::nullopt;
  std::int64_t elements = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(elements, size, &elements)) return std::nullopt;
  }
  std::int64_t bytes = 0;
  if (__builtin_mul_overflow(elements / block.elements, block.bytes, &bytes)) return std::nullopt;
  return bytes;
}

std::string printable(std::string_view text) {
  constexpr std::size_t kMaxShown = 120;
  std::string out(text.substr(0, kMaxShown));
  std::ranges::replace_if(
      out, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return text.size() > kMaxShown ? out + "…" : out;
}

std::string shown(std::string_view text) {
  return '"' + printable(text) + '"';
}
std::string shown(std::span<const std::int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace catenary::weights
