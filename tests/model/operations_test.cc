// What lies between matrix products, on the CPU and on a GPU where there is one, by our kernels and by ATen alone:
// against the formulas in float64.
#include "model/operations.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "support/devices.h"

namespace catenary::model {
namespace {

struct Case {
  at::Device device;
  Kernels kernels;
  at::ScalarType dtype;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const at::Device device : test::devices()) {
    for (const Kernels kernels : {Kernels::kOwn, Kernels::kAten}) {
      for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) all.push_back({device, kernels, dtype});
    }
  }
  return all;
}

class OperationsOf : public testing::TestWithParam<Case> {
 protected:
  OperationsOf() { at::manual_seed(3); }

  at::Tensor random(at::IntArrayRef shape) const { return at::randn(shape).to(GetParam().device, GetParam().dtype); }
  at::Tensor floats(at::IntArrayRef shape) const { return at::randn(shape).to(GetParam().device); }
  at::Tensor on_device(const at::Tensor& x) const { return x.to(GetParam().device); }

  static at::Tensor wide(const at::Tensor& x) { return x.cpu().to(at::kDouble); }

  // Within a rounding or two of the dtype.
  void expect_close(const at::Tensor& actual, const at::Tensor& expected) const {
    ASSERT_EQ(actual.scalar_type(), GetParam().dtype);
    ASSERT_EQ(actual.sizes(), expected.sizes());
    const double unit = GetParam().dtype == at::kFloat ? 2e-6 : GetParam().dtype == at::kHalf ? 2e-3 : 1.6e-2;
    EXPECT_TRUE(at::allclose(wide(actual), expected, unit, unit))
        << (wide(actual) - expected).abs().max().item<double>();
  }

  const std::unique_ptr<Operations> operations_ = make_operations(GetParam().device, GetParam().kernels);
};

at::Tensor rms_normed(const at::Tensor& x, const at::Tensor& weight) {
  return x / (x.square().mean(-1, /*keepdim=*/true) + 1e-5).sqrt() * weight;
}

TEST_P(OperationsOf, rms_norm) {
  for (const std::int64_t size : {1, 7, 64, 576, 577, 9000}) {
    for (const std::int64_t rows : {1, 3, 300}) {
      const at::Tensor x = random({rows, size}), weight = floats({size});
      expect_close(operations_->rms_norm(x, weight, 1e-5), rms_normed(wide(x), wide(weight)));
      expect_close(operations_->rms_norm(x, {}, 1e-5), rms_normed(wide(x), at::ones({size}, at::kDouble)));
    }
  }
  const at::Tensor heads = random({20, 96}).narrow(1, 8, 64).unflatten(-1, {4, 16}), weight = floats({16});
  expect_close(operations_->rms_norm(heads, weight, 1e-5), rms_normed(wide(heads), wide(weight)));
}

TEST_P(OperationsOf, rms_norm_after_an_addition) {
  for (const std::int64_t size : {64, 577}) {
    const at::Tensor x = random({30, size}), branch = random({30, size}), weight = floats({size});
    const at::Tensor sum = wide(x) + wide(branch);
    const at::Tensor normed = operations_->add_rms_norm_(x, branch, weight, 1e-5);
    expect_close(x, sum);
    expect_close(normed, rms_normed(wide(x), wide(weight)));
  }
}

TEST_P(OperationsOf, gated) {
  using enum weights::ModelConfig::Activation;
  for (const auto activation : {kSilu, kGelu, kGeluTanh, kRelu}) {
    for (const std::int64_t size : {1, 13, 64, 1000}) {
      const at::Tensor gate_up = random({17, 2 * size}) * 3;
      const auto parts = wide(gate_up).chunk(2, -1);
      expect_close(operations_->gated(gate_up, activation), activate(parts[0], activation) * parts[1]);
    }
  }
}

TEST_P(OperationsOf, rows_are_turned_and_put_into_their_slots) {
  constexpr std::int64_t kRows = 19, kSlots = 40;
  struct Shape {
    std::int64_t num_heads, num_kv_heads, head_dim, pairs;
    bool interleaved;
  };
  for (const Shape& shape : {Shape{4, 2, 64, 32, false}, Shape{3, 1, 80, 16, false}, Shape{4, 4, 10, 4, false},
                             Shape{2, 1, 16, 8, true}, Shape{2, 2, 24, 6, true}, Shape{6, 2, 8, 0, false}}) {
    weights::ModelConfig config;
    config.num_heads = shape.num_heads;
    config.num_kv_heads = shape.num_kv_heads;
    config.head_dim = shape.head_dim;
    config.rope.interleaved = shape.interleaved;
    const at::Tensor qkv = random({kRows, (shape.num_heads + 2 * shape.num_kv_heads) * shape.head_dim});
    const at::Tensor slots = at::randperm(kSlots, at::kLong).narrow(0, 0, kRows);
    Rotation rotation;
    if (shape.pairs > 0) rotation = {floats({kRows, shape.pairs}), floats({kRows, shape.pairs})};
    const auto empty = [&] {
      return on_device(at::full({kSlots, shape.num_kv_heads, shape.head_dim}, 9.0)).to(GetParam().dtype);
    };
    const KeyValues key_values{empty(), empty()};
    const at::Tensor queries = operations_->store(qkv, on_device(slots), rotation, config, key_values);

    const at::Tensor heads = wide(qkv).unflatten(-1, {-1, shape.head_dim});
    at::Tensor turned = heads.clone();
    for (std::int64_t pair = 0; pair < shape.pairs; ++pair) {
      const std::int64_t first = shape.interleaved ? 2 * pair : pair;
      const std::int64_t second = shape.interleaved ? first + 1 : pair + shape.pairs;
      const at::Tensor cos = wide(rotation.cos).narrow(1, pair, 1), sin = wide(rotation.sin).narrow(1, pair, 1);
      const at::Tensor a = heads.select(2, first), b = heads.select(2, second);
      turned.select(2, first).copy_(a * cos - b * sin);
      turned.select(2, second).copy_(b * cos + a * sin);
    }
    expect_close(queries, turned.narrow(1, 0, shape.num_heads).flatten(1));
    at::Tensor keys = at::full({kSlots, shape.num_kv_heads, shape.head_dim}, 9.0, at::kDouble), values = keys.clone();
    keys.index_copy_(0, slots, turned.narrow(1, shape.num_heads, shape.num_kv_heads));
    values.index_copy_(0, slots, heads.narrow(1, shape.num_heads + shape.num_kv_heads, shape.num_kv_heads));
    expect_close(key_values.keys, keys);
    expect_close(key_values.values, values);
  }
}

TEST_P(OperationsOf, parts_are_merged_by_their_log_sum_exp) {
  // Row 1 has one part, row 3 three, among them one of 60 nats less.
  constexpr std::int64_t kHeads = 3;
  for (const std::int64_t dim : {8, 40, 256}) {
    const Attended own{random({5, kHeads, dim}), floats({kHeads, 5}).transpose(0, 1)};
    const Attended above{random({4, kHeads, dim}), floats({4, kHeads})};
    above.log_sum_exp.select(0, 2).sub_(60);
    const QueryParts parts{on_device(at::tensor({3, 1, 3, 3}, at::kLong)), on_device(at::tensor({1, 3}, at::kInt)),
                           on_device(at::tensor({0, 1, 4}, at::kInt)), on_device(at::tensor({1, 0, 2, 3}, at::kInt))};
    at::Tensor expected = wide(own.out).clone();
    for (const auto& [row, of_row] : {std::pair{1, std::vector{1}}, std::pair{3, std::vector{0, 2, 3}}}) {
      at::Tensor weight = wide(own.log_sum_exp)[row].exp(), sum = wide(own.out)[row] * weight.unsqueeze(-1);
      for (const int part : of_row) {
        const at::Tensor more = wide(above.log_sum_exp)[part].exp();
        weight = weight + more;
        sum = sum + wide(above.out)[part] * more.unsqueeze(-1);
      }
      expected[row].copy_(sum / weight.unsqueeze(-1));
    }
    operations_->merge_(own, above, parts);
    expect_close(own.out, expected);
  }
}

TEST_P(OperationsOf, scores_of_a_vocabulary_that_goes_by_in_parts) {
  constexpr std::int64_t kRows = 7, kVocabulary = 5003, kPart = 1024;
  for (const double softcap : {0.0, 5.0}) {
    const at::Tensor logits = random({kRows, kVocabulary}) * 4;
    // Row 2 has no target, row 5 three; the first and last tokens are among them, and row 0's argmax.
    const auto best = static_cast<std::int32_t>(wide(logits)[0].argmax().item<std::int64_t>());
    const std::vector<std::int64_t> rows{0, 1, 3, 4, 5, 5, 5, 6};
    const std::vector<std::int32_t> targets{best, 0, 5002, 1023, 1024, 77, 77, 4096};
    const auto scoring = operations_->score(kRows, rows, targets, softcap);
    for (std::int64_t first = 0; first < kVocabulary; first += kPart) {
      for (const auto& [begin, end] : {std::pair<std::int64_t, std::int64_t>{0, 4}, {4, 7}}) {
        const std::int64_t last = std::min(first + kPart, kVocabulary);
        scoring->add(logits.slice(0, begin, end).slice(1, first, last).contiguous(), begin, first);
      }
    }
    const auto scores = scoring->scores(parallel::single_rank());
    const at::Tensor expected = soft_capped(wide(logits), softcap).log_softmax(-1);
    ASSERT_EQ(scores.size(), rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_NEAR(scores[i].log_probability, expected[rows[i]][targets[i]].item<double>(), 2e-5);
      EXPECT_EQ(scores[i].is_argmax, i == 0);
    }
  }
}

TEST_P(OperationsOf, logits_that_are_not_finite_do_not_pass_for_numbers) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    at::Tensor logits = random({2, 100});
    logits[0][50] = bad;
    const std::vector<std::int64_t> rows{0, 1};
    const std::vector<std::int32_t> targets{3, 3};
    const auto scoring = operations_->score(2, rows, targets, 0);
    scoring->add(logits, 0, 0);
    EXPECT_FALSE(std::isfinite(scoring->scores(parallel::single_rank())[0].log_probability)) << bad;
    EXPECT_TRUE(std::isfinite(scoring->scores(parallel::single_rank())[1].log_probability));
  }
}

INSTANTIATE_TEST_SUITE_P(All, OperationsOf, testing::ValuesIn(cases()), [](const auto& instance) {
  const Case& c = instance.param;
  return test::test_name(c.kernels == Kernels::kOwn ? "own" : "aten", c.device) + "_" + at::toString(c.dtype);
});

}  // namespace
}  // namespace catenary::model
