#include "catenary/engine/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catenary/base/error.h"
#include "support/temporary_folder.h"

namespace catenary::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Words of one character, "ab" merged, a BOS that is not added by itself.
constexpr const char* kTokenizer = R"({
  "added_tokens": [{"id": 0, "content": "<s>", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}],
  "normalizer": null,
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
  "post_processor": null,
  "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
  "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": {"<s>": 0, "a": 1, "b": 2, "c": 3, "Ġ": 4, "ab": 5, "Ġa": 6, "Ġb": 7}, "merges": ["a b", "Ġ a", "Ġ b"]}})";

tokenizer::Tokenizer make_tokenizer(const test::TemporaryFolder& folder, bool with_bos) {
  if (with_bos) folder.write("tokenizer_config.json", R"({"bos_token": "<s>"})");
  return tokenizer::Tokenizer::from_json(folder.write("tokenizer.json", kTokenizer));
}

TEST(EncodeRequest, context_and_continuation_are_one_string_split_at_the_context_s_length) {
  const test::TemporaryFolder folder;
  const auto tokenizer = make_tokenizer(folder, false);
  const Request request = encode_request(tokenizer, "c", {" a", " b c", "ab"});
  EXPECT_THAT(request[0].tokens, ElementsAre(3, 6));
  EXPECT_EQ(request[0].continuation_begin, 1u);
  EXPECT_THAT(request[1].tokens, ElementsAre(3, 7, 4, 3));
  EXPECT_THAT(request[2].tokens, ElementsAre(3, 5));
}

TEST(EncodeRequest, a_space_at_the_end_of_the_context_belongs_to_the_continuation) {
  const test::TemporaryFolder folder;
  const auto tokenizer = make_tokenizer(folder, false);
  const Request request = encode_request(tokenizer, "c ", {"a"});
  EXPECT_THAT(request[0].tokens, ElementsAre(3, 6));
  EXPECT_EQ(request[0].continuation_begin, 1u);
}

TEST(EncodeRequest, an_empty_context_starts_from_bos_or_is_refused) {
  const test::TemporaryFolder with_bos, without;
  const Request request = encode_request(make_tokenizer(with_bos, true), "", {"a"});
  EXPECT_THAT(request[0].tokens, ElementsAre(0, 1));
  EXPECT_EQ(request[0].continuation_begin, 1u);
  EXPECT_THAT(test::message_of<DataError>([&] { encode_request(make_tokenizer(without, false), "", {"a"}); }),
              HasSubstr("no BOS or EOS token to start from"));
}

TEST(EncodeRequest, a_continuation_without_a_token_of_its_own_throws) {
  const test::TemporaryFolder folder;
  const auto tokenizer = make_tokenizer(folder, false);
  // "a" + "b" is the single token "ab", all of which the split gives to the context.
  EXPECT_THAT(test::message_of<DataError>([&] { encode_request(tokenizer, "a", {"b"}); }),
              HasSubstr("\"b\" adds no token"));
}

EncodedContinuation continuation(std::vector<std::int32_t> tokens, std::size_t begin) {
  return {std::move(tokens), begin};
}

TEST(MakeBatches, last_tokens_are_not_fed_and_equal_sequences_of_an_item_are_fed_once) {
  const std::vector<Request> requests{
      {continuation({1, 2, 3}, 2), continuation({1, 2, 4}, 2), continuation({1, 2, 5, 6}, 2)}};
  const auto batches = make_batches(requests, 100);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_THAT(batches[0].sequences.tokens, ElementsAre(1, 2, 1, 2, 5));
  EXPECT_THAT(batches[0].sequences.ends, ElementsAre(2, 5));
  ASSERT_EQ(batches[0].targets.size(), 4u);
  const std::vector<std::int64_t> rows{1, 1, 3, 4};
  const std::vector<std::int32_t> tokens{3, 4, 5, 6};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(batches[0].targets[i].row, rows[i]);
    EXPECT_EQ(batches[0].targets[i].token, tokens[i]);
    EXPECT_EQ(batches[0].targets[i].class_index, std::min<std::size_t>(i, 2));
  }
}

TEST(MakeBatches, a_batch_ends_where_the_next_item_would_overfill_it) {
  std::vector<Request> requests;
  for (int length : {3, 3, 9, 2})
    requests.push_back({continuation(std::vector<std::int32_t>(static_cast<std::size_t>(length), 1), 1)});
  const auto batches = make_batches(requests, 4);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].sequences.num_tokens(), 4);
  EXPECT_EQ(batches[1].sequences.num_tokens(), 8);  // alone, though longer than a batch
  EXPECT_EQ(batches[2].sequences.num_tokens(), 1);
  EXPECT_TRUE(make_batches({}, 4).empty());
}

TEST(MakeBatches, an_item_that_is_too_long_is_cut_between_classes_and_nothing_is_lost) {
  Request request;
  for (int c = 0; c < 1000; ++c) request.push_back(continuation({1, 2, c % 500, c}, 2));
  const std::vector<Request> requests{request};
  const auto batches = make_batches(requests, 30);
  std::size_t num_targets = 0;
  for (const Batch& batch : batches) {
    EXPECT_LE(batch.sequences.num_tokens(), 30);
    for (const Batch::Target& target : batch.targets) {
      const auto fed = static_cast<std::size_t>(target.row);
      ASSERT_LT(fed, batch.sequences.tokens.size());
      const auto& whole = request[target.class_index].tokens;
      const std::size_t position = target.token == whole.back() && batch.sequences.tokens[fed] == whole[2] ? 3 : 2;
      EXPECT_EQ(batch.sequences.tokens[fed], whole[position - 1]);
    }
    num_targets += batch.targets.size();
  }
  EXPECT_EQ(num_targets, 2000u);
}

}  // namespace
}  // namespace catenary::engine
