// Attention over prefix trees as devices other than the CPU compute it, on CPU tensors and on a GPU where there is one:
// against the CPU's kernels, which kernels_test.cc compares with float64.
#include "model/attention.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <set>

#include "model/position.h"
#include "support/devices.h"
#include "support/plain_attention.h"
#include "support/prefix_trees.h"

namespace catenary::model {
namespace {

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int32_t>::max();

/// A segment at a time by the formula.
class PlainSegments : public SegmentAttention {
 public:
  explicit PlainSegments(std::int64_t max_queries) : max_queries_(max_queries) {}
  std::int64_t max_queries() const override { return max_queries_; }

  Attended attend(const at::Tensor& queries, const KeyValues& key_values, const DeviceSegments& segments,
                  bool is_causal, double scale) const override {
    std::vector<at::Tensor> outs, sums;
    for (std::int64_t i = 0; i < segments.num_keys.size(0); ++i) {
      const auto begin = segments.query_begins[i].item<int>(), end = segments.query_begins[i + 1].item<int>();
      EXPECT_LE(end - begin, std::min<std::int64_t>(max_queries_, segments.most_queries));
      const auto first = segments.key_begins[i].item<int>(), num_keys = segments.num_keys[i].item<int>();
      EXPECT_LE(num_keys, segments.most_keys);
      const Attended part =
          test::attend_plainly(queries.slice(0, begin, end), key_values.keys.narrow(0, first, num_keys),
                               key_values.values.narrow(0, first, num_keys), is_causal, scale);
      outs.push_back(part.out);
      sums.push_back(part.log_sum_exp);
    }
    return {at::cat(outs).to(queries.scalar_type()), at::cat(sums).to(at::kFloat)};
  }

 private:
  std::int64_t max_queries_;
};

// Trees of all shapes, and lists of their tokens.
template <typename Function>
void for_trees(const Function& f, const std::vector<std::int64_t>& prefix_lengths = {0, 1, 40}) {
  std::mt19937 random(7);
  for (const std::int64_t prefix_length : prefix_lengths) {
    for (const auto& [num_sequences, max_length] : std::map<int, int>{{1, 30}, {5, 60}, {40, 8}, {300, 3}}) {
      const PrefixTree tree = test::random_tree(random, prefix_length, num_sequences, max_length);
      const TokenLayout layout = TokenLayout::of(tree);
      for (const double share : {1.0, 0.5}) {
        std::vector<std::int64_t> tokens;
        for (std::int64_t token = 0; token < tree.num_tokens(); ++token) {
          if (std::bernoulli_distribution(share)(random)) tokens.push_back(token);
        }
        if (!tokens.empty()) f(tree, layout, tokens);
      }
    }
  }
}

TEST(AttentionPlan, a_token_meets_each_key_that_it_sees_once) {
  for_trees([](const PrefixTree& tree, const TokenLayout& layout, const std::vector<std::int64_t>& tokens) {
    for (const std::int64_t max_queries : {kNoLimit, std::int64_t{3}}) {
      const AttentionPlan plan = plan_attention(layout, tokens, max_queries);
      std::vector<std::multiset<std::int64_t>> met(tokens.size());
      ASSERT_EQ(plan.own.num_queries(), std::ssize(tokens));
      for (std::size_t i = 0; i < plan.own.key_begins.size(); ++i) {
        const std::int32_t end = plan.own.query_begins[i + 1];
        ASSERT_LE(end - plan.own.query_begins[i], max_queries);
        for (std::int32_t row = plan.own.query_begins[i]; row < end; ++row) {
          const std::int32_t hidden = end - 1 - row;
          for (std::int32_t key = 0; key < plan.own.num_keys[i] - hidden; ++key) {
            met[static_cast<std::size_t>(row)].insert(plan.own.key_begins[i] + key);
          }
        }
      }
      ASSERT_EQ(plan.above.num_queries(), std::ssize(plan.above_rows));
      for (std::size_t i = 0; i < plan.above.key_begins.size(); ++i) {
        ASSERT_LE(plan.above.query_begins[i + 1] - plan.above.query_begins[i], max_queries);
        for (std::int32_t at = plan.above.query_begins[i]; at < plan.above.query_begins[i + 1]; ++at) {
          for (std::int32_t key = 0; key < plan.above.num_keys[i]; ++key) {
            met[static_cast<std::size_t>(plan.above_rows[static_cast<std::size_t>(at)])].insert(
                plan.above.key_begins[i] + key);
          }
        }
      }
      for (std::size_t row = 0; row < tokens.size(); ++row) {
        const std::int64_t token = tokens[row], branch = tree.branch_of(token);
        std::multiset<std::int64_t> seen;
        std::vector<SlotRange> path = tree.path(branch);
        path.back().end = tree.prefix_length() + token + 1;
        for (const SlotRange& range : path) {
          for (std::int64_t slot = range.begin; slot < range.end; ++slot) seen.insert(slot);
        }
        ASSERT_EQ(met[row], seen) << "token " << token;
      }
    }
  });
}

TEST(AttentionPlan, parts_are_listed_by_row) {
  for_trees([](const PrefixTree&, const TokenLayout& layout, const std::vector<std::int64_t>& tokens) {
    const AttentionPlan plan = plan_attention(layout, tokens, kNoLimit);
    ASSERT_EQ(plan.part_begins.size(), plan.merged_rows.size() + 1);
    ASSERT_EQ(plan.part_begins.back(), std::ssize(plan.above_rows));
    std::set<std::int32_t> listed;
    for (std::size_t i = 0; i < plan.merged_rows.size(); ++i) {
      ASSERT_LT(plan.part_begins[i], plan.part_begins[i + 1]);
      for (std::int32_t at = plan.part_begins[i]; at < plan.part_begins[i + 1]; ++at) {
        const std::int32_t part = plan.parts[static_cast<std::size_t>(at)];
        ASSERT_TRUE(listed.insert(part).second);
        ASSERT_EQ(plan.above_rows[static_cast<std::size_t>(part)], plan.merged_rows[i]);
      }
    }
    ASSERT_EQ(std::ssize(listed), std::ssize(plan.above_rows));
  });
}

TEST(AttentionPlan, who_saw_the_same_keys_meets_them_together) {
  PrefixTree tree(100);  // a header, and two prompts with three continuations each
  for (const std::int32_t prompt : {10, 20}) {
    for (const std::int32_t continuation : {1, 2, 3}) tree.add(std::vector{prompt, prompt, continuation, 7});
  }
  std::vector<std::int64_t> tokens(static_cast<std::size_t>(tree.num_tokens()));
  std::iota(tokens.begin(), tokens.end(), 0);
  const AttentionPlan plan = plan_attention(TokenLayout::of(tree), tokens, kNoLimit);
  // The first branch lies behind the header, so both are one: slots 0 to 103. Its prompt ends at 102.
  EXPECT_EQ(plan.own.key_begins, (std::vector<std::int32_t>{0, 104, 106, 108, 112, 114}));
  EXPECT_EQ(plan.own.num_keys, (std::vector<std::int32_t>{104, 2, 2, 4, 2, 2}));
  // The second prompt and all that follows it see the header; the first prompt's others see it with the prompt.
  EXPECT_EQ(plan.above.key_begins, (std::vector<std::int32_t>{0, 0, 108}));
  EXPECT_EQ(plan.above.num_keys, (std::vector<std::int32_t>{100, 102, 2}));
  EXPECT_EQ(plan.above.query_begins, (std::vector<std::int32_t>{0, 8, 12, 16}));
}

// How a tiny checkpoint attends: groups of heads, odd sizes, soft caps, windows, ALiBi.
struct Family {
  Family(const weights::ModelConfig& config, at::Device device) : config_(config), device_(device) {}

  at::TensorOptions options(at::ScalarType dtype = at::kFloat) const { return at::dtype(dtype).device(device_); }

  std::unique_ptr<Attention> by_aten(std::unique_ptr<SegmentAttention> segments,
                                     std::int64_t max_scores = kMaxScores) const {
    return make_aten_attention(config_, device_slopes_, options(), *operations_, std::move(segments), max_scores);
  }

  // Of all tokens of random trees, with keys and values of the prefix already there.
  double largest_difference(const Attention& attention, at::ScalarType dtype = at::kFloat,
                            const std::vector<std::int64_t>& prefix_lengths = {0, 1, 40}) const {
    at::manual_seed(1);
    const auto expected_by = make_cpu_attention(config_, slopes_, at::kFloat);
    double largest = 0;
    for_trees(
        [&](const PrefixTree& tree, const TokenLayout& layout, const std::vector<std::int64_t>& tokens) {
          const std::int64_t num_tokens = tree.num_tokens(), prefix_length = tree.prefix_length();
          const std::int64_t width = (config_.num_heads + 2 * config_.num_kv_heads) * config_.head_dim;
          // Rounded, so that both begin with the same numbers.
          const at::Tensor qkv = at::randn({num_tokens, width}).to(dtype).to(at::kFloat);
          const at::Tensor prefix_qkv = at::randn({prefix_length, width}).to(dtype).to(at::kFloat);
          std::vector<std::int64_t> all(static_cast<std::size_t>(num_tokens));
          std::iota(all.begin(), all.end(), 0);
          const auto run = [&](const Attention& by, at::TensorOptions to, bool slides) {
            KeyValues key_values = by.make_key_values(prefix_length + num_tokens);
            if (prefix_length > 0) {
              PrefixTree alone;
              alone.add(std::vector<std::int32_t>(static_cast<std::size_t>(prefix_length), 1));
              const TokenLayout prefix_layout = TokenLayout::of(alone);
              std::vector<std::int64_t> prefix_tokens(static_cast<std::size_t>(prefix_length));
              std::iota(prefix_tokens.begin(), prefix_tokens.end(), 0);
              by.store(prefix_qkv.to(to), *by.prepare(prefix_layout, prefix_tokens), {}, key_values);
              const KeyValues prefix = by.first_slots(key_values, prefix_length);
              key_values = by.make_key_values(prefix_length + num_tokens);
              by.set_first_slots(key_values, prefix);
            }
            const at::Tensor queries = by.store(qkv.to(to), *by.prepare(layout, all), {}, key_values);
            const at::Tensor rows = at::tensor(at::ArrayRef<std::int64_t>(tokens), at::kLong).to(queries.device());
            return by.attend(queries.index_select(0, rows), *by.prepare(layout, tokens), key_values, slides)
                .to(at::kFloat)
                .cpu();
          };
          for (const bool slides : {false, true}) {
            const at::Tensor actual = run(attention, options(dtype), slides),
                             expected = run(*expected_by, at::kFloat, slides);
            largest = std::max(largest, (actual - expected).abs().max().item<double>());
          }
        },
        prefix_lengths);
    return largest;
  }

  const weights::ModelConfig config_;
  const at::Device device_;
  const at::Tensor slopes_ =
      config_.position == weights::ModelConfig::Position::kAlibi ? alibi_slopes(config_.num_heads) : at::Tensor();
  const at::Tensor device_slopes_ = slopes_.defined() ? slopes_.to(device_) : slopes_;
  const std::unique_ptr<Operations> operations_ = make_operations(device_, Kernels::kOwn);
};

class AttentionOfFamilies : public testing::TestWithParam<at::Device> {
 protected:
  template <typename Function>
  static void for_families(const Function& f) {
    const std::filesystem::path folder = std::filesystem::path(CATENARY_SOURCE_DIR) / "tests/reference/model";
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (!entry.is_directory()) continue;
      SCOPED_TRACE(entry.path().filename().string());
      f(Family(weights::Checkpoint::open(entry.path()).config(), GetParam()));
    }
  }

  static void expect_right(const Family& family, const std::vector<std::int64_t>& prefix_lengths) {
    for (const auto& [dtype, bound] :
         std::vector<std::pair<at::ScalarType, double>>{{at::kFloat, 2e-5}, {at::kHalf, 8e-3}, {at::kBFloat16, 6e-2}}) {
      const auto best = make_attention(family.config_, family.device_slopes_, family.options(dtype),
                                       *family.operations_, Kernels::kOwn);
      EXPECT_LT(family.largest_difference(*best, dtype, prefix_lengths), bound) << dtype;
    }
  }
};

TEST_P(AttentionOfFamilies, matrix_products_a_branch_at_a_time) {
  for_families([](const Family& family) { EXPECT_LT(family.largest_difference(*family.by_aten(nullptr)), 1e-5); });
}

TEST_P(AttentionOfFamilies, matrix_products_of_few_scores) {
  for_families([](const Family& family) {
    EXPECT_LT(family.largest_difference(*family.by_aten(nullptr, /*max_scores=*/500)), 1e-5);
  });
}

TEST_P(AttentionOfFamilies, segments_merged_by_their_log_sum_exp) {
  for_families([](const Family& family) {
    const auto merged = family.by_aten(std::make_unique<PlainSegments>(kNoLimit));
    EXPECT_LT(family.largest_difference(*merged), 1e-5);
  });
}

TEST_P(AttentionOfFamilies, the_best_of_the_device) {
  for_families([](const Family& family) { expect_right(family, {0, 1, 40}); });
}

// Real models' heads, and prefixes of several tiles.
TEST_P(AttentionOfFamilies, large_heads_and_long_prefixes) {
  weights::ModelConfig config;
  config.num_heads = 4;
  for (const std::int64_t head_dim : {64, 80, 128, 256, 320}) {
    for (const std::int64_t num_kv_heads : {1, 2, 4}) {
      config.head_dim = head_dim;
      config.num_kv_heads = num_kv_heads;
      config.attention_scale = 1 / std::sqrt(static_cast<double>(head_dim));
      SCOPED_TRACE(head_dim);
      expect_right(Family(config, GetParam()), {300});
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, AttentionOfFamilies, testing::ValuesIn(test::devices()),
                         [](const auto& instance) { return test::test_name("on", instance.param); });

}  // namespace
}  // namespace catenary::model
