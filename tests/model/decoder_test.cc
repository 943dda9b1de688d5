#include "catenary/model/decoder.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>

#include "catenary/base/error.h"
#include "catenary/model/device.h"
#include "support/temporary_folder.h"

namespace catenary::model {
namespace {

using testing::HasSubstr;

const std::filesystem::path kModels = std::filesystem::path(CATENARY_SOURCE_DIR) / "jobs/demo/models";

// One of the demo ladder; with grouped-query attention where the ladder has it.
std::filesystem::path some_model() {
  std::vector<std::filesystem::path> folders;
  for (const auto& entry : std::filesystem::directory_iterator(kModels)) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  for (const auto& folder : folders) {
    const auto config = weights::Checkpoint::open(folder).config();
    if (config.num_kv_heads < config.num_heads) return folder;
  }
  return folders.front();
}

Decoder make_decoder(spec::DType dtype = spec::DType::kFloat32) {
  return Decoder(weights::Checkpoint::open(some_model()), dtype, at::Device(at::kCPU));
}

// Sequences that share nothing.
PrefixTree side_by_side(const std::vector<std::vector<std::int32_t>>& sequences) {
  PrefixTree tree;
  for (const auto& sequence : sequences) tree.add(sequence, /*shares=*/false);
  return tree;
}

at::Tensor all_hidden_states(const Decoder& decoder, const PrefixTree& tree) {
  std::vector<std::int64_t> rows(tree.tokens().size());
  std::iota(rows.begin(), rows.end(), 0);
  return decoder.hidden_states(tree, rows);
}

at::Tensor all_hidden_states(const Decoder& decoder, const std::vector<std::vector<std::int32_t>>& sequences) {
  return all_hidden_states(decoder, side_by_side(sequences));
}

TEST(Decoder, sequences_side_by_side_do_not_see_each_other) {
  const Decoder decoder = make_decoder();
  const std::vector<std::vector<std::int32_t>> sequences{{1, 2, 3, 4, 5}, {7}, {9, 8, 7, 6}};
  const at::Tensor together = all_hidden_states(decoder, sequences);
  ASSERT_EQ(together.sizes(), at::IntArrayRef({10, decoder.config().hidden_size}));
  std::int64_t begin = 0;
  for (const auto& sequence : sequences) {
    const auto end = begin + std::ssize(sequence);
    EXPECT_TRUE(at::allclose(together.slice(0, begin, end), all_hidden_states(decoder, {sequence}), 1e-5, 1e-5));
    begin = end;
  }
}

TEST(Decoder, only_the_rows_that_are_asked_for_come_back) {
  const Decoder decoder = make_decoder();
  const PrefixTree tree = side_by_side({{1, 2, 3, 4, 5}, {7}, {9, 8, 7, 6}});
  const at::Tensor some = decoder.hidden_states(tree, std::vector<std::int64_t>{4, 5, 8});
  const at::Tensor expected = all_hidden_states(decoder, tree).index_select(0, at::tensor({4, 5, 8}, at::kLong));
  EXPECT_TRUE(at::allclose(some, expected, 1e-5, 1e-5));
}

TEST(Decoder, more_tokens_than_go_through_a_layer_at_a_time_see_the_branches_before) {
  const Decoder decoder = make_decoder();
  const std::vector<std::int32_t> header{3, 1, 4, 1, 5, 9, 2, 6};
  const auto vocab_size = static_cast<std::int32_t>(decoder.config().vocab_size);
  PrefixTree tree;
  std::vector<std::vector<std::int32_t>> sequences;
  std::vector<std::int64_t> last_rows;
  for (std::int32_t i = 0; i < 300; ++i) {
    sequences.push_back(header);
    for (std::int32_t j = 0; j < 9; ++j) sequences.back().push_back((i * 7 + j * j + 1) % vocab_size);
    last_rows.push_back(tree.add(sequences.back()).back());
  }
  ASSERT_GT(tree.num_tokens(), 2048);
  const at::Tensor together = decoder.hidden_states(tree, last_rows);
  for (const std::size_t i : {0u, 113u, 114u, 299u}) {
    const at::Tensor alone = all_hidden_states(decoder, {sequences[i]}).slice(0, -1);
    EXPECT_TRUE(at::allclose(together.slice(0, static_cast<std::int64_t>(i), static_cast<std::int64_t>(i) + 1), alone,
                             1e-5, 1e-5));
  }
}

TEST(Decoder, a_token_does_not_see_what_follows) {
  const Decoder decoder = make_decoder();
  const at::Tensor longer = all_hidden_states(decoder, {{1, 2, 3, 4, 5, 6}});
  const at::Tensor shorter = all_hidden_states(decoder, {{1, 2, 3}});
  EXPECT_TRUE(at::allclose(longer.slice(0, 0, 3), shorter, 1e-5, 1e-5));
}

TEST(Decoder, scores_of_all_tokens_are_a_distribution) {
  const Decoder decoder = make_decoder();
  const at::Tensor hidden = all_hidden_states(decoder, {{3, 1, 4}});
  const auto vocab_size = decoder.config().vocab_size;
  std::vector<std::int64_t> rows(static_cast<std::size_t>(vocab_size), 2);
  std::vector<std::int32_t> targets(rows.size());
  for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = static_cast<std::int32_t>(i);
  const auto scores = decoder.score_next_tokens(hidden, rows, targets);
  double sum = 0;
  float best = -1e30F;
  int num_argmax = 0;
  for (const TokenScore& score : scores) {
    sum += std::exp(static_cast<double>(score.log_probability));
    best = std::max(best, score.log_probability);
    num_argmax += score.is_argmax ? 1 : 0;
  }
  EXPECT_NEAR(sum, 1.0, 1e-5);
  EXPECT_EQ(num_argmax, 1);
  for (const TokenScore& score : scores) EXPECT_EQ(score.is_argmax, score.log_probability == best);
}

TEST(Decoder, bfloat16_is_close_to_float32) {
  const Decoder wide = make_decoder(spec::DType::kFloat32), narrow = make_decoder(spec::DType::kBFloat16);
  const std::vector<std::int64_t> rows{0, 1, 2, 3};
  const std::vector<std::int32_t> targets{2, 3, 4, 5};
  const PrefixTree tree = side_by_side({{1, 2, 3, 4}});
  const auto expected = wide.score_next_tokens(all_hidden_states(wide, tree), rows, targets);
  const auto actual = narrow.score_next_tokens(all_hidden_states(narrow, tree), rows, targets);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_NEAR(actual[i].log_probability, expected[i].log_probability, 0.2);
  }
}

TEST(Decoder, same_input_same_bits) {
  const Decoder decoder = make_decoder();
  const PrefixTree tree = side_by_side({{1, 2, 3, 4, 5}, {5, 4, 3}});
  EXPECT_TRUE(at::equal(all_hidden_states(decoder, tree), all_hidden_states(decoder, tree)));
}

TEST(Decoder, tokens_and_lengths_out_of_range_are_named) {
  const Decoder decoder = make_decoder();
  const auto vocab_size = static_cast<std::int32_t>(decoder.config().vocab_size);
  for (const std::int32_t token : {-1, vocab_size}) {
    EXPECT_THAT(test::message_of<DataError>([&] {
                  all_hidden_states(decoder, {{1, token}});
                }),
                HasSubstr("token id " + std::to_string(token) + " is not in the model's vocabulary"));
  }
  const auto hidden = all_hidden_states(decoder, {{1, 2}});
  EXPECT_THAT(test::message_of<DataError>([&] {
                decoder.score_next_tokens(hidden, std::vector<std::int64_t>{0}, std::vector<std::int32_t>{vocab_size});
              }),
              HasSubstr("is not in the model's vocabulary"));
  const auto too_long = static_cast<std::size_t>(decoder.config().max_position_embeddings + 1);
  EXPECT_THAT(
      test::message_of<DataError>([&] { all_hidden_states(decoder, {std::vector<std::int32_t>(too_long, 1)}); }),
      HasSubstr("and the model's context is"));
}

TEST(Device, words_are_checked_and_a_missing_gpu_is_named) {
  EXPECT_TRUE(choose_device("cpu", 0).is_cpu());
  EXPECT_THAT(device_kind(choose_device("cpu", 3)), testing::StartsWith("cpu "));
  EXPECT_THAT(test::message_of<SpecError>([] { choose_device("tpu", 0); }), HasSubstr("expected cpu, cuda or auto"));
  if (choose_device("auto", 0).is_cuda()) GTEST_SKIP() << "a GPU is here";
  EXPECT_THAT(test::message_of<SpecError>([] { choose_device("cuda", 0); }), HasSubstr("use --device cpu"));
}

TEST(Device, the_tests_named_cuda_run_where_a_gpu_is) {
  if (choose_device("auto", 0).is_cpu()) GTEST_SKIP() << "no GPU";
}

}  // namespace
}  // namespace catenary::model
