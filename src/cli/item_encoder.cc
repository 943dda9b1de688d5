#include "cli/item_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "catenary/base/mapped_file.h"
#include "catenary/task/prompt.h"

namespace catenary::cli {
namespace {

using tokenizer::ChatTemplate;
using tokenizer::Tokenizer;

// Noon in UTC, so that the date is the same wherever the clock stands. Llama 3's own template falls back on this day.
constexpr std::chrono::sys_time<std::chrono::hours> kDate =
    std::chrono::sys_days(std::chrono::year(2024) / 7 / 26) + std::chrono::hours(12);

Tokenizer open_tokenizer(const weights::Checkpoint& checkpoint) {
  Tokenizer tokenizer = Tokenizer::open(checkpoint);
  const auto bare = tokenizer.encode("a", /*add_special_tokens=*/false);
  const auto with_special = tokenizer.encode("a", /*add_special_tokens=*/true);
  if (with_special.size() < bare.size() || !std::equal(bare.rbegin(), bare.rend(), with_special.rbegin())) {
    throw DataError(
        fmt::format("{}: its tokenizer appends special tokens to a text, so a continuation cannot be scored at the end",
                    checkpoint.path().string()));
  }
  return tokenizer;
}

// A tokenizer that lacks characters drops them.
void check_distinct(const std::vector<tokenizer::EncodedContinuation>& encoded, const std::vector<std::string>& texts) {
  for (std::size_t i = 0; i < encoded.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (encoded[i].tokens != encoded[j].tokens) continue;
      throw DataError(fmt::format(
          "the continuations \"{}\" and \"{}\" are the same tokens: the tokenizer lacks what tells them apart",
          texts[j], texts[i]));
    }
  }
}

std::string without_leading_space(const std::string& text) {
  return text.substr(std::min(text.find_first_not_of(" \t\n\r\f\v"), text.size()));
}

std::string render_chat(const task::Prompt& prompt, const spec::ConditionSpec& condition,
                        const ChatTemplate& chat_template) {
  std::vector<tokenizer::Message> messages;
  if (condition.system) messages.push_back({"system", *condition.system});
  std::string preamble = prompt.preamble;
  const auto add_user = [&](const std::string& text) {
    messages.push_back({"user", preamble + text});
    preamble.clear();
  };
  for (const task::Exemplar& exemplar : prompt.exemplars) {
    add_user(exemplar.prompt);
    messages.push_back({"assistant", without_leading_space(exemplar.answer)});
  }
  add_user(prompt.text);
  return chat_template.render(messages, /*add_generation_prompt=*/true, kDate) +
         without_leading_space(prompt.answer_begin);
}

}  // namespace

std::int64_t num_texts(spec::TaskFormat format, const spec::ConditionSpec& condition) {
  const bool is_log_odds = format == spec::TaskFormat::kLogodds || format == spec::TaskFormat::kAbsoluteLogodds;
  return (condition.cot ? (is_log_odds ? 2 : 1) : 0) + (format == spec::TaskFormat::kNumeric ? 1 : 0);
}

std::int64_t max_generated_tokens(spec::TaskFormat format, const spec::ConditionSpec& condition) {
  const std::int64_t num_answers = format == spec::TaskFormat::kNumeric ? 1 : 0;
  return (num_texts(format, condition) - num_answers) * condition.generation.max_new_tokens +
         num_answers * kMaxAnswerTokens;
}

std::vector<std::string> stop_texts(const spec::ConditionSpec& condition) {
  std::vector<std::string> texts = condition.generation.stop.value_or(
      condition.few_shot && !condition.instruct ? std::vector{condition.separator} : std::vector<std::string>());
  auto cue = std::string(without_leading_space(condition.answer_cue));
  if (!cue.empty()) texts.push_back(std::move(cue));  // every text has an empty one in it
  return texts;
}

void add_reasoning(RenderedPrompt& prompt, std::string_view reasoning, const spec::ConditionSpec& condition) {
  prompt.context += reasoning;
  prompt.context += condition.answer_cue;
}

ChatTemplate get_chat_template(const weights::Checkpoint& checkpoint, const spec::ConditionSpec& condition) {
  if (condition.chat_template) {
    return ChatTemplate::from_source(MappedFile(*condition.chat_template).text(), condition.chat_template->string(),
                                     ChatTemplate::special_tokens(checkpoint));
  }
  auto found = ChatTemplate::find(checkpoint);
  if (!found) {
    throw SpecError(
        fmt::format("condition \"{}\" is for models with a chat template, and {} has none; give one as "
                    "\"chat_template\", or leave the model to other conditions",
                    condition.name, checkpoint.path().string()));
  }
  return std::move(*found);
}

std::vector<RenderedPrompt> render_item(const task::Task& task, std::int64_t item_index,
                                        const spec::ConditionSpec& condition, const ChatTemplate* chat_template) {
  check(!condition.instruct || chat_template != nullptr, "instruct has a chat template");
  std::vector<std::string> continuations;
  if (task.format != spec::TaskFormat::kNumeric)
    continuations = task.items[static_cast<std::size_t>(item_index)].classes;
  // After a cue the answer goes on as in plain text.
  if (condition.instruct && !condition.cot) {
    std::ranges::transform(continuations, continuations.begin(), without_leading_space);
  }
  std::vector<RenderedPrompt> rendered;
  for (const task::Prompt& prompt : build_prompts(task, item_index, condition)) {
    if (condition.instruct) {
      rendered.push_back(
          {render_chat(prompt, condition, *chat_template), tokenizer::Context::kRendered, continuations});
    } else {
      rendered.push_back({plain_text(prompt, condition), tokenizer::Context::kText, continuations});
    }
  }
  return rendered;
}

bool fit_context(std::vector<tokenizer::EncodedContinuation>& continuations, std::int64_t context_length,
                 const spec::ConditionSpec& condition) {
  bool was_cut = false;
  for (auto& [tokens, continuation_begin] : continuations) {
    const std::int64_t num_fed = std::ssize(tokens) - 1;
    const std::int64_t surplus = num_fed - context_length;
    if (surplus <= 0) continue;
    if (condition.too_long == spec::TooLong::kRefuse) {
      throw DataError(fmt::format(
          "the prompt with its continuation has {} tokens to feed, and the model's context is {}; with \"too_long\": "
          "\"truncate_left\" the condition has it cut",
          num_fed, context_length));
    }
    if (surplus >= static_cast<std::int64_t>(continuation_begin)) {
      throw DataError(fmt::format("the continuation alone has {} tokens, and the model's context is {}",
                                  tokens.size() - continuation_begin, context_length));
    }
    tokens.erase(tokens.begin(), tokens.begin() + surplus);
    continuation_begin -= static_cast<std::size_t>(surplus);
    was_cut = true;
  }
  return was_cut;
}

bool fit_prompt(std::vector<tokenizer::TokenId>& tokens, std::int64_t context_length, std::int64_t max_new_tokens,
                const spec::ConditionSpec& condition) {
  if (std::ssize(tokens) <= context_length) return false;
  if (condition.too_long == spec::TooLong::kRefuse) {
    throw DataError(fmt::format(
        "the prompt has {} tokens to go on from, and the model's context is {}; with \"too_long\": \"truncate_left\" "
        "the condition has it cut",
        tokens.size(), context_length));
  }
  // At least half of the context is the prompt's, however much the model may write.
  tokens.erase(tokens.begin(), tokens.end() - std::max((context_length + 1) / 2, context_length - max_new_tokens));
  return true;
}

ItemEncoder::ItemEncoder(const weights::Checkpoint& checkpoint, const std::vector<spec::ConditionSpec>& conditions)
    : tokenizer_(open_tokenizer(checkpoint)) {
  for (const spec::ConditionSpec& condition : conditions) {
    const auto path = condition.chat_template.value_or("");
    if (condition.instruct && !chat_templates_.contains(path)) {
      chat_templates_.emplace(path, get_chat_template(checkpoint, condition));
    }
  }
}

const ChatTemplate* ItemEncoder::chat_template(const spec::ConditionSpec& condition) const {
  return condition.instruct ? &chat_templates_.at(condition.chat_template.value_or("")) : nullptr;
}

std::vector<RenderedPrompt> ItemEncoder::render(const task::Task& task, std::int64_t item_index,
                                                const spec::ConditionSpec& condition) const {
  return render_item(task, item_index, condition, chat_template(condition));
}

std::vector<tokenizer::EncodedContinuation> ItemEncoder::encode(std::span<const RenderedPrompt> prompts) const {
  std::vector<tokenizer::EncodedContinuation> all;
  for (const RenderedPrompt& prompt : prompts) {
    auto encoded = encode_continuations(tokenizer_, prompt.context, prompt.kind, prompt.continuations);
    check_distinct(encoded, prompt.continuations);
    all.insert(all.end(), std::make_move_iterator(encoded.begin()), std::make_move_iterator(encoded.end()));
  }
  return all;
}

std::vector<tokenizer::TokenId> ItemEncoder::encode_context(const RenderedPrompt& prompt) const {
  return tokenizer::encode_context(tokenizer_, prompt.context, prompt.kind);
}

}  // namespace catenary::cli
