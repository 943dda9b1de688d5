#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "catenary/base/error.h"
#include "catenary/tokenizer/tokenizer.h"
#include "support/temporary_folder.h"

namespace catenary::tokenizer {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class TokenizerJson : public testing::Test {
 protected:
  Tokenizer load(std::string_view text) const { return Tokenizer::from_json(folder_.write("tokenizer.json", text)); }
  Tokenizer load(const std::function<void(json&)>& edit) const {
    json description = small();
    edit(description);
    return load(description.dump());
  }
  std::string error_of(const std::function<void(json&)>& edit) const {
    return test::message_of<DataError>([&] { load(edit); });
  }

  static json small() {
    return json::parse(R"({
      "version": "1.0", "truncation": {"max_length": 1}, "padding": null,
      "added_tokens": [{"id": 4, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                        "normalized": false, "special": true}],
      "normalizer": null,
      "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
      "post_processor": {"type": "TemplateProcessing",
                         "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                         "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}}},
      "decoder": {"type": "ByteLevel"},
      "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3}, "merges": [["a", "b"]]}})");
  }

  // Nothing but a model.
  static json with_model(std::string_view model) { return {{"model", json::parse(model)}}; }

  test::TemporaryFolder folder_;
};

TEST_F(TokenizerJson, truncation_and_padding_are_ignored) {
  const auto tokenizer = load([](json&) {});
  EXPECT_EQ(tokenizer.encode("ab <s>b", true), (std::vector<TokenId>{4, 2, 3, 4, 1}));
  EXPECT_EQ(tokenizer.vocab_size(), 5);
}

TEST_F(TokenizerJson, a_normalizer_that_blows_up_a_text_is_stopped) {
  for (const json& pattern : {json{{"String", "a"}}, json{{"Regex", "a"}}}) {
    const auto tokenizer = load([&](json& d) {
      const json twice = {{"type", "Replace"}, {"pattern", pattern}, {"content", "aa"}};
      d["normalizer"] = {{"type", "Sequence"}, {"normalizers", std::vector<json>(40, twice)}};
    });
    EXPECT_EQ(tokenizer.encode("b", false), std::vector<TokenId>{1});
    EXPECT_THAT(test::message_of<DataError>([&] { tokenizer.encode("a", false); }), HasSubstr("normalizer"));
  }
}

TEST_F(TokenizerJson, the_fingerprint_is_of_the_content_not_of_the_formatting) {
  const auto original = load([](json&) {}).fingerprint();
  EXPECT_EQ(load(small().dump(4)).fingerprint(), original);
  EXPECT_EQ(load([](json& d) { d["model"]["merges"] = {"a b"}; }).fingerprint(), original);
  EXPECT_EQ(load([](json& d) { d["padding"] = json::object(); }).fingerprint(), original);

  const std::function<void(json&)> changes[] = {
      [](json& d) {
        d["normalizer"] = {{"type", "NFC"}};
      },
      [](json& d) { d["pre_tokenizer"]["add_prefix_space"] = true; },
      [](json& d) { d["pre_tokenizer"]["use_regex"] = false; },
      [](json& d) { d["model"]["ignore_merges"] = true; },
      [](json& d) { d["model"]["merges"] = json::array(); },
      [](json& d) { d["model"]["unk_token"] = "a"; },
      [](json& d) { d["added_tokens"][0]["lstrip"] = true; },
      [](json& d) { d["added_tokens"][0]["content"] = "<t>"; },
      [](json& d) { d["post_processor"] = nullptr; },
      [](json& d) { std::swap(d["model"]["vocab"]["a"], d["model"]["vocab"]["b"]); },
  };
  for (const auto& change : changes) EXPECT_NE(load(change).fingerprint(), original);
}

TEST_F(TokenizerJson, special_tokens_come_from_the_config_beside_it) {
  folder_.write("tokenizer_config.json", R"({"bos_token": {"content": "<s>"}, "eos_token": "ab"})");
  const auto tokenizer = load([](json&) {});
  EXPECT_EQ(tokenizer.bos_id(), 4);
  EXPECT_EQ(tokenizer.eos_id(), 2);
  folder_.write("tokenizer_config.json", R"({"bos_token": "<none>"})");
  EXPECT_THAT(error_of([](json&) {}), AllOf(HasSubstr("tokenizer_config.json: /bos_token"), HasSubstr("\"<none>\"")));
}

TEST_F(TokenizerJson, what_is_not_supported_is_refused_by_name) {
  struct Case {
    std::function<void(json&)> edit;
    std::string pointer, what;
  };
  const json split = {{"type", "Split"}, {"pattern", {{"Regex", "a"}}}, {"behavior", "Isolated"}, {"invert", false}};
  const json metaspace = {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "first"}};
  const auto sequence = [](json first) {
    return json{{"type", "Sequence"}, {"pretokenizers", {std::move(first), small()["pre_tokenizer"]}}};
  };
  const auto with = [](json value, std::string_view key, json changed) {
    value[std::string(key)] = std::move(changed);
    return value;
  };
  const Case cases[] = {
      {[](json& d) { d = json::array(); }, "", "expected a JSON object"},
      {[](json& d) { d.erase("model"); }, "/", "\"model\""},
      {[](json& d) {
         d["normalizer"] = {{"type", "Nmt"}};
       },
       "/normalizer", "\"Nmt\""},
      {[](json& d) { d["normalizer"] = 3; }, "/normalizer", "expected an object"},
      {[](json& d) {
         d["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", ""}}}, {"content", "x"}};
       },
       "/normalizer/pattern", "empty"},
      {[](json& d) {
         d["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", "[a"}}}, {"content", "x"}};
       },
       "/normalizer/pattern", "[a"},
      {[&](json& d) { d["pre_tokenizer"] = with(metaspace, "replacement", "ab"); }, "/pre_tokenizer/replacement",
       "one character"},
      {[&](json& d) { d["pre_tokenizer"] = with(metaspace, "prepend_scheme", "last"); },
       "/pre_tokenizer/prepend_scheme", "\"never\""},
      {[&](json& d) { d["pre_tokenizer"] = with(metaspace, "add_prefix_space", false); },
       "/pre_tokenizer/add_prefix_space", "contradicts"},
      {[&](json& d) {
         d["pre_tokenizer"] = metaspace;
         d["normalizer"] = {{"type", "Prepend"}, {"prepend", "x"}};
       },
       "/pre_tokenizer/prepend_scheme", "\"first\""},
      {[&](json& d) {
         d["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {small()["pre_tokenizer"], metaspace}}};
       },
       "/pre_tokenizer/pretokenizers/1", "after ByteLevel"},
      {[](json& d) { d["pre_tokenizer"].erase("add_prefix_space"); }, "/pre_tokenizer", "\"add_prefix_space\""},
      {[&](json& d) { d["pre_tokenizer"] = sequence(small()["pre_tokenizer"]); }, "/pre_tokenizer/pretokenizers/1",
       "after ByteLevel"},
      {[&](json& d) { d["pre_tokenizer"] = sequence(with(split, "behavior", "Odd")); },
       "/pre_tokenizer/pretokenizers/0/behavior", "\"Odd\""},
      {[&](json& d) {
         d["pre_tokenizer"] = sequence(with(split, "pattern", {{"Regex", R"(\w+)"}}));
       },
       "/pre_tokenizer/pretokenizers/0/pattern", R"(\w)"},
      {[&](json& d) { d["pre_tokenizer"] = sequence(with(split, "pattern", json::object())); },
       "/pre_tokenizer/pretokenizers/0/pattern", "\"String\""},
      {[&](json& d) {
         for (int i = 0; i < 50; ++i)
           d["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {d["pre_tokenizer"]}}};
       },
       "", "nested deeper than 64 levels"},
      {[](json& d) { d["post_processor"]["type"] = "Odd"; }, "/post_processor", "\"Odd\""},
      {[](json& d) {
         d["post_processor"] = {{"type", "BertProcessing"}, {"cls", {"<s>", 4}}, {"sep", {"<s>"}}};
       },
       "/post_processor/sep", "its id"},
      {[](json& d) { d["post_processor"]["single"].erase(1); }, "/post_processor/single", "\"A\""},
      {[](json& d) { d["post_processor"]["single"][1]["Sequence"]["id"] = "B"; }, "/post_processor/single/1", "\"A\""},
      {[](json& d) { d["post_processor"]["single"].push_back(d["post_processor"]["single"][1]); },
       "/post_processor/single/2", "once"},
      {[](json& d) { d["post_processor"]["special_tokens"] = json::object(); }, "/post_processor/special_tokens",
       "\"<s>\""},
      {[](json& d) { d["post_processor"]["special_tokens"]["<s>"]["ids"] = {17}; }, "", "id 17"},
      {[](json& d) {
         d["post_processor"] = {{"type", "Sequence"}, {"processors", {d["post_processor"], d["post_processor"]}}};
       },
       "/post_processor/processors/1", "second"},
      {[](json& d) { d["model"]["type"] = "WordLevel"; }, "/model", "\"WordLevel\""},
      {[](json& d) { d["model"]["type"] = "Unigram"; }, "/model", "ByteLevel"},
      {[](json& d) { d = with_model(R"({"type": "Unigram", "vocab": [["a", -1]], "unk_id": 3})"); }, "/model/unk_id",
       "vocabulary"},
      {[](json& d) { d = with_model(R"({"type": "Unigram", "vocab": [["a", "b"]]})"); }, "/model/vocab/0", "score"},
      {[](json& d) { d = with_model(R"({"type": "Unigram", "vocab": [["a", -1]], "alpha": 0.1})"); }, "/model/alpha",
       "null"},
      {[](json& d) {
         d = with_model(R"({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                            "max_input_chars_per_word": 100, "vocab": {"a": 0}})");
       },
       "/model/vocab", "\"[UNK]\""},
      {[](json& d) { d["model"]["dropout"] = 0.1; }, "/model/dropout", "null"},
      {[](json& d) { d["model"]["end_of_word_suffix"] = "</w>"; }, "/model/end_of_word_suffix", "not supported"},
      {[](json& d) { d["model"]["continuing_subword_prefix"] = "##"; }, "/model/continuing_subword_prefix",
       "not supported"},
      {[](json& d) { d["model"]["unk_token"] = "<unk>"; }, "/model/vocab", "\"<unk>\""},
      {[](json& d) {
         d["model"]["vocab"] = {"a", "b"};
       },
       "/model/vocab", "object"},
      {[](json& d) { d["model"]["vocab"]["a"] = -1; }, "/model/vocab/a", "-1"},
      {[](json& d) { d["model"]["vocab"]["a"] = 1.5; }, "/model/vocab/a", "1.5"},
      {[](json& d) { d["model"]["vocab"]["a"] = 4294967296; }, "/model/vocab/a", "4294967296"},
      {[](json& d) { d["model"]["vocab"]["a"] = 2000000000; }, "/model/vocab", "far beyond"},
      {[](json& d) { d["model"]["vocab"]["a"] = 1; }, "/model/vocab", "has id 1, and so has"},
      {[](json& d) { d["model"]["merges"] = {"a b c"}; }, "/model/merges/0", "a b c"},
      {[](json& d) { d["model"]["merges"] = {"ab"}; }, "/model/merges/0", "\"ab\""},
      {[](json& d) { d["model"]["merges"][0] = {"a"}; }, "/model/merges/0", "pair"},
      {[](json& d) {
         d["model"]["merges"][0] = {"a", 1};
       },
       "/model/merges/0/1", "string"},
      {[](json& d) { d["model"]["merges"] = {"a x"}; }, "/model/merges", "\"x\""},
      {[](json& d) { d["model"]["merges"] = {"b a"}; }, "/model/merges", "\"ba\""},
      {[](json& d) { d["added_tokens"][0].erase("lstrip"); }, "/added_tokens/0", "\"lstrip\""},
      {[](json& d) { d["added_tokens"][0]["id"] = 9; }, "/added_tokens/0/id", "but 4"},
      {[](json& d) { d["added_tokens"][0]["content"] = ""; }, "/added_tokens", "empty"},
      {[](json& d) {
         d["added_tokens"].push_back(d["added_tokens"][0]);
         d["added_tokens"][1]["id"] = 5;
       },
       "/added_tokens", "twice"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(error_of(c.edit), AllOf(HasSubstr("tokenizer.json: " + c.pointer), HasSubstr(c.what)));
  }
}

TEST_F(TokenizerJson, a_file_cut_short_is_refused) {
  const std::string whole = small().dump();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW(load(std::string_view(whole).substr(0, length)), DataError) << length;
  }
  EXPECT_THROW(load(std::string(200'000, '[')), DataError);
  EXPECT_THROW(load(std::string(200'000, '[') + std::string(200'000, ']')), DataError);
  EXPECT_THROW(Tokenizer::from_json(folder_.path() / "absent.json"), DataError);
}

// Nothing but DataError may come out of a damaged file; a file that is still a tokenizer must still work.
TEST_F(TokenizerJson, damage_is_an_error_or_harmless) {
  std::mt19937 random(1);
  const std::string whole = small().dump();
  for (int round = 0; round < 1000; ++round) {
    std::string damaged = whole;
    for (int i = 0; i < 1 + round % 4; ++i) {
      const std::size_t from = random() % damaged.size();
      const std::size_t to = random() % damaged.size();
      if (random() % 2 == 0) {
        damaged[to] = damaged[from];
      } else {
        damaged.insert(to, damaged.substr(from, random() % 16));
      }
    }
    try {
      const auto tokenizer = load(damaged);
      tokenizer.decode(tokenizer.encode("ab <s>abba \xFF\u00E9", true));
    } catch (const DataError&) {
    }
  }
}

}  // namespace
}  // namespace catenary::tokenizer
