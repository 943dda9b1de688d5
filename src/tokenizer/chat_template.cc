#include "catenary/tokenizer/chat_template.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "catenary/base/error.h"
#include "catenary/base/hash.h"
#include "catenary/base/mapped_file.h"
#include "catenary/base/parse_json.h"
#include "tokenizer/jinja.h"
#include "tokenizer/unicode.h"

namespace catenary::tokenizer {
namespace {

using nlohmann::json;

const json& member(const json& object, std::string_view key) {
  static const json absent;
  const auto found = object.find(key);
  return found == object.end() ? absent : *found;
}

// tokenizer_config.json and what else says how a folder's tokens are named.
struct Config {
  std::filesystem::path path;
  json document = json::object();

  // special_tokens_map.json is an older place for the same; it counts where the newer added_tokens_decoder is absent.
  explicit Config(const std::filesystem::path& folder) : path(folder / "tokenizer_config.json") {
    if (std::filesystem::exists(path)) document = read_json_object(path);
    const auto map_path = folder / "special_tokens_map.json";
    if (!document.contains("added_tokens_decoder") && std::filesystem::exists(map_path)) {
      document.update(read_json_object(map_path));
    }
  }

  // As `special_tokens_map` of transformers' tokenizers: every …_token that is a string or an AddedToken.
  ChatTemplate::SpecialTokens special_tokens() const {
    ChatTemplate::SpecialTokens tokens;
    const auto add = [&](const std::string& name, const json& value) {
      const json& content = value.is_object() ? member(value, "content") : value;
      if (content.is_string()) tokens[name] = content;
    };
    for (const auto& [name, value] : document.items()) {
      if (name.ends_with("_token")) add(name, value);
    }
    for (const char* key : {"extra_special_tokens", "model_specific_special_tokens"}) {
      const json& named = member(document, key);
      if (!named.is_object()) continue;
      for (const auto& [name, value] : named.items()) add(name, value);
    }
    return tokens;
  }

  // A class of transformers can bring tokens of its own where the config is silent. These do not.
  bool tells_all_tokens() const {
    constexpr std::array kPlain{"PreTrainedTokenizerFast", "PreTrainedTokenizer", "TokenizersBackend"};
    const json& name = member(document, "tokenizer_class");
    return name.is_string() && std::ranges::find(kPlain, name.get<std::string>()) != kPlain.end();
  }
};

ChatTemplate::SpecialTokens gguf_tokens(const weights::GgufFile& gguf) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kNames{{{"bos", "bos"},
                                                                                 {"eos", "eos"},
                                                                                 {"unknown", "unk"},
                                                                                 {"seperator", "sep"},
                                                                                 {"padding", "pad"},
                                                                                 {"cls", "cls"},
                                                                                 {"mask", "mask"}}};
  ChatTemplate::SpecialTokens special;
  const auto tokens = gguf.find_strings("tokenizer.ggml.tokens").value_or(std::vector<std::string_view>());
  for (const auto& [key, name] : kNames) {
    const auto id_key = fmt::format("tokenizer.ggml.{}_token_id", key);
    const auto id = gguf.find_integer(id_key);
    if (!id) continue;
    if (*id < 0 || *id >= std::ssize(tokens)) {
      throw DataError(fmt::format("{}: {}: no token has the id {}", gguf.path().string(), id_key, *id));
    }
    special[fmt::format("{}_token", name)] = tokens[static_cast<std::size_t>(*id)];
  }
  return special;
}

// The default of `chat_template`, a string or a list of {"name", "template"}; null where there is none.
json default_template(const Config& config) {
  const json& given = member(config.document, "chat_template");
  const auto fail = [&](std::string_view what) {
    throw DataError(fmt::format("{}: /chat_template: {}", config.path.string(), what));
  };
  if (given.is_null() || given.is_string()) return given;
  if (!given.is_array()) fail("expected a string or a list");
  std::string names;
  for (const json& entry : given) {
    if (!entry.is_object() || !member(entry, "name").is_string() || !member(entry, "template").is_string()) {
      fail("expected {\"name\": string, \"template\": string} in the list");
    }
    if (entry["name"] == "default") return entry["template"];
    names += (names.empty() ? "" : ", ") + entry["name"].get<std::string>();
  }
  fail(fmt::format("no template is named \"default\", only {}", names));
  return {};
}

}  // namespace

struct ChatTemplate::State {
  State(std::string_view text, const std::string& named, SpecialTokens tokens)
      : jinja(text, named), source(text), where(named), special_tokens(std::move(tokens)) {
    Hasher hasher;
    hasher.add("catenary chat template 1").add(source).add(special_tokens.size());
    for (const auto& [name, token] : special_tokens) hasher.add(name).add(token);
    fingerprint = hasher.hex();
  }

  jinja::Template jinja;
  std::string source;
  std::string where;
  SpecialTokens special_tokens;
  std::string fingerprint;
};

ChatTemplate::ChatTemplate(std::unique_ptr<State> state) : state_(std::move(state)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

std::optional<ChatTemplate> ChatTemplate::find(const weights::Checkpoint& checkpoint) {
  if (const auto* gguf = checkpoint.gguf()) return find_in_gguf(*gguf);
  return find_in_folder(checkpoint.path());
}

std::optional<ChatTemplate> ChatTemplate::find_in_folder(const std::filesystem::path& folder) {
  const Config config(folder);
  const auto file = folder / "chat_template.jinja";
  std::optional<ChatTemplate> found;
  if (std::filesystem::exists(file)) {
    found = from_source(MappedFile(file).text(), file.string(), config.special_tokens());
  } else if (const json source = default_template(config); !source.is_null()) {
    found = from_source(source.get_ref<const std::string&>(), fmt::format("{}: /chat_template", config.path.string()),
                        config.special_tokens());
  }
  if (found && !config.tells_all_tokens()) {
    for (const char* name :
         {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}) {
      if (!config.document.contains(name) && found->state_->jinja.mentions(name)) {
        throw DataError(fmt::format("{}: the chat template uses {}, which the file leaves to the tokenizer's class",
                                    config.path.string(), name));
      }
    }
  }
  return found;
}

std::optional<ChatTemplate> ChatTemplate::find_in_gguf(const weights::GgufFile& gguf) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  const auto source = gguf.find_string(kKey);
  if (!source) return std::nullopt;
  return from_source(*source, fmt::format("{}: {}", gguf.path().string(), kKey), gguf_tokens(gguf));
}

ChatTemplate ChatTemplate::from_source(std::string_view source, const std::string& where,
                                       SpecialTokens special_tokens) {
  return ChatTemplate(std::make_unique<State>(source, where, std::move(special_tokens)));
}

ChatTemplate::SpecialTokens ChatTemplate::special_tokens(const weights::Checkpoint& checkpoint) {
  if (const auto* gguf = checkpoint.gguf()) return gguf_tokens(*gguf);
  return Config(checkpoint.path()).special_tokens();
}

std::string ChatTemplate::render(std::span<const Message> messages, bool add_generation_prompt,
                                 std::chrono::system_clock::time_point now) const {
  if (messages.empty()) throw DataError("a chat template needs at least one message");
  jinja::Budget budget;
  const auto text = [&](const std::string& given) {
    return jinja::make_text(repair_utf8(given).value_or(given), budget);
  };
  jinja::Values list;
  for (const Message& message : messages) {
    list.push_back(
        jinja::make_dict({{text("role"), text(message.role)}, {text("content"), text(message.content)}}, budget));
  }
  jinja::Template::Variables variables{
      {"messages", jinja::make_sequence(jinja::Sequence::kList, std::move(list), budget)},
      {"tools", jinja::None()},
      {"documents", jinja::None()},
      {"add_generation_prompt", add_generation_prompt}};
  for (const auto& [name, token] : state_->special_tokens) variables.emplace_back(name, text(token));
  return state_->jinja.render(variables, now);
}

bool ChatTemplate::uses_clock() const {
  return state_->jinja.mentions("strftime_now");
}
const std::string& ChatTemplate::source() const {
  return state_->source;
}
const std::string& ChatTemplate::where() const {
  return state_->where;
}
const std::string& ChatTemplate::fingerprint() const {
  return state_->fingerprint;
}

}  // namespace catenary::tokenizer
