#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/tokenizer/tokenizer.h"
#include "catenary/weights/gguf.h"
#include "support/temporary_folder.h"
#include "weights/fixtures.h"

namespace catenary::tokenizer {
namespace {

using Ids = std::vector<TokenId>;
using weights::Bytes;

constexpr std::uint32_t kBool = 7, kString = 8, kArray = 9, kInt32 = 5, kFloat32 = 6;  // GGUF's value types

// What tokenizer.ggml.* holds.
struct Metadata {
  std::string model = "gpt2", pre = "gpt-2";
  std::vector<std::string> tokens{"a", "b", "ab", "Ġ", "1", "11", "<s>", "<user>", "[PAD]", "Ã©"};
  std::vector<std::int32_t> types{1, 1, 1, 1, 1, 1, 3, 4, 5, 1};
  std::vector<std::string> merges{"a b", "1 1"};
  std::optional<bool> add_bos, add_space_prefix;
  std::vector<float> scores;
  std::uint32_t bos_id = 6;
};

Tokenizer load(const Metadata& metadata) {
  const auto strings = [](const std::vector<std::string>& values) {
    Bytes bytes;
    bytes.number(kArray).number(kString).number<std::uint64_t>(values.size());
    for (const auto& value : values) bytes.text(value);
    return bytes;
  };
  Bytes types;
  types.number(kArray).number(kInt32).number<std::uint64_t>(metadata.types.size());
  for (const auto type : metadata.types) types.number(type);
  weights::GgufBuilder builder;
  builder.string("tokenizer.ggml.model", metadata.model).string("tokenizer.ggml.pre", metadata.pre);
  builder.value("tokenizer.ggml.tokens", strings(metadata.tokens)).value("tokenizer.ggml.token_type", types);
  builder.value("tokenizer.ggml.merges", strings(metadata.merges));
  if (!metadata.scores.empty()) {
    Bytes scores;
    scores.number(kArray).number(kFloat32).number<std::uint64_t>(metadata.scores.size());
    for (const auto score : metadata.scores) scores.number(score);
    builder.value("tokenizer.ggml.scores", scores);
  }
  builder.uint32("tokenizer.ggml.bos_token_id", metadata.bos_id);
  if (metadata.add_bos) {
    builder.value("tokenizer.ggml.add_bos_token", Bytes().number(kBool).number<std::uint8_t>(*metadata.add_bos));
  }
  if (metadata.add_space_prefix) {
    builder.value("tokenizer.ggml.add_space_prefix",
                  Bytes().number(kBool).number<std::uint8_t>(*metadata.add_space_prefix));
  }
  const test::TemporaryFolder folder;
  return Tokenizer::from_gguf(weights::GgufFile(folder.write("model.gguf", builder.build())));
}

TEST(TokenizerGguf, added_tokens_are_found_in_the_text_and_unused_ones_are_not) {
  const auto tokenizer = load({});
  EXPECT_EQ(tokenizer.encode("ab<s>a<user>b [PAD]", true), (Ids{2, 6, 0, 7, 1, 3}));
  EXPECT_EQ(tokenizer.vocab_size(), 10);
  EXPECT_EQ(tokenizer.bos_id(), 6);
  EXPECT_FALSE(tokenizer.eos_id());
  EXPECT_EQ(tokenizer.decode(Ids{8, 6, 7, 3, 2}), "[PAD]<s><user> ab");
}

TEST(TokenizerGguf, a_bos_is_added_where_the_file_or_the_family_says_so) {
  EXPECT_EQ(load({}).encode("a", true), (Ids{0}));
  EXPECT_EQ(load({.add_bos = true}).encode("a", true), (Ids{6, 0}));
  EXPECT_EQ(load({.add_bos = true}).encode("a", false), (Ids{0}));
  EXPECT_EQ(load({.pre = "llama-bpe"}).encode("a", true), (Ids{6, 0}));
  EXPECT_EQ(load({.pre = "llama-bpe", .add_bos = false}).encode("a", true), (Ids{0}));
}

TEST(TokenizerGguf, the_pre_tokenizer_is_the_named_one) {
  EXPECT_EQ(load({.pre = "gpt-2"}).encode("11", false), (Ids{5}));
  EXPECT_EQ(load({.pre = "llama-bpe"}).encode("1111", false), (Ids{5, 4, 4}));  // 111 and 1
  EXPECT_EQ(load({.pre = "smollm"}).encode("11", false), (Ids{4, 4}));
  EXPECT_EQ(load({.pre = "qwen2"}).encode("11", false), (Ids{4, 4}));
}

TEST(TokenizerGguf, qwen2_composes_and_llama_takes_whole_tokens) {
  const Metadata with_e{.merges = {}};
  auto qwen2 = with_e, llama = with_e;
  qwen2.pre = "qwen2";
  llama.pre = "llama-bpe";
  EXPECT_EQ(load(llama).encode("ab\u00E9", false), (Ids{0, 1}));
  EXPECT_EQ(load(llama).encode("\u00E9", false), (Ids{9}));
  EXPECT_EQ(load(with_e).encode("\u00E9", false), (Ids{}));
  auto with_bytes = qwen2;
  with_bytes.tokens.insert(with_bytes.tokens.end(), {"Ã", "©"});
  with_bytes.types.insert(with_bytes.types.end(), {1, 1});
  EXPECT_EQ(load(with_bytes).encode("e\u0301", false), (Ids{10, 11}));
}

// The same vocabulary as a tokenizer.json of Hugging Face and as SentencePiece's scores in GGUF. Its "▁▁" and "\n" are
// written as Gemma's file writes them.
TEST(TokenizerGguf, sentencepiece_has_the_ids_of_hugging_face) {
  const auto folder = std::filesystem::path(CATENARY_SOURCE_DIR) / "tests/reference/tokenizer";
  const auto read = [&](const std::string& name) { return nlohmann::json::parse(std::ifstream(folder / name)); };
  const auto texts = read("texts.json");
  for (const std::string name : {"llama2", "gemma"}) {
    const auto vocab = read(name + "/tokenizer.json")["model"]["vocab"];
    Metadata metadata{.model = "llama", .pre = "default", .bos_id = 1};
    metadata.add_space_prefix = name == "llama2";
    metadata.tokens.assign(vocab.size(), "");
    metadata.types.assign(vocab.size(), 1);
    metadata.scores.assign(vocab.size(), -1000);
    for (const auto& [token, value] : vocab.items()) {
      const auto id = value.get<std::size_t>();
      const bool is_space = token.size() > 3 && token.find_first_not_of("\u2581") == std::string::npos;
      const bool is_user_defined = name == "gemma" && (token.front() == '\n' || (is_space && id < 300));
      metadata.tokens[id] = is_user_defined && is_space ? std::string(token.size() / 3, ' ') : token;
      metadata.types[id] = id == 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : is_user_defined ? 4 : 1;
      if (metadata.types[id] == 1) metadata.scores[id] = -static_cast<float>(id);
    }
    const auto tokenizer = load(metadata);
    const auto expected = read(name + "/ids.json");
    for (std::size_t i = 0; i < expected["plain"].size(); ++i) {
      EXPECT_EQ(tokenizer.encode(texts[i].get<std::string>(), false), expected["plain"][i].get<Ids>()) << texts[i];
    }
    for (std::size_t i = 0; i < expected["with_special_tokens"].size(); ++i) {
      EXPECT_EQ(tokenizer.encode(texts[i].get<std::string>(), true), expected["with_special_tokens"][i].get<Ids>());
    }
  }
}

TEST(TokenizerGguf, what_is_not_known_is_refused_by_name) {
  struct Case {
    Metadata metadata;
    std::string key, what;
  };
  const Case cases[] = {
      {{.model = "t5"}, "tokenizer.ggml.model", "\"t5\""},
      {{.pre = "default"}, "tokenizer.ggml.pre", "\"default\""},
      {{.pre = "gemma4"}, "tokenizer.ggml.pre", "\"gemma4\""},
      {{.types = {1, 1}}, "tokenizer.ggml.token_type", "expected 10"},
      {{.types = {1, 1, 1, 1, 1, 1, 3, 4, 6, 1}}, "tokenizer.ggml.token_type", "type 6"},
      {{.tokens = {"a", "b", "ab", "a", "1", "11", "<s>", "<user>", "[PAD]", "x"}}, "tokenizer.ggml.tokens", "\"a\""},
      {{.tokens = {"a", "b", "ab", "Ġ", "1", "11", "<s>", "<s>", "[PAD]", "x"}}, "tokenizer.ggml.tokens", "twice"},
      {{.merges = {"ab"}}, "tokenizer.ggml.merges", "two tokens"},
      {{.merges = {"b b"}}, "tokenizer.ggml.merges", "\"bb\""},
      {{.model = "llama"}, "tokenizer.ggml.scores", "expected 10"},
      {{.model = "llama", .scores = std::vector<float>(10, NAN)}, "tokenizer.ggml.scores", "finite"},
      {{.tokens = {"a", "b", "ab", "\xFF", "1", "11", "<s>", "<user>", "[PAD]", "x"}},
       "tokenizer.ggml.tokens",
       "UTF-8"},
      {{.bos_id = 99}, "", "id 99"},
      {{.bos_id = 0xFFFFFFFF}, "tokenizer.ggml.bos_token_id", "4294967295"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(test::message_of<DataError>([&] { load(c.metadata); }),
                testing::AllOf(testing::HasSubstr("model.gguf: " + c.key), testing::HasSubstr(c.what)));
  }
}

}  // namespace
}  // namespace catenary::tokenizer
