// One function per encoding turns one block into floats; the loops have constant bounds so that the compiler vectorises
// them. Within a block, the low nibbles are the first half of a run and the high nibbles the second.
//
// Except in Q6_K a scale times a quant is exact in float32 (11 + 6 + 5 bits at most), so results do not depend on
// whether the compiler fuses multiply and add. Q6_K only multiplies.
#include <bit>

#include "catenary/base/check.h"
#include "catenary/weights/tensor_info.h"
#include "weights/layout.h"

namespace catenary::weights {
namespace {

using Byte = std::uint8_t;

// IEEE half to float without branches: normal numbers get their exponent shifted and rescaled, subnormal ones come out
// of a subtraction. From Maratyszcza/FP16, fp16.h.
float half_to_float(std::uint16_t half) {
  const std::uint32_t word = std::uint32_t{half} << 16;
  const std::uint32_t sign = word & 0x80000000u;
  const std::uint32_t magnitude = word + word;
  const float normal = std::bit_cast<float>((magnitude >> 4) + (0xE0u << 23)) * 0x1.0p-112f;
  const float subnormal = std::bit_cast<float>((magnitude >> 17) | (126u << 23)) - 0.5f;
  const std::uint32_t if_subnormal = magnitude < (1u << 27) ? ~0u : 0u;
  const std::uint32_t bits =
      (if_subnormal & std::bit_cast<std::uint32_t>(subnormal)) | (~if_subnormal & std::bit_cast<std::uint32_t>(normal));
  return std::bit_cast<float>(sign | bits);
}

float half_at(const Byte* at) {
  return half_to_float(load<std::uint16_t>(at));
}

float bf16_at(const Byte* at) {
  return std::bit_cast<float>(std::uint32_t{load<std::uint16_t>(at)} << 16);
}

// `count` elements of 16 bits each.
template <auto value_at, int count>
void decode_16_bit(const Byte* __restrict in, float* __restrict out) {
  for (int i = 0; i < count; ++i) out[i] = value_at(in + 2 * i);
}

void decode_q4_0(const Byte* __restrict in, float* __restrict out) {
  const float scale = half_at(in);
  const Byte* nibbles = in + 2;
  for (int i = 0; i < 16; ++i) out[i] = scale * static_cast<float>((nibbles[i] & 15) - 8);
  for (int i = 0; i < 16; ++i) out[i + 16] = scale * static_cast<float>((nibbles[i] >> 4) - 8);
}

void decode_q4_1(const Byte* __restrict in, float* __restrict out) {
  const float scale = half_at(in);
  const float minimum = half_at(in + 2);
  const Byte* nibbles = in + 4;
  for (int i = 0; i < 16; ++i) out[i] = scale * static_cast<float>(nibbles[i] & 15) + minimum;
  for (int i = 0; i < 16; ++i) out[i + 16] = scale * static_cast<float>(nibbles[i] >> 4) + minimum;
}

// Q5_0 and Q5_1 keep the fifth bits of a block in one word, bit i for element i.
int fifth_bit(std::uint32_t bits, int i) {
  return static_cast<int>((bits >> i) & 1) << 4;
}

void decode_q5_0(const Byte* __restrict in, float* __restrict out) {
  const float scale = half_at(in);
  const auto fifth = load<std::uint32_t>(in + 2);
  const Byte* nibbles = in + 6;
  for (int i = 0; i < 16; ++i) out[i] = scale * static_cast<float>(((nibbles[i] & 15) | fifth_bit(fifth, i)) - 16);
  for (int i = 0; i < 16; ++i) {
    out[i + 16] = scale * static_cast<float>(((nibbles[i] >> 4) | fifth_bit(fifth, i + 16)) - 16);
  }
}

void decode_q5_1(const Byte* __restrict in, float* __restrict out) {
  const float scale = half_at(in);
  const float minimum = half_at(in + 2);
  const auto fifth = load<std::uint32_t>(in + 4);
  const Byte* nibbles = in + 8;
  for (int i = 0; i < 16; ++i) {
    out[i] = scale * static_cast<float>((nibbles[i] & 15) | fifth_bit(fifth, i)) + minimum;
  }
  for (int i = 0; i < 16; ++i) {
    out[i + 16] = scale * static_cast<float>((nibbles[i] >> 4) | fifth_bit(fifth, i + 16)) + minimum;
  }
}

void decode_q8_0(const Byte* __restrict in, float* __restrict out) {
  const float scale = half_at(in);
  for (int i = 0; i < 32; ++i) out[i] = scale * static_cast<float>(static_cast<std::int8_t>(in[2 + i]));
}

// A Q4_K or Q5_K block is eight runs of 32 elements, each with a six-bit scale and a six-bit minimum, packed in 12
// bytes: the first four scales and minima in the low six bits of bytes 0–3 and 4–7; the last four have their low
// nibbles in bytes 8–11 (scale low, minimum high) and their two high bits on top of bytes 0–3 and 4–7.
struct ScaleAndMinimum {
  float scale;
  float minimum;
};

ScaleAndMinimum unpack_scale(const Byte* packed, int run) {
  int scale = packed[run] & 63;
  int minimum = packed[run + 4] & 63;
  if (run >= 4) {
    scale = (packed[run + 4] & 15) | (packed[run - 4] >> 6 << 4);
    minimum = (packed[run + 4] >> 4) | (packed[run] >> 6 << 4);
  }
  return {static_cast<float>(scale), static_cast<float>(minimum)};
}

void decode_q4_k(const Byte* __restrict in, float* __restrict out) {
  const float scale_of_scales = half_at(in);
  const float scale_of_minima = half_at(in + 2);
  for (int run = 0; run < 8; ++run) {
    const auto packed = unpack_scale(in + 4, run);
    const float scale = scale_of_scales * packed.scale;
    const float minimum = scale_of_minima * packed.minimum;
    const Byte* nibbles = in + 16 + run / 2 * 32;
    const int shift = run % 2 * 4;
    for (int i = 0; i < 32; ++i) out[run * 32 + i] = scale * static_cast<float>((nibbles[i] >> shift) & 15) - minimum;
  }
}

void decode_q5_k(const Byte* __restrict in, float* __restrict out) {
  const float scale_of_scales = half_at(in);
  const float scale_of_minima = half_at(in + 2);
  const Byte* fifth = in + 16;  // bit `run` of byte i is the fifth bit of element i of that run
  for (int run = 0; run < 8; ++run) {
    const auto packed = unpack_scale(in + 4, run);
    const float scale = scale_of_scales * packed.scale;
    const float minimum = scale_of_minima * packed.minimum;
    const Byte* nibbles = in + 48 + run / 2 * 32;
    const int shift = run % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      const int quant = ((nibbles[i] >> shift) & 15) | (((fifth[i] >> run) & 1) << 4);
      out[run * 32 + i] = scale * static_cast<float>(quant) - minimum;
    }
  }
}

// A Q6_K block is eight runs of 32: low nibbles (128 bytes), high bit pairs (64 bytes), a signed scale for every 16
// elements, and their common scale at the end. Runs 0–3 and 4–7 each share 64 bytes of nibbles and 32 of bit pairs.
void decode_q6_k(const Byte* __restrict in, float* __restrict out) {
  const float scale_of_scales = half_at(in + 208);
  for (int run = 0; run < 8; ++run) {
    const Byte* nibbles = in + run / 4 * 64 + run % 2 * 32;
    const Byte* pairs = in + 128 + run / 4 * 32;
    const int nibble_shift = run % 4 / 2 * 4;
    const int pair_shift = run % 4 * 2;
    for (int half = 0; half < 2; ++half) {
      const auto scale = static_cast<std::int8_t>(in[192 + run * 2 + half]);
      const float scaled = scale_of_scales * static_cast<float>(scale);
      for (int i = half * 16; i < half * 16 + 16; ++i) {
        const int quant = ((nibbles[i] >> nibble_shift) & 15) | (((pairs[i] >> pair_shift) & 3) << 4);
        out[run * 32 + i] = scaled * static_cast<float>(quant - 32);
      }
    }
  }
}

template <auto decode_block>
void decode_blocks(BlockSize block, std::span<const std::byte> bytes, std::span<float> out) {
  const Byte* in = reinterpret_cast<const Byte*>(bytes.data());
  for (float *end = out.data() + out.size(), *at = out.data(); at != end; at += block.elements, in += block.bytes) {
    decode_block(in, at);
  }
}

// Plain types have no blocks; sixteen elements at a time let the compiler vectorise them too.
template <auto value_at>
void decode_plain(std::span<const std::byte> bytes, std::span<float> out) {
  const std::size_t whole = out.size() / 16 * 16;
  decode_blocks<decode_16_bit<value_at, 16>>({16, 32}, bytes.first(2 * whole), out.first(whole));
  decode_blocks<decode_16_bit<value_at, 1>>({1, 2}, bytes.subspan(2 * whole), out.subspan(whole));
}

}  // namespace

void dequantize(Encoding encoding, std::span<const std::byte> bytes, std::span<float> out) {
  const BlockSize block = block_size(encoding);
  const std::size_t num_blocks = bytes.size() / block.bytes;
  check(bytes.size() % block.bytes == 0 && out.size() == num_blocks * block.elements,
        "dequantize: the output has the elements of whole blocks");
  switch (encoding) {
    case Encoding::kF32:
      if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
      return;
    case Encoding::kF16:
      return decode_plain<half_at>(bytes, out);
    case Encoding::kBF16:
      return decode_plain<bf16_at>(bytes, out);
    case Encoding::kQ4_0:
      return decode_blocks<decode_q4_0>(block, bytes, out);
    case Encoding::kQ4_1:
      return decode_blocks<decode_q4_1>(block, bytes, out);
    case Encoding::kQ5_0:
      return decode_blocks<decode_q5_0>(block, bytes, out);
    case Encoding::kQ5_1:
      return decode_blocks<decode_q5_1>(block, bytes, out);
    case Encoding::kQ8_0:
      return decode_blocks<decode_q8_0>(block, bytes, out);
    case Encoding::kQ4_K:
      return decode_blocks<decode_q4_k>(block, bytes, out);
    case Encoding::kQ5_K:
      return decode_blocks<decode_q5_k>(block, bytes, out);
    case Encoding::kQ6_K:
      return decode_blocks<decode_q6_k>(block, bytes, out);
  }
  check(false, "dequantize knows every Encoding");
}

}  // namespace catenary::weights
