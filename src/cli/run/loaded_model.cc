#include "cli/run/loaded_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/base/utf8.h"
#include "catenary/tokenizer/end_tokens.h"
#include "cli/run/host.h"

namespace catenary::cli {

namespace {

model::MemoryPlan plan(const weights::ModelConfig& config, spec::DType dtype, at::Device device, const Memory& memory) {
  const engine::BatchOptions usual;
  // What happens to be free must not change how batches are formed, on which last bits depend.
  const std::int64_t min_tokens = memory.is_budget ? 1024 : usual.max_tokens;
  auto plan = model::plan_memory(config, dtype, device, memory.bytes, min_tokens, usual.max_tokens);
  if (!memory.is_budget) plan.max_tokens = usual.max_tokens;
  if (plan.placement == model::Placement::kStreamed) {
    log::info(fmt::format("the model does not fit into {:.0f} MiB: its layers are read while it computes",
                          static_cast<double>(memory.bytes) / (1 << 20)));
  }
  return plan;
}

}  // namespace

Memory memory_of_rank(std::optional<std::int64_t> budget_bytes, at::Device device,
                      const parallel::Communicator* communicator) {
  // Ranks of a host have a GPU each, but share the host's memory.
  const int num_sharing = device.is_cpu() ? num_ranks_at(host_name(), communicator) : 1;
  if (budget_bytes) return {*budget_bytes, true};
  return {model::available_bytes(device) / num_sharing, false};
}

LoadedModel::LoadedModel(const weights::Checkpoint& checkpoint, const std::vector<spec::ConditionSpec>& conditions,
                         spec::DType dtype, at::Device device, const Memory& memory)
    : plan_(plan(checkpoint.config(), dtype, device, memory)),
      encoder_(checkpoint, conditions),
      end_tokens_(tokenizer::end_tokens(checkpoint, encoder_.tokenizer())),
      decoder_(checkpoint, dtype, device, plan_.placement),
      scorer_(decoder_, {.max_tokens = plan_.max_tokens}) {}

std::int64_t LoadedModel::write_texts(std::span<RangeItem> items, const engine::GenerationOptions& options) const {
  std::vector<engine::Prompt> prompts;
  for (const RangeItem& item : items) {
    for (const RenderedPrompt& prompt : item.prompts) {
      try {
        prompts.push_back({encoder_.encode_context(prompt), static_cast<std::uint64_t>(item.index)});
        decoder_.check_tokens(prompts.back().tokens);
        const auto num_tokens = std::ssize(prompts.back().tokens);
        if (num_tokens > decoder_.config().context_length()) {
          throw DataError(fmt::format("the prompt has {} tokens to go on from, and the model's context is {}",
                                      num_tokens, decoder_.config().context_length()));
        }
      } catch (const DataError& e) {
        throw DataError(fmt::format("item {}: {}", item.index, e.what()));
      }
    }
  }
  engine::Generations written = engine::generate(decoder_, encoder_.tokenizer(), prompts, options);
  auto next = written.items.begin();
  for (RangeItem& item : items) {
    for (std::size_t i = 0; i < item.prompts.size(); ++i, ++next) {
      item.texts.push_back({std::move(next->text), static_cast<std::int32_t>(next->tokens.size())});
    }
  }
  return written.num_tokens_fed;
}

std::int64_t LoadedModel::num_tokens_to_feed(const RenderedPrompt& prompt) const {
  if (prompt.continuations.empty()) return std::ssize(encoder_.encode_context(prompt)) + kMaxAnswerTokens - 1;
  std::int64_t longest = 0;
  for (const auto& continuation : encoder_.encode(std::span(&prompt, 1))) {
    longest = std::max(longest, std::ssize(continuation.tokens) - 1);
  }
  return longest;
}

void LoadedModel::add_fitting_reasoning(RenderedPrompt& prompt, std::string& reasoning,
                                        const spec::ConditionSpec& condition) const {
  reasoning.erase(reasoning.find_last_not_of(" \t\n\r\f\v") + 1);  // the cue begins with its own
  while (true) {
    RenderedPrompt whole = prompt;
    add_reasoning(whole, reasoning, condition);
    const std::int64_t excess = num_tokens_to_feed(whole) - decoder_.config().context_length();
    if (excess <= 0 || reasoning.empty()) {
      prompt = std::move(whole);
      return;
    }
    const auto num_bytes = std::min(reasoning.size(), static_cast<std::size_t>(excess));
    reasoning = cut_utf8(reasoning, reasoning.size() - num_bytes);  // a token has a byte or more
  }
}

engine::Scores LoadedModel::score(const task::Task& task, std::int64_t first, std::int64_t count,
                                  const spec::ConditionSpec& condition) {
  std::vector<RangeItem> items;
  for (std::int64_t i = first; i < first + count; ++i) items.push_back({i, encoder_.render(task, i, condition), {}});
  std::int64_t num_tokens_fed = 0;
  if (condition.cot) {
    const spec::Generation& generation = condition.generation;
    num_tokens_fed += write_texts(items, {.max_new_tokens = generation.max_new_tokens,
                                          .temperature = generation.temperature,
                                          .top_p = generation.top_p,
                                          .seed = generation.seed,
                                          .stop = stop_texts(condition),
                                          .end_tokens = end_tokens_});
    for (RangeItem& item : items) {
      for (std::size_t i = 0; i < item.prompts.size(); ++i) {
        add_fitting_reasoning(item.prompts[i], item.texts[i].text, condition);
      }
    }
  }
  engine::Scores scores;
  if (task.format == spec::TaskFormat::kNumeric) {
    scores.items.resize(items.size());
    num_tokens_fed +=
        write_texts(items, {.max_new_tokens = kMaxAnswerTokens, .stop = {"\n"}, .end_tokens = end_tokens_});
  } else {
    scores = score_classes(items);
  }
  scores.num_tokens_fed += num_tokens_fed;
  for (std::size_t i = 0; i < items.size(); ++i) scores.items[i].texts = std::move(items[i].texts);
  return scores;
}

engine::Scores LoadedModel::score_classes(std::span<const RangeItem> items) {
  const std::int64_t max_tokens = decoder_.config().context_length();
  std::vector<engine::Request> requests;
  for (const RangeItem& item : items) {
    try {
      requests.push_back(encoder_.encode(item.prompts));
      for (const auto& continuation : requests.back()) decoder_.check_tokens(continuation.tokens);
    } catch (const DataError& e) {
      throw DataError(fmt::format("item {}: {}", item.index, e.what()));
    }
    for (const auto& continuation : requests.back()) {
      const std::int64_t num_fed = std::ssize(continuation.tokens) - 1;
      if (num_fed <= max_tokens) continue;
      throw DataError(
          fmt::format("item {}: the prompt with its continuation has {} tokens to feed, and the model's context is {}",
                      item.index, num_fed, max_tokens));
    }
  }
  engine::Scores scores = scorer_.score(requests);
  for (std::size_t i = 0; i < scores.items.size(); ++i) {
    for (const double log_likelihood : scores.items[i].log_likelihoods) {
      if (std::isfinite(log_likelihood)) continue;
      throw DataError(fmt::format("item {}: a log-likelihood is {}; weights or activations are not finite numbers",
                                  items[i].index, log_likelihood));
    }
  }
  return scores;
}

}  // namespace catenary::cli
