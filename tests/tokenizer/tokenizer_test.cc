// Against Hugging Face `tokenizers`: tests/reference/tokenizer/make_reference.py says how the expected ids were made.

#include "catenary/tokenizer/tokenizer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/weights/checkpoint.h"
#include "support/temporary_folder.h"

namespace catenary::tokenizer {
namespace {

using Ids = std::vector<TokenId>;
using nlohmann::json;

// CATENARY_TOKENIZER_REFERENCE: another folder that make_reference.py has written, with more texts.
const char* const given = std::getenv("CATENARY_TOKENIZER_REFERENCE");
const std::filesystem::path kReference =
    given != nullptr ? given : std::filesystem::path(CATENARY_SOURCE_DIR) / "tests/reference/tokenizer";

json read_json(const std::filesystem::path& path) {
  return json::parse(std::ifstream(path));
}

Tokenizer open(const std::string& name) {
  return Tokenizer::from_json(kReference / name / "tokenizer.json");
}

std::vector<std::string> texts() {
  return read_json(kReference / "texts.json").get<std::vector<std::string>>();
}

class Reference : public testing::TestWithParam<const char*> {};

TEST_P(Reference, every_text_has_the_same_ids) {
  const auto tokenizer = open(GetParam());
  const auto all_texts = texts();
  const auto expected = read_json(kReference / GetParam() / "ids.json");
  ASSERT_GE(expected["plain"].size(), 100u);
  for (std::size_t i = 0; i < expected["plain"].size(); ++i) {
    EXPECT_EQ(tokenizer.encode(all_texts[i], false), expected["plain"][i].get<Ids>()) << json(all_texts[i]);
  }
  for (std::size_t i = 0; i < expected["with_special_tokens"].size(); ++i) {
    EXPECT_EQ(tokenizer.encode(all_texts[i], true), expected["with_special_tokens"][i].get<Ids>())
        << json(all_texts[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(HuggingFace, Reference,
                         testing::Values("gpt2", "digits", "llama3", "nfc", "added", "words", "holes", "split_removed",
                                         "split_merged", "llama2", "mistral", "gemma", "few_bytes", "falcon", "bloom",
                                         "roberta", "bert", "strips", "t5", "unigram_bytes"),
                         [](const auto& param_info) { return std::string(param_info.param); });

TEST(Tokenizer, models_without_a_tokenizer_json_have_the_ids_of_their_own_library) {
  for (const char* file : {"spm/tokenizer.model", "ranks/cl100k_base.tiktoken"}) {
    const auto path = kReference / file;
    const auto tokenizer = Tokenizer::from_model(path);
    const auto known_texts = read_json(path.parent_path() / "texts.json");
    const auto expected = read_json(path.parent_path() / "ids.json");
    ASSERT_EQ(expected.size(), known_texts.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(tokenizer.encode(known_texts[i].get<std::string>(), true), expected[i].get<Ids>()) << known_texts[i];
    }
  }
}

TEST(Tokenizer, a_sentencepiece_model_heeds_the_config_beside_it) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "tokenizer.model";
  std::filesystem::copy_file(kReference / "spm/tokenizer.model", path);
  folder.write("tokenizer_config.json", R"({"add_bos_token": false, "add_eos_token": true})");
  const auto ids = Tokenizer::from_model(path).encode("robin", true);
  EXPECT_EQ(ids.back(), 2);
  EXPECT_NE(ids.front(), 1);
  folder.write("tokenizer_config.json", R"({"legacy": false})");
  EXPECT_THROW(Tokenizer::from_model(path), DataError);
}

TEST(Tokenizer, ranks_of_an_unknown_name_are_refused) {
  const test::TemporaryFolder folder;
  EXPECT_THROW(Tokenizer::from_model(folder.write("my.tiktoken", "YQ== 0\n")), DataError);
  EXPECT_THROW(Tokenizer::from_model(folder.write("qwen.tiktoken", "YQ== 0\nYg== x\n")), DataError);
  EXPECT_THROW(Tokenizer::from_model(folder.write("qwen.tiktoken", "YQ== 0\nYg== 999999999\n")), DataError);
  EXPECT_EQ(Tokenizer::from_model(folder.write("qwen.tiktoken", "YQ== 0\nYg== 1\n")).encode("ab", true), (Ids{0, 1}));
}

TEST(Tokenizer, decode_inverts_encode) {
  for (const char* name : {"gpt2", "digits", "llama3", "llama2", "gemma"}) {
    const auto tokenizer = open(name);
    for (const auto& text : texts()) EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, false)), text) << name;
  }
}

TEST(Tokenizer, decode_writes_added_tokens_as_they_are) {
  const auto tokenizer = open("nfc");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("caf\u00E9tok", false)), "cafe\u0301tok");
}

TEST(Tokenizer, decode_replaces_half_a_character) {
  const auto tokenizer = open("gpt2");
  auto ids = tokenizer.encode("\U0001F642", false);
  ids.pop_back();
  EXPECT_EQ(tokenizer.decode(ids), "\uFFFD");
}

TEST(Tokenizer, decode_refuses_an_unknown_id) {
  const auto tokenizer = open("gpt2");
  EXPECT_THROW(tokenizer.decode(Ids{-1}), DataError);
  EXPECT_THROW(tokenizer.decode(Ids{static_cast<TokenId>(tokenizer.vocab_size())}), DataError);
}

TEST(Tokenizer, knows_its_size_and_special_tokens) {
  const auto added = open("added");
  EXPECT_EQ(added.vocab_size(), 513);
  EXPECT_EQ(added.decode(Ids{added.bos_id().value(), added.eos_id().value()}), "<|begin|><|end|>");
  EXPECT_FALSE(open("gpt2").bos_id());
}

// The "type" of /model in each tokenizer.json, and what it does with bytes.
TEST(Tokenizer, says_of_what_kind_it_is) {
  for (const auto& [name, kind] :
       {std::pair("gpt2", "byte-level BPE"), std::pair("llama2", "BPE with byte fallback"), std::pair("t5", "Unigram"),
        std::pair("unigram_bytes", "Unigram with byte fallback"), std::pair("bert", "WordPiece")}) {
    EXPECT_EQ(open(name).kind(), kind);
    EXPECT_EQ(open(name).path(), kReference / name / "tokenizer.json");
  }
}

TEST(Tokenizer, invalid_utf8_is_replaced_before_encoding) {
  const auto tokenizer = open("gpt2");
  EXPECT_EQ(tokenizer.encode("a\xFF\xE2\x82z", false), tokenizer.encode("a\uFFFD\uFFFDz", false));
}

TEST(Tokenizer, a_megabyte_without_a_break_is_one_quick_piece) {
  const auto tokenizer = open("gpt2");
  const std::string text(1 << 20, 'a');
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, false)), text);
}

TEST(Tokenizer, threads_share_one_tokenizer) {
  const auto tokenizer = open("llama3");
  const auto all_texts = texts();
  std::vector<std::vector<Ids>> ids(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : ids) {
      threads.emplace_back([&] {
        for (const auto& text : all_texts) mine.push_back(tokenizer.encode(text, false));
      });
    }
  }
  for (const auto& mine : ids) EXPECT_EQ(mine, ids.front());
}

// The ids of a model's prompts and classes, as its reference has them.
void expect_reference_ids(const Tokenizer& tokenizer, const std::string& model) {
  const std::filesystem::path shared = CATENARY_SHARED_DIR;
  if (!std::filesystem::exists(shared / "reference")) GTEST_SKIP() << "no reference ids in " << shared;
  for (const char* task : {"neqa", "memo-trap"}) {
    std::ifstream items(shared / "data" / fmt::format("{}.jsonl", task));
    std::ifstream reference(shared / "reference" / model / fmt::format("{}.tokens.jsonl", task));
    int num_items = 0;
    for (std::string line; std::getline(reference, line); ++num_items) {
      const auto expected = json::parse(line);
      ASSERT_TRUE(std::getline(items, line));
      const auto item = json::parse(line);
      const auto prompt = item["prompt"].get<std::string>();
      const auto prompt_ids = tokenizer.encode(prompt, true);
      EXPECT_EQ(prompt_ids, expected["prompt_ids"].get<Ids>()) << prompt;
      for (std::size_t c = 0; c < item["classes"].size(); ++c) {
        auto ids = tokenizer.encode(prompt + item["classes"][c].get<std::string>(), true);
        ids.erase(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(prompt_ids.size()));
        EXPECT_EQ(ids, expected["class_ids"][c].get<Ids>()) << prompt;
      }
    }
    EXPECT_EQ(num_items, 100);
  }
}

TEST(Tokenizer, smollm2_has_the_ids_of_the_reference) {
  const std::filesystem::path model = CATENARY_TEST_MODEL;
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "no SmolLM2 at " << model;
  const auto tokenizer = Tokenizer::open(weights::Checkpoint::open(model));
  EXPECT_EQ(tokenizer.vocab_size(), 49152);
  expect_reference_ids(tokenizer, "smollm2-135m");
}

TEST(Tokenizer, gemma3_has_the_ids_of_the_reference) {
  const std::filesystem::path model = CATENARY_TEST_GEMMA;
  if (!std::filesystem::exists(model))
    GTEST_SKIP() << "no Gemma 3 at " << model << "; cmake/setup.sh --gemma fetches it";
  const auto tokenizer = Tokenizer::from_gguf(weights::GgufFile(model));
  EXPECT_EQ(tokenizer.vocab_size(), 262144);
  expect_reference_ids(tokenizer, "gemma3-270m");
}

}  // namespace
}  // namespace catenary::tokenizer
