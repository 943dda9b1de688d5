#include "catenary/tokenizer/end_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catenary/base/error.h"
#include "support/temporary_folder.h"

namespace catenary::tokenizer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path kSource = CATENARY_SOURCE_DIR;

std::vector<TokenId> ends_with(const test::TemporaryFolder& folder) {
  return end_tokens(weights::Checkpoint::open(folder.path()),
                    Tokenizer::from_json(kSource / "jobs/demo/models/demo-13k/tokenizer.json"));
}

TEST(EndTokens, are_those_of_generation_config_json) {
  const test::TemporaryFolder folder;
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::filesystem::copy(kSource / "tests/reference/model/llama" / name, folder.path() / name);
  }
  EXPECT_THAT(ends_with(folder), ElementsAre());
  folder.write("generation_config.json", R"({"eos_token_id": 7})");
  EXPECT_THAT(ends_with(folder), ElementsAre(7));
  folder.write("generation_config.json", R"({"eos_token_id": [9, 7, 1000000]})");  // one that the tokenizer lacks
  EXPECT_THAT(ends_with(folder), ElementsAre(7, 9));
  folder.write("generation_config.json", R"({"eos_token_id": null})");
  EXPECT_THAT(ends_with(folder), ElementsAre());
  folder.write("generation_config.json", R"({"eos_token_id": "</s>"})");
  EXPECT_THAT(test::message_of<DataError>([&] { ends_with(folder); }),
              HasSubstr("generation_config.json: /eos_token_id: expected token ids, found \"</s>\""));
  folder.write("generation_config.json", "[]");
  EXPECT_THAT(test::message_of<DataError>([&] { ends_with(folder); }), HasSubstr("expected a JSON object"));
}

TEST(EndTokensReference, smollm2_ends_with_its_turn) {
  if (!std::filesystem::exists(CATENARY_TEST_MODEL)) GTEST_SKIP() << CATENARY_TEST_MODEL << " is not there";
  const auto checkpoint = weights::Checkpoint::open(CATENARY_TEST_MODEL);
  const auto tokenizer = Tokenizer::open(checkpoint);
  const auto ends = end_tokens(checkpoint, tokenizer);
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(tokenizer.decode(ends), "<|im_end|>");
}

}  // namespace
}  // namespace catenary::tokenizer
