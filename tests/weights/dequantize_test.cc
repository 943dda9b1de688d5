#include <bit>
#include <cmath>
#include <limits>

#include "catenary/weights/gguf.h"
#include "catenary/weights/tensor_info.h"
#include "weights/fixtures.h"

namespace catenary::weights {
namespace {

std::vector<float> decode(Encoding encoding, std::span<const std::byte> bytes) {
  const BlockSize block = block_size(encoding);
  std::vector<float> out(bytes.size() / block.bytes * block.elements);
  dequantize(encoding, bytes, out);
  return out;
}

TEST(Dequantize, equals_the_gguf_package_bit_for_bit_in_every_encoding) {
  const GgufFile file(reference("blocks.gguf"));
  int compared = 0;
  for (const TensorInfo& tensor : file.tensors()) {
    for (const TensorInfo& expected : file.tensors()) {
      if (expected.name != tensor.name + ".expected") continue;
      EXPECT_EQ(to_string(tensor.encoding), tensor.name);
      const auto floats = decode(tensor.encoding, tensor.bytes);
      ASSERT_EQ(floats.size(), static_cast<std::size_t>(expected.num_elements()));
      EXPECT_EQ(std::memcmp(floats.data(), expected.bytes.data(), expected.bytes.size()), 0) << tensor.name;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 11);
}

// The definition of IEEE binary16, by arithmetic.
float half_by_definition(std::uint16_t half) {
  const int exponent = half >> 10 & 31;
  const auto fraction = static_cast<float>(half & 1023);
  float magnitude = std::ldexp(1024 + fraction, exponent - 25);
  if (exponent == 0) magnitude = std::ldexp(fraction, -24);
  if (exponent == 31) {
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  }
  return half >> 15 != 0 ? -magnitude : magnitude;
}

TEST(Dequantize, all_65536_halves_are_right) {
  for (int i = 0; i < 65536; ++i) {
    const auto half = static_cast<std::uint16_t>(i);
    const float got = decode(Encoding::kF16, std::as_bytes(std::span(&half, 1)))[0];
    const float expected = half_by_definition(half);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(got)) << i;
    } else {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(got), std::bit_cast<std::uint32_t>(expected)) << i;
    }
  }
}

TEST(Dequantize, does_not_depend_on_alignment) {
  const GgufFile file(reference("blocks.gguf"));
  for (const TensorInfo& tensor : file.tensors()) {
    std::vector<std::byte> shifted(tensor.bytes.size() + 1);
    std::ranges::copy(tensor.bytes, shifted.begin() + 1);
    EXPECT_EQ(decode(tensor.encoding, std::span(shifted).subspan(1)), decode(tensor.encoding, tensor.bytes))
        << tensor.name;
  }
}

TEST(Dequantize, no_bytes_give_no_floats_and_a_wrong_output_size_is_refused) {
  EXPECT_TRUE(decode(Encoding::kF32, {}).empty());
  EXPECT_TRUE(decode(Encoding::kQ6_K, {}).empty());
  const std::vector<std::byte> block(18);
  std::vector<float> out(31);
  EXPECT_THROW(dequantize(Encoding::kQ4_0, block, out), std::logic_error);
  out.resize(32);
  EXPECT_THROW(dequantize(Encoding::kQ4_0, std::span(block).first(17), out), std::logic_error);
}

}  // namespace
}  // namespace catenary::weights
