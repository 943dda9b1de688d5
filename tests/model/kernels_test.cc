// The CPU's kernels, those of every instruction set that this processor has, against the same formulas in float64.
#include "model/cpu/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace catenary::model::cpu {
namespace {

std::uint16_t to_bfloat16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float from_bfloat16(std::uint16_t x) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16);
}

class Random {
 public:
  std::vector<float> normal(std::int64_t count, float scale = 1) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& v : values) v = scale * distribution_(generator_);
    return values;
  }

 private:
  std::mt19937_64 generator_{5};
  std::normal_distribution<float> distribution_;
};

class CpuKernels : public testing::TestWithParam<std::size_t> {
 protected:
  const Kernels& kernels_ = *supported_kernels()[GetParam()];
  Random random_;
};

TEST_P(CpuKernels, log_sum_exp_and_maximum) {
  for (const std::int64_t size : {1, 15, 16, 17, 1000, 50257}) {
    std::vector<float> logits = random_.normal(size, 5);
    double sum = 0, best = -1e30;
    for (const float logit : logits) best = std::max(best, static_cast<double>(logit));
    for (const float logit : logits) sum += std::exp(logit - best);
    float max = 0, result = 0;
    kernels_.log_sum_exp(logits.data(), 0, size, &max, &result);
    EXPECT_EQ(max, static_cast<float>(best));
    EXPECT_NEAR(result, best + std::log(sum), 2e-6 * (1 + std::abs(best))) << size;
  }
}

TEST_P(CpuKernels, exp_is_right_from_where_it_vanishes_to_where_it_overflows) {
  // log Σ exp of two logits, one of them 0: log(1 + exp(x)).
  for (float x = -95; x <= 0; x += 0.0137F) {
    float logits[] = {0, x}, max = 0, result = 0;
    kernels_.log_sum_exp(logits, 0, 2, &max, &result);
    EXPECT_NEAR(result, std::log1p(std::exp(static_cast<double>(x))), 1e-7) << x;
  }
}

TEST_P(CpuKernels, logits_that_are_not_finite_do_not_pass_for_numbers) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    std::vector<float> logits(40, 1);
    logits[20] = bad;
    float max = 0, result = 0;
    kernels_.log_sum_exp(logits.data(), 0, 40, &max, &result);
    EXPECT_FALSE(std::isfinite(result)) << bad;
  }
}

TEST_P(CpuKernels, soft_cap_of_logits) {
  std::vector<float> logits = random_.normal(37, 40);
  const std::vector<float> before = logits;
  float max = 0, result = 0;
  kernels_.log_sum_exp(logits.data(), 30, 37, &max, &result);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    EXPECT_NEAR(logits[i], 30 * std::tanh(static_cast<double>(before[i]) / 30), 3e-6 * 30);
  }
}

TEST_P(CpuKernels, rms_norm) {
  for (const std::int64_t size : {1, 16, 33, 576}) {
    const auto x = random_.normal(size, 3), weight = random_.normal(size);
    double squares = 0;
    for (const float v : x) squares += static_cast<double>(v) * v;
    const double scale = 1 / std::sqrt(squares / static_cast<double>(size) + 1e-5);
    std::vector<float> out(x.size());
    kernels_.rms_norm(x.data(), weight.data(), 1e-5F, size, false, out.data());
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(out[i], x[i] * scale * weight[i], 1e-5);
    kernels_.rms_norm(x.data(), nullptr, 1e-5F, size, false, out.data());
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(out[i], x[i] * scale, 1e-5);

    std::vector<std::uint16_t> narrow(x.size()), narrow_out(x.size());
    std::ranges::transform(x, narrow.begin(), to_bfloat16);
    kernels_.rms_norm(narrow.data(), weight.data(), 1e-5F, size, true, narrow_out.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = x[i] * scale * weight[i];
      EXPECT_NEAR(from_bfloat16(narrow_out[i]), expected, 0.012 * std::abs(expected) + 1e-6);
    }
  }
}

TEST_P(CpuKernels, gated_activations) {
  for (const std::int64_t size : {1, 16, 37}) {
    const auto gate_up = random_.normal(2 * size, 4);
    std::vector<float> out(static_cast<std::size_t>(size));
    for (const bool tanh_gelu : {false, true}) {
      kernels_.gated(gate_up.data(), tanh_gelu, size, false, out.data());
      for (std::size_t i = 0; i < out.size(); ++i) {
        const double gate = gate_up[i], up = gate_up[i + out.size()];
        const double cubic = std::sqrt(2 / M_PI) * (gate + 0.044715 * gate * gate * gate);
        const double active = tanh_gelu ? 0.5 * gate * (1 + std::tanh(cubic)) : gate / (1 + std::exp(-gate));
        EXPECT_NEAR(out[i], active * up, 1e-6 * (1 + std::abs(active * up))) << gate;
      }
    }
  }
}

TEST_P(CpuKernels, gates_far_from_zero) {
  const std::vector<float> gate_up{-200, -90, 90, 200, 1, 1, 1, 1};
  std::vector<float> out(4);
  kernels_.gated(gate_up.data(), false, 4, false, out.data());
  EXPECT_NEAR(out[0], 0, 1e-30);
  EXPECT_NEAR(out[1], 0, 1e-30);
  EXPECT_FLOAT_EQ(out[2], 90);
  EXPECT_FLOAT_EQ(out[3], 200);
}

struct AttentionCase {
  const char* name;
  std::int64_t num_heads, num_kv_heads, head_dim;
  float softcap = 0;
  std::int64_t window = 0;
  bool alibi = false, alibi_in_bfloat16 = false;
};

// Three spans, as of a prefix, a branch and a branch of it; the own one longer than a tile.
const std::vector<KeySpan> kSpans{{0, 37, 0}, {40, 61, 37}, {75, 250, 58}};

float round_to_bfloat16(float x) {
  return from_bfloat16(to_bfloat16(x));
}

TEST_P(CpuKernels, attention_is_softmax_over_what_a_query_sees) {
  const std::vector<AttentionCase> cases{
      {"plain", 4, 4, 64},
      {"grouped", 9, 3, 64},
      {"one_kv_head", 71, 1, 8},
      {"odd_size", 2, 1, 20},
      {"wide", 2, 2, 256},
      {"softcap", 4, 2, 16, 5.0F},
      {"window", 4, 2, 16, 0, 23},
      {"window_one", 2, 2, 16, 0, 1},
      {"alibi", 6, 6, 16, 0, 0, true},
      {"alibi_bfloat16", 6, 2, 16, 0, 0, true, true},
  };
  for (const AttentionCase& c : cases) {
    SCOPED_TRACE(c.name);
    const std::int64_t num_slots = 250, num_blocks = (num_slots + kKeyBlock - 1) / kKeyBlock;
    const std::int64_t padded_dim = (c.head_dim + 15) / 16 * 16;
    std::vector<float> keys(static_cast<std::size_t>(c.num_kv_heads * num_blocks * c.head_dim * kKeyBlock));
    std::vector<float> values(static_cast<std::size_t>(c.num_kv_heads * num_blocks * kKeyBlock * padded_dim));
    const KeyValueView view{keys.data(), values.data(), num_blocks, c.num_kv_heads, c.head_dim, padded_dim};
    const auto width = static_cast<std::size_t>((c.num_heads + 2 * c.num_kv_heads) * c.head_dim);
    std::vector<std::vector<float>> rows;  // by slot: queries, keys, values
    std::vector<float> ignored(static_cast<std::size_t>(c.num_heads * c.head_dim));
    for (std::int64_t slot = 0; slot < num_slots; ++slot) {
      rows.push_back(random_.normal(static_cast<std::int64_t>(width)));
      kernels_.store_row(rows.back().data(), false, c.num_heads, {}, view, slot, ignored.data());
    }

    std::vector<float> slopes(static_cast<std::size_t>(c.num_heads));
    for (std::size_t h = 0; h < slopes.size(); ++h) slopes[h] = std::exp2(-static_cast<float>(h + 1));
    const float scale = 1 / std::sqrt(static_cast<float>(c.head_dim));
    const AttentionRule rule{c.num_heads,        scale, c.softcap, c.window, c.alibi ? slopes.data() : nullptr,
                             c.alibi_in_bfloat16};
    const std::int64_t most = max_queries_per_task(c.num_heads, c.num_kv_heads);
    std::vector<std::int64_t> slots;
    for (std::int64_t slot = 75; slot < 250 && std::ssize(slots) < most; slot += 7) slots.push_back(slot);
    std::vector<float> queries;
    for (const auto slot : slots) {
      const auto& row = rows[static_cast<std::size_t>(slot)];
      queries.insert(queries.end(), row.begin(), row.begin() + static_cast<std::ptrdiff_t>(ignored.size()));
    }
    std::vector<float> out(queries.size()),
        scratch(static_cast<std::size_t>(attention_scratch(c.num_heads, c.num_kv_heads, padded_dim)));
    const AttentionTask task{kSpans.data(),     std::ssize(kSpans), slots.data(),
                             std::ssize(slots), queries.data(),     out.data()};
    for (std::int64_t head = 0; head < c.num_kv_heads; ++head) {
      kernels_.attend(view, rule, task, head, false, scratch.data());
    }

    for (std::size_t q = 0; q < slots.size(); ++q) {
      const std::int64_t position = 58 + slots[q] - 75;
      for (std::int64_t head = 0; head < c.num_heads; ++head) {
        const std::int64_t kv_head = head / (c.num_heads / c.num_kv_heads);
        std::vector<double> expected(static_cast<std::size_t>(c.head_dim));
        double total = 0;
        for (const KeySpan& span : kSpans) {
          for (std::int64_t slot = span.begin; slot < span.end; ++slot) {
            const std::int64_t key_position = span.position + slot - span.begin;
            if (key_position > position || (c.window > 0 && key_position <= position - c.window)) continue;
            const auto& row = rows[static_cast<std::size_t>(slot)];
            double score = 0;
            for (std::int64_t d = 0; d < c.head_dim; ++d) {
              score +=
                  static_cast<double>(queries[q * ignored.size() + static_cast<std::size_t>(head * c.head_dim + d)]) *
                  row[static_cast<std::size_t>((c.num_heads + kv_head) * c.head_dim + d)];
            }
            score *= scale;
            if (c.softcap > 0) score = c.softcap * std::tanh(score / c.softcap);
            const float slope = slopes[static_cast<std::size_t>(head)];
            if (c.alibi && c.alibi_in_bfloat16) {
              score +=
                  round_to_bfloat16(round_to_bfloat16(slope) * round_to_bfloat16(static_cast<float>(key_position))) *
                  scale;
            } else if (c.alibi) {
              score += slope * static_cast<double>(key_position - position);
            }
            const double weight = std::exp(score);
            total += weight;
            for (std::int64_t d = 0; d < c.head_dim; ++d) {
              expected[static_cast<std::size_t>(d)] +=
                  weight * row[static_cast<std::size_t>((c.num_heads + c.num_kv_heads + kv_head) * c.head_dim + d)];
            }
          }
        }
        for (std::int64_t d = 0; d < c.head_dim; ++d) {
          ASSERT_NEAR(out[q * ignored.size() + static_cast<std::size_t>(head * c.head_dim + d)],
                      expected[static_cast<std::size_t>(d)] / total, 5e-6)
              << "query " << q << ", head " << head << ", element " << d;
        }
      }
    }
  }
}

TEST_P(CpuKernels, what_a_query_does_not_see_may_be_infinite) {
  constexpr std::int64_t kSlots = 200, kPoisoned = 90, kDim = 32, kBlocks = (kSlots + kKeyBlock - 1) / kKeyBlock;
  const std::vector<float> slopes{0.5F, 0.25F};
  for (const auto& [window, alibi] : {std::pair(0, false), {0, true}, {20, false}, {1, false}}) {
    std::vector<float> keys(kBlocks * kDim * kKeyBlock), values(kBlocks * kKeyBlock * kDim), ignored(2 * kDim);
    const KeyValueView view{keys.data(), values.data(), kBlocks, 1, kDim, kDim};
    for (std::int64_t slot = 0; slot < kSlots; ++slot) {
      kernels_.store_row(random_.normal(4 * kDim).data(), false, 2, {}, view, slot, ignored.data());
    }
    const AttentionRule rule{2, 1, 0, window, alibi ? slopes.data() : nullptr, false};
    const KeySpan span{0, kSlots, 0};
    const auto queries = random_.normal(kSlots * 2 * kDim);
    std::vector<float> scratch(static_cast<std::size_t>(attention_scratch(2, 1, kDim)));
    const auto attend = [&] {
      std::vector<float> out(queries.size());
      const std::int64_t most = max_queries_per_task(2, 1);
      for (std::int64_t first = 0; first < kSlots; first += most) {
        std::vector<std::int64_t> slots(static_cast<std::size_t>(std::min(most, kSlots - first)));
        std::iota(slots.begin(), slots.end(), first);
        const AttentionTask task{&span,
                                 1,
                                 slots.data(),
                                 std::ssize(slots),
                                 queries.data() + first * 2 * kDim,
                                 out.data() + first * 2 * kDim};
        kernels_.attend(view, rule, task, 0, false, scratch.data());
      }
      return out;
    };
    const std::vector<float> expected = attend();
    const std::vector<float> infinite(4 * kDim, std::numeric_limits<float>::infinity());
    kernels_.store_row(infinite.data(), false, 2, {}, view, kPoisoned, ignored.data());
    const std::vector<float> actual = attend();
    for (std::int64_t i = 0; i < std::ssize(actual); ++i) {
      const std::int64_t position = i / (2 * kDim);
      const bool sees = position >= kPoisoned && (window == 0 || position < kPoisoned + window);
      const auto at = static_cast<std::size_t>(i);
      ASSERT_EQ(std::isfinite(actual[at]), !sees) << "window " << window << ", query " << position;
      if (!sees) {
        ASSERT_EQ(actual[at], expected[at]) << "window " << window << ", query " << position;
      }
    }
  }
}

TEST_P(CpuKernels, rows_are_turned_and_put_into_their_slots) {
  constexpr std::int64_t kDim = 10, kPairs = 4;
  for (const bool interleaved : {false, true}) {
    for (const bool bfloat16 : {false, true}) {
      std::vector<float> row = random_.normal(3 * kDim);
      std::vector<std::uint16_t> narrow(row.size());
      std::ranges::transform(row, narrow.begin(), to_bfloat16);
      if (bfloat16) std::ranges::transform(narrow, row.begin(), from_bfloat16);
      const std::vector<float> cos{1.0F, 0.5F, 0.0F, 0.25F}, sin{0.0F, 0.5F, 1.0F, -0.75F};
      std::vector<float> keys(2 * kDim * kKeyBlock), values(2 * kKeyBlock * 16), queries(kDim);
      kernels_.store_row(bfloat16 ? static_cast<const void*>(narrow.data()) : row.data(), bfloat16, 1,
                         {cos.data(), sin.data(), kPairs, interleaved}, {keys.data(), values.data(), 2, 1, kDim, 16},
                         19, queries.data());
      for (std::size_t d = 0; d < kDim; ++d) {
        const std::size_t pair = interleaved ? d / 2 : d % kPairs,
                          other = interleaved ? d ^ 1 : (d + kPairs) % (2 * kPairs);
        const bool is_first = interleaved ? d % 2 == 0 : d < kPairs;
        const auto turned = [&](std::size_t begin) {
          if (d >= 2 * kPairs) return row[begin + d];
          return row[begin + d] * cos[pair] + (is_first ? -1.0F : 1.0F) * row[begin + other] * sin[pair];
        };
        EXPECT_NEAR(queries[d], turned(0), 1e-6);
        EXPECT_NEAR(keys[kDim * kKeyBlock + d * kKeyBlock + 3], turned(kDim), 1e-6);
        EXPECT_EQ(values[19 * 16 + d], row[2 * kDim + d]);
      }
    }
  }
}

TEST_P(CpuKernels, transposed_words) {
  for (const std::int64_t columns : {16, 48, 1040}) {
    const std::int64_t stride = kTransposedRows + 3;
    std::vector<std::uint32_t> from(static_cast<std::size_t>(kTransposedRows * columns));
    std::iota(from.begin(), from.end(), 1U);
    std::vector<std::uint32_t> to(static_cast<std::size_t>(columns * stride)), expected = to;
    for (std::int64_t r = 0; r < kTransposedRows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) expected[c * stride + r] = from[r * columns + c];
    }
    kernels_.transpose(from.data(), columns, to.data(), stride);
    EXPECT_EQ(to, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(All, CpuKernels, testing::Range(std::size_t{0}, supported_kernels().size()),
                         [](const auto& instance) {
                           std::string name = supported_kernels()[instance.param]->name;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace catenary::model::cpu
