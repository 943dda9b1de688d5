#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/spec/sweep_spec.h"
#include "catenary/task/task_reader.h"
#include "catenary/tokenizer/chat_template.h"
#include "catenary/tokenizer/continuation.h"
#include "catenary/tokenizer/tokenizer.h"
#include "catenary/weights/checkpoint.h"

namespace catenary::cli {

/// The chat template that a condition uses with a checkpoint: its own, or the one that the condition names. Throws
/// SpecError if there is neither, DataError if it is malformed.
tokenizer::ChatTemplate get_chat_template(const weights::Checkpoint& checkpoint, const spec::ConditionSpec& condition);

/// What a model sees of an item: a context, and what is scored after it. With cot the context ends where the reasoning
/// begins; see add_reasoning. After a numeric item's context nothing is scored: the model writes its answer.
struct RenderedPrompt {
  std::string context;
  tokenizer::Context kind = tokenizer::Context::kText;
  std::vector<std::string> continuations;
};

/// Tokens that a numeric item's answer has at most; it is one line, and the most likely token is taken each time.
inline constexpr std::int64_t kMaxAnswerTokens = 32;

/// The texts that a model writes for an item: with cot its reasoning after each prompt, then a numeric item's answer.
std::int64_t num_texts(spec::TaskFormat format, const spec::ConditionSpec& condition);
/// The tokens of all of them, at most.
std::int64_t max_generated_tokens(spec::TaskFormat format, const spec::ConditionSpec& condition);

/// What ends the reasoning: the answer cue and the condition's own stop texts.
std::vector<std::string> stop_texts(const spec::ConditionSpec& condition);
/// Lets the context go on with what the model reasoned and the answer cue.
void add_reasoning(RenderedPrompt& prompt, std::string_view reasoning, const spec::ConditionSpec& condition);

/// The prompts of an item under a condition; log-odds has two, prompt and other_prompt. `chat_template` is needed with
/// instruct alone: each exemplar is then a turn of the user and one of the assistant, and the assistant's turns begin
/// without white space. A template that writes the date always sees 26 July 2024, so that prompts stay the same.
std::vector<RenderedPrompt> render_item(const task::Task& task, std::int64_t item_index,
                                        const spec::ConditionSpec& condition,
                                        const tokenizer::ChatTemplate* chat_template);

/// Cuts tokens off on the left of continuations whose tokens to be fed (all but the last) are more than
/// `context_length`, if the condition says so, and tells whether there was one. So does lm-evaluation-harness: a BOS
/// goes first. Throws DataError where the condition says no, or a continuation alone is longer.
bool fit_context(std::vector<tokenizer::EncodedContinuation>& continuations, std::int64_t context_length,
                 const spec::ConditionSpec& condition);

/// The same for a prompt that a model goes on with: one that is cut leaves room for the new tokens.
bool fit_prompt(std::vector<tokenizer::TokenId>& tokens, std::int64_t context_length, std::int64_t max_new_tokens,
                const spec::ConditionSpec& condition);

/// The tokens that a model is fed for an item: a checkpoint's tokenizer and the chat templates of a sweep's conditions.
class ItemEncoder {
 public:
  /// Throws DataError if the tokenizer appends special tokens to a text: a continuation has to come last. And what
  /// get_chat_template throws.
  ItemEncoder(const weights::Checkpoint& checkpoint, const std::vector<spec::ConditionSpec>& conditions);

  const tokenizer::Tokenizer& tokenizer() const { return tokenizer_; }
  /// nullptr for a condition without instruct.
  const tokenizer::ChatTemplate* chat_template(const spec::ConditionSpec& condition) const;

  /// render_item with the condition's chat template.
  std::vector<RenderedPrompt> render(const task::Task& task, std::int64_t item_index,
                                     const spec::ConditionSpec& condition) const;

  /// A continuation a class, for log-odds first all after prompt, then all after other_prompt. Throws DataError for an
  /// item that cannot be scored, without naming it; not for one that is too long for the model.
  std::vector<tokenizer::EncodedContinuation> encode(std::span<const RenderedPrompt> prompts) const;
  /// The context alone, for a model to go on with.
  std::vector<tokenizer::TokenId> encode_context(const RenderedPrompt& prompt) const;

 private:
  tokenizer::Tokenizer tokenizer_;
  std::map<std::filesystem::path, tokenizer::ChatTemplate> chat_templates_;  // the checkpoint's own: empty path
};

}  // namespace catenary::cli
