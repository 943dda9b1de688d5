// Damaged tokenizer files: each is loaded and works, or is refused with DataError. CATENARY_FUZZ_CASES says how many of
// each kind are tried (300 where it is not set), CATENARY_FUZZ_SEED with which seed. To be run with
// -DCATENARY_SANITIZE=address (ASAN_OPTIONS=max_allocation_size_mb=64 for the size of allocations) and =undefined.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/tokenizer/tokenizer.h"
#include "catenary/weights/gguf.h"
#include "support/temporary_folder.h"
#include "weights/fixtures.h"

namespace catenary::tokenizer {
namespace {

using nlohmann::json;
using Load = std::function<Tokenizer(const std::filesystem::path&)>;

const std::filesystem::path kReference = std::filesystem::path(CATENARY_SOURCE_DIR) / "tests/reference/tokenizer";

unsigned number_of(const char* variable, unsigned otherwise) {
  const char* value = std::getenv(variable);
  return value == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(value, nullptr, 10));
}

class TokenizerFuzz : public testing::Test {
 protected:
  void TearDown() override { RecordProperty("num_loaded", static_cast<int>(num_loaded_)); }

  std::size_t below(std::size_t end) { return random_() % end; }

  // Overwrites, inserts, or cuts out some bytes.
  std::string damage_bytes(std::string bytes) {
    for (std::size_t i = 1 + below(4); i > 0 && !bytes.empty(); --i) {
      const std::size_t at = below(bytes.size());
      const std::size_t from = below(bytes.size());
      switch (below(5)) {
        case 0:
          bytes[at] = static_cast<char>(random_());
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ 1 << below(8));
          break;
        case 2:
          bytes.insert(at, bytes.substr(from, below(20)));
          break;
        case 3:
          bytes.erase(at, below(20));
          break;
        default:
          bytes.replace(at, std::min<std::size_t>(8, bytes.size() - at), std::string(8, "\0\xFF\x7F"[below(3)]));
      }
    }
    return bytes;
  }

  // Goes down to some value and replaces it by another one of the document, or by one that is odd.
  void damage_value(json& document) {
    static const std::vector<json> kOdd{nullptr,
                                        true,
                                        -1,
                                        0,
                                        1e308,
                                        4294967295u,
                                        "",
                                        " ",
                                        "\u2581",
                                        "a",
                                        "[a",
                                        "(?=",
                                        "^",
                                        json::array(),
                                        json::object(),
                                        json::array({"a", "b"}),
                                        std::string(300, 'a')};
    json* value = &document;
    while (value->is_structured() && !value->empty() && below(6) != 0) {
      auto child = value->begin();
      std::advance(child, static_cast<std::ptrdiff_t>(below(std::min<std::size_t>(value->size(), 40))));
      if (value->is_object() && below(12) == 0) {
        value->erase(child);
        return;
      }
      value = &*child;
    }
    if (value->is_string() && below(2) == 0) {
      *value = value->get<std::string>() + kOdd[5 + below(8)].dump();
    } else {
      *value = kOdd[below(kOdd.size())];
    }
  }

  void try_file(const Load& load, const std::filesystem::path& name, std::string_view bytes) {
    try {
      const auto tokenizer = load(folder_.write(name.string(), bytes));
      tokenizer.decode(tokenizer.encode(
          "The robin\n  isn't<s> 12 a hammer\u3000caf\u00E9 \U0001F642 \U0001FA77\U00031350 \xFF", true));
      ++num_loaded_;
    } catch (const DataError&) {
    }
  }

  void try_damaged_bytes(const Load& load, const std::filesystem::path& name, const std::string& good) {
    for (unsigned i = 0; i < num_cases_; ++i) try_file(load, name, damage_bytes(good));
    EXPECT_GT(num_loaded_, 0u);
  }

  unsigned num_cases_ = number_of("CATENARY_FUZZ_CASES", 300);
  std::mt19937 random_{number_of("CATENARY_FUZZ_SEED", 1)};
  unsigned num_loaded_ = 0;
  test::TemporaryFolder folder_;
};

TEST_F(TokenizerFuzz, tokenizer_json) {
  std::vector<std::string> good;
  for (const auto& entry : std::filesystem::directory_iterator(kReference)) {
    const auto path = entry.path() / "tokenizer.json";
    if (std::filesystem::exists(path)) good.push_back(weights::read_file(path));
  }
  ASSERT_GT(good.size(), 10u);
  for (unsigned i = 0; i < num_cases_; ++i) {
    const std::string& chosen = good[below(good.size())];
    if (below(3) == 0) {
      try_file(Tokenizer::from_json, "tokenizer.json", damage_bytes(chosen));
    } else {
      auto document = json::parse(chosen);
      for (std::size_t n = 1 + below(3); n > 0; --n) damage_value(document);
      try_file(Tokenizer::from_json, "tokenizer.json", document.dump());
    }
  }
  EXPECT_GT(num_loaded_, 0u);
}

TEST_F(TokenizerFuzz, sentencepiece_model) {
  try_damaged_bytes(Tokenizer::from_model, "tokenizer.model", weights::read_file(kReference / "spm/tokenizer.model"));
}

TEST_F(TokenizerFuzz, tiktoken_ranks) {
  try_damaged_bytes(Tokenizer::from_model, "cl100k_base.tiktoken",
                    weights::read_file(kReference / "ranks/cl100k_base.tiktoken"));
}

TEST_F(TokenizerFuzz, gguf_metadata) {
  constexpr std::uint32_t kString = 8, kArray = 9, kInt32 = 5, kFloat32 = 6;
  weights::Bytes tokens, types, scores;
  const auto start = [&](weights::Bytes& list, std::uint32_t type) {
    list.number(kArray).number(type).number<std::uint64_t>(40);
  };
  start(tokens, kString);
  start(types, kInt32);
  start(scores, kFloat32);
  const auto vocab = json::parse(weights::read_file(kReference / "llama2/tokenizer.json"))["model"]["vocab"];
  std::vector<std::string> by_id(vocab.size());
  for (const auto& [token, id] : vocab.items()) by_id[id.get<std::size_t>()] = token;
  for (std::size_t i = 0; i < 40; ++i) {
    tokens.text(by_id[i < 3 ? i : by_id.size() - 40 + i]);
    types.number<std::int32_t>(i == 0 ? 2 : i < 3 ? 3 : 1);
    scores.number(-static_cast<float>(i));
  }
  weights::GgufBuilder builder;
  builder.string("tokenizer.ggml.model", "llama").value("tokenizer.ggml.tokens", tokens);
  builder.value("tokenizer.ggml.token_type", types).value("tokenizer.ggml.scores", scores);
  builder.uint32("tokenizer.ggml.bos_token_id", 1);
  try_damaged_bytes([](const auto& path) { return Tokenizer::from_gguf(weights::GgufFile(path)); }, "model.gguf",
                    builder.build());
}

}  // namespace
}  // namespace catenary::tokenizer
