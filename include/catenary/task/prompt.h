#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "catenary/spec/sweep_spec.h"
#include "catenary/task/task_reader.h"

namespace catenary::task {

/// A question with its answer, shown before the item.
struct Exemplar {
  std::string prompt;
  std::string answer;  // with cot: trigger, reasoning, answer cue, class and answer end
};

/// What is put before a model, in parts: plain text joins them, a chat template makes turns of them.
struct Prompt {
  std::string preamble;  // once, before everything else
  std::vector<Exemplar> exemplars;
  std::string text;          // of the item
  std::string answer_begin;  // with cot the trigger, after which the model reasons; else empty
};

/// Throws SpecError if the task has not the exemplars that the condition asks for.
void check_condition(const Task& task, const spec::ConditionSpec& condition);

/// What looks like a mistake where the prompts and classes of the scored items meet ("isParis", or two spaces), in a
/// sentence with the first such text; empty where nothing does. Scripts without spaces do not.
std::string doubtful_joins(const Task& task);

/// The prompts of item `item_index` (a position in `task.items`): one, or for log-odds two, of prompt and other_prompt.
///   zero_shot   the item's prompt
///   few_shot    k exemplars first. They are those of the task's exemplar file or, without one, other items; never one
///   with
///               the item's own prompt. They come from a sequence of different candidates: in the file's order, or
///               drawn with a generator that is seeded by seed (`fixed`) or by seed and item_index (`per_item`). Those
///               that `labels` does not take are passed over. `balanced` takes no answer_index more than ⌈k / number of
///               them⌉ times; `same` takes only the answer_index of the first.
/// The generator is std::mt19937_64, so a seed gives the same prompts on any machine. The task must have passed
/// check_condition.
std::vector<Prompt> build_prompts(const Task& task, std::int64_t item_index, const spec::ConditionSpec& condition);

/// Preamble, exemplars (each with the condition's separator), item and what the answer begins with, in one text.
std::string plain_text(const Prompt& prompt, const spec::ConditionSpec& condition);

}  // namespace catenary::task
