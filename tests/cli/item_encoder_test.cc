#include "cli/item_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "catenary/base/error.h"
#include "catenary/base/mapped_file.h"
#include "catenary/task/prompt.h"
#include "support/temporary_folder.h"

namespace catenary::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using tokenizer::ChatTemplate;

const std::filesystem::path kReference = std::filesystem::path(CATENARY_SOURCE_DIR) / "tests/reference";

// Every format under every condition, three items each, as tests/reference/task/make_prompts.py and transformers have
// it.
TEST(RenderedItemReference, prompts_are_what_the_model_should_see) {
  std::map<std::string, task::Task> tasks;
  std::map<std::string, ChatTemplate> templates;
  for (const char* name : {"classification", "sequence_prob", "logodds", "numeric"}) {
    tasks.emplace(name, task::read_task({.name = name, .path = (kReference / "task" / name).concat(".jsonl")}));
  }
  for (const char* name : {"chatml", "llama3", "gemma"}) {
    const auto path = (kReference / "chat_template/templates" / name).concat(".jinja");
    templates.emplace(
        name, ChatTemplate::from_source(MappedFile(path).text(), name, {{"bos_token", "<s>"}, {"eos_token", "</s>"}}));
  }
  const auto cases = nlohmann::json::parse(std::ifstream(kReference / "task/prompts.json"));
  for (const auto& expected : cases) {
    SCOPED_TRACE(expected.dump(2));
    const task::Task& task = tasks.at(expected["task"]);
    const auto condition = spec::parse_condition(expected["condition"].dump());
    const ChatTemplate* chat_template =
        expected["template"].is_null() ? nullptr : &templates.at(expected["template"].get<std::string>());
    check_condition(task, condition);
    const auto rendered = render_item(task, expected["item"], condition, chat_template);
    ASSERT_EQ(rendered.size(), expected["contexts"].size());
    for (std::size_t i = 0; i < rendered.size(); ++i) EXPECT_EQ(rendered[i].context, expected["contexts"][i]);
  }
  EXPECT_EQ(cases.size(), 273u);
}

TEST(RenderedItem, what_is_scored_after_it) {
  const task::Task task{.items = {{"Q:", {" yes", " no"}, 0, "Other Q:"}}, .format = spec::TaskFormat::kLogodds};
  const auto plain = render_item(task, 0, spec::parse_condition("zero_shot"), nullptr);
  ASSERT_EQ(plain.size(), 2u);
  EXPECT_EQ(plain[1].context, "Other Q:");
  EXPECT_THAT(plain[1].continuations, testing::ElementsAre(" yes", " no"));
  EXPECT_EQ(plain[0].kind, tokenizer::Context::kText);
  const auto chat_template = ChatTemplate::from_source("{{ messages[0].content }}\n", "t", {});
  const auto chat = render_item(task, 0, spec::parse_condition("instruct"), &chat_template);
  EXPECT_THAT(chat[0].continuations, testing::ElementsAre("yes", "no"));
  EXPECT_EQ(chat[0].kind, tokenizer::Context::kRendered);
}

TEST(ItemEncoder, a_model_without_a_chat_template_is_refused_unless_the_condition_has_one) {
  const auto folder = kReference / "model/llama";
  const weights::Checkpoint checkpoint = weights::Checkpoint::open(folder);
  const auto condition = spec::parse_condition("instruct");
  EXPECT_THAT(test::message_of<SpecError>([&] { get_chat_template(checkpoint, condition); }),
              HasSubstr("model/llama has none; give one as \"chat_template\""));
  const test::TemporaryFolder own;
  auto with_template = condition;
  with_template.chat_template = own.write("t.jinja", "{{ messages[0].content }}");
  EXPECT_EQ(get_chat_template(checkpoint, with_template).source(), "{{ messages[0].content }}");
}

TEST(FitContext, cuts_as_lm_evaluation_harness_does) {
  // lm_eval/models/huggingface.py: (context + continuation)[-(max_length + 1):][:-1] is fed.
  const std::vector<tokenizer::EncodedContinuation> both{{{1, 2, 3, 4, 5, 6}, 4}, {{1, 2, 3, 4, 7}, 4}};
  auto cut = both;
  const auto truncates = spec::parse_condition(R"({"kind": "zero_shot", "too_long": "truncate_left"})");
  EXPECT_FALSE(fit_context(cut, 5, truncates));
  EXPECT_TRUE(fit_context(cut, 4, truncates));
  EXPECT_THAT(cut[0].tokens, testing::ElementsAre(2, 3, 4, 5, 6));
  EXPECT_EQ(cut[0].continuation_begin, 3u);
  EXPECT_EQ(cut[1].tokens, both[1].tokens);
  EXPECT_TRUE(fit_context(cut, 2, truncates));
  EXPECT_THAT(cut[0].tokens, testing::ElementsAre(4, 5, 6));
  EXPECT_EQ(cut[0].continuation_begin, 1u);
  EXPECT_THAT(test::message_of<DataError>([&] { fit_context(cut, 1, truncates); }),
              HasSubstr("the continuation alone has 2 tokens, and the model's context is 1"));
  cut = both;
  EXPECT_THAT(test::message_of<DataError>([&] { fit_context(cut, 4, spec::parse_condition("zero_shot")); }),
              HasSubstr("has 5 tokens to feed, and the model's context is 4"));
}

// SmolLM2: the tokens are those that Hugging Face's tokenizer gave, and its chat template is found in the GGUF.
TEST(FitPrompt, leaves_room_for_what_is_written_and_half_of_the_context) {
  const auto cut = spec::parse_condition(R"({"kind": "zero_shot", "too_long": "truncate_left"})");
  std::vector<tokenizer::TokenId> tokens{1, 2, 3, 4, 5, 6, 7};
  EXPECT_FALSE(fit_prompt(tokens, 7, 100, cut));
  EXPECT_TRUE(fit_prompt(tokens, 6, 2, cut));
  EXPECT_THAT(tokens, ElementsAre(4, 5, 6, 7));
  EXPECT_TRUE(fit_prompt(tokens, 3, 100, cut));
  EXPECT_THAT(tokens, ElementsAre(6, 7));
  EXPECT_THAT(test::message_of<DataError>([&] { fit_prompt(tokens, 1, 1, spec::parse_condition("zero_shot")); }),
              HasSubstr("the prompt has 2 tokens to go on from, and the model's context is 1"));
}

TEST(StopTexts, a_cue_of_white_space_ends_nothing) {
  const auto condition =
      spec::parse_condition(R"({"kind": "cot", "answer_cue": "\n", "generation": {"stop": ["Q:"]}})");
  EXPECT_THAT(stop_texts(condition), ElementsAre("Q:"));
}

TEST(ItemEncoderReference, tokens_of_smollm2) {
  const std::filesystem::path shared = CATENARY_SHARED_DIR;
  if (!std::filesystem::exists(CATENARY_TEST_MODEL) || !std::filesystem::exists(shared / "data")) {
    GTEST_SKIP() << CATENARY_TEST_MODEL << " or " << shared << " is not there";
  }
  const auto checkpoint = weights::Checkpoint::open(CATENARY_TEST_MODEL);
  const std::vector<spec::ConditionSpec> conditions{spec::parse_condition("zero_shot"),
                                                    spec::parse_condition(R"({"kind": "instruct", "system": "S"})")};
  const ItemEncoder encoder(checkpoint, conditions);
  for (const char* name : {"memo-trap", "neqa"}) {
    const auto task = task::read_task({.name = name, .path = (shared / "data" / name).concat(".jsonl")});
    std::ifstream lines((shared / "reference/smollm2-135m" / name).concat(".tokens.jsonl"));
    std::int64_t i = 0;
    for (std::string line; std::getline(lines, line); ++i) {
      const auto expected = nlohmann::json::parse(line);
      const auto encoded = encoder.encode(encoder.render(task, i, conditions[0]));
      for (std::size_t c = 0; c < encoded.size(); ++c) {
        auto tokens = expected["prompt_ids"].get<std::vector<tokenizer::TokenId>>();
        EXPECT_EQ(encoded[c].continuation_begin, tokens.size());
        for (const auto& id : expected["class_ids"][c]) tokens.push_back(id);
        EXPECT_EQ(encoded[c].tokens, tokens) << name << " item " << i;
      }
    }
    EXPECT_EQ(i, 100);
    const auto chat = encoder.encode(encoder.render(task, 0, conditions[1]));
    const auto begin = encoder.tokenizer().decode(chat[0].tokens);
    EXPECT_TRUE(begin.starts_with("<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n")) << begin;
    EXPECT_TRUE(begin.ends_with("<|im_end|>\n<|im_start|>assistant\n" + task.items[0].classes[0].substr(1))) << begin;
  }
}

}  // namespace
}  // namespace catenary::cli
