#include "cli/light/tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/base/printable.h"
#include "catenary/task/prompt.h"
#include "catenary/task/task_reader.h"
#include "catenary/weights/checkpoint.h"
#include "cli/counted.h"
#include "cli/exit_code.h"
#include "cli/item_encoder.h"
#include "cli/light/json.h"
#include "cli/light/write_file.h"

namespace catenary::cli {
namespace {

// Each token's id and text: 19161:"Write" 253:" a" …
std::string token_text(const tokenizer::Tokenizer& tokenizer, std::span<const tokenizer::TokenId> tokens) {
  std::string text;
  for (const auto id : tokens) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", id, to_text(tokenizer.decode(std::span(&id, 1))));
  }
  return text;
}

Json to_json(const task::Item& item, std::int64_t index, const std::vector<RenderedPrompt>& rendered,
             const TasksShowArgs& args, spec::TaskFormat format, const ItemEncoder* encoder) {
  Json json{{"item", index}, {"format", to_string(format)}};
  if (format == spec::TaskFormat::kNumeric) {
    json["true_answer"] = item.true_answer;
  } else {
    json["answer_index"] = item.answer_index;
  }
  json["prompts"] = Json::array();
  for (const RenderedPrompt& prompt : rendered) {
    Json entry{{"context", prompt.context}, {"continuations", prompt.continuations}};
    if (args.condition.cot) entry["answer_cue"] = args.condition.answer_cue;
    if (args.tokens) {
      entry["tokens"] = Json::array();
      const auto all = encode_continuations(encoder->tokenizer(), prompt.context, prompt.kind, prompt.continuations);
      for (const auto& continuation : all) {
        entry["tokens"].push_back(
            {{"ids", continuation.tokens}, {"continuation_begin", continuation.continuation_begin}});
      }
    }
    json["prompts"].push_back(std::move(entry));
  }
  return json;
}

void print_text(const task::Task& task, std::int64_t index, const std::vector<RenderedPrompt>& rendered,
                const TasksShowArgs& args, const ItemEncoder* encoder) {
  const task::Item& item = task.items[static_cast<std::size_t>(index)];
  fmt::print("=== item {} of {}, {}, {} ===\n", index, task.items.size(), to_string(task.format), args.condition.name);
  for (const RenderedPrompt& prompt : rendered) {
    if (rendered.size() > 1) fmt::print("--- {} ---\n", &prompt == &rendered.front() ? "prompt" : "other_prompt");
    fmt::print("{}\n", printable_lines(prompt.context));
    if (args.condition.cot) {
      fmt::print("--- the model's reasoning, then ---\n{}\n", printable_lines(args.condition.answer_cue));
    }
    if (task.format == spec::TaskFormat::kNumeric) {
      fmt::print("--- a number is generated; the true answer is{} ---\n", item.classes[0]);
      continue;
    }
    fmt::print("--- scored after it ---\n");
    std::vector<tokenizer::EncodedContinuation> encoded;
    if (args.tokens) {
      encoded = encode_continuations(encoder->tokenizer(), prompt.context, prompt.kind, prompt.continuations);
    }
    for (std::size_t c = 0; c < prompt.continuations.size(); ++c) {
      const bool is_answer = static_cast<std::int32_t>(c) == item.answer_index;
      fmt::print("{} {} {}\n", is_answer ? '*' : ' ', c, printable(to_text(prompt.continuations[c])));
    }
    for (std::size_t c = 0; c < encoded.size(); ++c) {
      const auto ids = std::span(encoded[c].tokens);
      if (c == 0) {
        fmt::print("--- tokens ---\n{}\n",
                   printable(token_text(encoder->tokenizer(), ids.first(encoded[c].continuation_begin))));
      }
      fmt::print("  {} {}\n", c,
                 printable(token_text(encoder->tokenizer(), ids.subspan(encoded[c].continuation_begin))));
    }
  }
  fmt::print("\n");
}

}  // namespace

int show_tasks(const TasksShowArgs& args) {
  const task::Task task = task::read_task(args.task);
  check_condition(task, args.condition);
  const auto last = std::min(args.last_item, std::ssize(task.items) - 1);
  if (args.first_item > last) {
    throw SpecError(fmt::format("--items: the task has items 0..{}, not {}", task.items.size() - 1, args.first_item));
  }
  if (args.condition.instruct && !args.model) {
    throw SpecError("--condition: instruct needs a model, for its chat template or its special tokens: give --model");
  }
  std::optional<ItemEncoder> encoder;
  if (args.model) encoder.emplace(weights::Checkpoint::open(*args.model), std::vector{args.condition});
  const auto* chat_template = encoder ? encoder->chat_template(args.condition) : nullptr;
  for (std::int64_t i = args.first_item; i <= last; ++i) {
    const auto rendered = render_item(task, i, args.condition, chat_template);
    if (args.json) {
      const task::Item& item = task.items[static_cast<std::size_t>(i)];
      fmt::print("{}\n", to_text(to_json(item, i, rendered, args, task.format, encoder ? &*encoder : nullptr)));
    } else {
      print_text(task, i, rendered, args, encoder ? &*encoder : nullptr);
    }
  }
  return kExitDone;
}

int import_tasks(const TasksImportArgs& args) {
  const task::Task task = task::read_task(args.task);
  if (const std::string doubt = task::doubtful_joins(task); !doubt.empty())
    log::warning(fmt::format("{}: {}", args.task.path.string(), doubt));
  std::string text;
  for (const task::Item& item : task.items) text += to_json_line(item, task.format) + "\n";
  if (!args.output) {
    fmt::print("{}", text);
    return kExitDone;
  }
  std::error_code ignored;
  if (std::filesystem::equivalent(args.task.path, *args.output, ignored)) {
    throw SpecError(fmt::format("{}: is the file that is read; write to another one", args.output->string()));
  }
  write_file(*args.output, text);
  fmt::print(stderr, "{}: {}, {}\n", args.output->string(), counted(std::ssize(task.items), "item"),
             to_string(task.format));
  return kExitDone;
}

}  // namespace catenary::cli
