#include "catenary/tokenizer/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "catenary/base/error.h"
#include "tokenizer/chat_reference.h"
#include "weights/fixtures.h"

namespace catenary::tokenizer {
namespace {

using testing::HasSubstr;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Each of the conversations, without and with the generation prompt.
void expect_renders(const ChatTemplate& chat, const nlohmann::json& renders) {
  const auto reference = test::read_reference("conversations.json");
  ASSERT_EQ(renders.size(), reference["conversations"].size());
  for (std::size_t i = 0; i < renders.size(); ++i) {
    SCOPED_TRACE(i);
    const auto messages = test::read_messages(reference["conversations"][i]);
    for (const bool prompt : {false, true}) {
      const auto& expected = renders[i][prompt];
      const auto render = [&] { return chat.render(messages, prompt, test::kNoon); };
      if (expected.contains("text")) {
        EXPECT_EQ(render(), expected["text"].get<std::string>());
      } else {
        EXPECT_THAT(test::message_of<DataError>(render), HasSubstr(expected["error"].get<std::string>()));
      }
    }
  }
}

TEST(ChatTemplate, renders_conversations_as_transformers_does) {
  const auto reference = test::read_reference("conversations.json");
  for (const auto& [name, renders] : reference["renders"].items()) {
    SCOPED_TRACE(name);
    const auto source = read_file(test::reference_folder() / "templates" / (name + ".jinja"));
    expect_renders(ChatTemplate::from_source(source, name, reference["special_tokens"]), renders);
  }
}

TEST(ChatTemplate, a_published_models_own_template_renders_as_in_transformers) {
  if (!std::filesystem::exists(CATENARY_TEST_MODEL)) GTEST_SKIP() << "no " << CATENARY_TEST_MODEL;
  const auto chat = ChatTemplate::find(weights::Checkpoint::open(CATENARY_TEST_MODEL));
  ASSERT_TRUE(chat);
  EXPECT_FALSE(chat->uses_clock());
  expect_renders(*chat, test::read_reference("gguf.json"));
}

// What `bos|content of the message` becomes with the files of a folder.
class Folder {
 public:
  Folder& file(std::string_view name, std::string_view content) {
    folder_.write(name, content);
    return *this;
  }
  std::optional<ChatTemplate> find() const { return ChatTemplate::find_in_folder(folder_.path()); }
  std::string render() const { return find()->render(test::kHello, false); }
  std::string error() const {
    return test::message_of<DataError>([&] { find(); });
  }

 private:
  test::TemporaryFolder folder_;
};

TEST(ChatTemplate, is_found_where_transformers_finds_it) {
  EXPECT_FALSE(Folder().find());
  EXPECT_FALSE(Folder().file("tokenizer_config.json", "{}").find());
  EXPECT_FALSE(Folder().file("tokenizer_config.json", R"({"chat_template": null})").find());
  EXPECT_EQ(Folder().file("tokenizer_config.json", R"({"chat_template": "a{{ messages[0].role }}"})").render(),
            "auser");
  EXPECT_EQ(Folder()
                .file("tokenizer_config.json", R"({"chat_template": [{"name": "tool_use", "template": "t"},
                                                                     {"name": "default", "template": "d"}]})")
                .render(),
            "d");
  EXPECT_EQ(Folder().file("chat_template.jinja", "file\r\n").render(), "file");
  EXPECT_EQ(
      Folder().file("chat_template.jinja", "file").file("tokenizer_config.json", R"({"chat_template": "a"})").render(),
      "file");
}

TEST(ChatTemplate, special_tokens_are_those_that_transformers_passes) {
  constexpr std::string_view kTemplate = "{{ [bos_token, eos_token, pad_token is defined, image_token, additional] }}";
  EXPECT_EQ(Folder()
                .file("chat_template.jinja", kTemplate)
                .file("tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>",
                      "eos_token": {"__type": "AddedToken", "content": "</s>"}, "pad_token": null, "add_bos_token": true,
                      "extra_special_tokens": {"image_token": "<i>"}, "additional_special_tokens": ["<a>"]})")
                .render(),
            "['<s>', '</s>', False, '<i>', Undefined]");
  // The older file counts unless the newer config says what it would say.
  const auto with_map = [](std::string_view config) {
    return Folder()
        .file("chat_template.jinja", "{{ bos_token }}")
        .file("special_tokens_map.json", R"({"bos_token": {"content": "<map>"}})")
        .file("tokenizer_config.json", config)
        .render();
  };
  EXPECT_EQ(with_map(R"({"bos_token": "<s>"})"), "<map>");
  EXPECT_EQ(with_map(R"({"bos_token": "<s>", "added_tokens_decoder": {}})"), "<s>");
}

TEST(ChatTemplate, a_token_that_only_the_tokenizers_class_knows_is_refused) {
  EXPECT_THAT(Folder()
                  .file("chat_template.jinja", "{{ bos_token }}")
                  .file("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer", "eos_token": "</s>"})")
                  .error(),
              HasSubstr("tokenizer_config.json: the chat template uses bos_token"));
  EXPECT_TRUE(Folder()
                  .file("chat_template.jinja", "{{ bos_token }}")
                  .file("tokenizer_config.json", R"({"tokenizer_class": "LlamaTokenizer", "bos_token": null})")
                  .find());
}

TEST(ChatTemplate, a_malformed_config_is_refused_by_file_and_key) {
  const std::pair<std::string, std::string> cases[] = {
      {"{", "not valid JSON"},
      {"[]", "expected a JSON object"},
      {R"({"chat_template": 1})", "/chat_template: expected a string or a list"},
      {R"({"chat_template": ["a"]})", "/chat_template: expected {\"name\""},
      {R"({"chat_template": [{"name": "rag", "template": "a"}, {"name": "tool_use", "template": "b"}]})",
       "no template is named \"default\", only rag, tool_use"},
      {R"({"chat_template": "\n{{"})", "/chat_template:2: a tag without its end"},
  };
  for (const auto& [config, what] : cases) {
    EXPECT_THAT(Folder().file("tokenizer_config.json", config).error(),
                testing::AllOf(HasSubstr("tokenizer_config.json: "), HasSubstr(what)))
        << config;
  }
  EXPECT_THAT(Folder().file("chat_template.jinja", "\xff").error(),
              HasSubstr("chat_template.jinja:1: not valid UTF-8"));
}

weights::GgufBuilder gguf(std::uint32_t eos_id) {
  constexpr std::uint32_t kString = 8, kArray = 9;
  weights::GgufBuilder builder;
  builder.value("tokenizer.ggml.tokens",
                weights::Bytes().number(kArray).number(kString).number<std::uint64_t>(2).text("<s>").text("</s>"));
  builder.uint32("tokenizer.ggml.bos_token_id", 0).uint32("tokenizer.ggml.eos_token_id", eos_id);
  return builder;
}
std::optional<ChatTemplate> find_in(weights::GgufBuilder& builder) {
  const test::TemporaryFolder folder;
  return ChatTemplate::find_in_gguf(weights::GgufFile(folder.write("model.gguf", builder.build())));
}

TEST(ChatTemplate, is_found_in_gguf_metadata_with_its_tokens) {
  auto without = gguf(1);
  EXPECT_FALSE(find_in(without));
  auto with = gguf(1);
  with.string("tokenizer.chat_template", "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token }}");
  EXPECT_EQ(find_in(with)->render(test::kHello, false), "<s>Hello</s>");
  auto wrong = gguf(2);
  wrong.string("tokenizer.chat_template", "x");
  EXPECT_THAT(test::message_of<DataError>([&] { find_in(wrong); }), HasSubstr("eos_token_id: no token has the id 2"));
  auto malformed = gguf(1);
  malformed.string("tokenizer.chat_template", "\n{% nothing %}");
  EXPECT_THAT(test::message_of<DataError>([&] { find_in(malformed); }),
              HasSubstr("model.gguf: tokenizer.chat_template:2: the tag 'nothing' is not supported"));
}

TEST(ChatTemplate, tells_what_it_depends_on) {
  const auto plain = ChatTemplate::from_source("a", "t", {});
  const auto dated = ChatTemplate::from_source("{% if strftime_now is defined %}a{% endif %}", "t", {});
  EXPECT_FALSE(plain.uses_clock());
  EXPECT_TRUE(dated.uses_clock());
  EXPECT_EQ(plain.source(), "a");
  EXPECT_EQ(plain.fingerprint(), ChatTemplate::from_source("a", "elsewhere", {}).fingerprint());
  EXPECT_NE(plain.fingerprint(), ChatTemplate::from_source("a", "t", {{"bos_token", "<s>"}}).fingerprint());
  EXPECT_NE(plain.fingerprint(), dated.fingerprint());
}

TEST(ChatTemplate, messages_must_be_there_and_are_repaired) {
  const auto chat = ChatTemplate::from_source("{{ messages[0].content }}", "t", {});
  EXPECT_THAT(test::message_of<DataError>([&] { return chat.render({}, false); }), HasSubstr("at least one message"));
  EXPECT_EQ(chat.render(std::array<Message, 1>{{{"user", "a\xff"}}}, false), "a\uFFFD");
}

}  // namespace
}  // namespace catenary::tokenizer
