#include "cli/run/loaded_model.h"

#include <c10/util/Exception.h>
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

model::MemoryPlan plan(const weights::ModelConfig& config, spec::DType dtype, at::Device device,
                       std::int64_t memory_bytes) {
  const engine::BatchOptions usual;
  const auto plan = model::plan_memory(config, dtype, device, memory_bytes, usual.max_tokens);
  const double mebibytes = static_cast<double>(memory_bytes) / (1 << 20);
  if (plan.placement == model::Placement::kStreamed) {
    log::info(fmt::format("the model does not fit into {:.0f} MiB: its layers are read while it computes", mebibytes));
  }
  if (plan.max_tokens < usual.max_tokens) {
    log::info(fmt::format("{:.0f} MiB are enough for batches of {} tokens; with {}, last bits may differ", mebibytes,
                          plan.max_tokens, usual.max_tokens));
  }
  return plan;
}

}  // namespace

std::int64_t memory_of_rank(std::optional<std::int64_t> budget_bytes, at::Device device,
                            const parallel::Communicator* communicator) {
  model::share_host_memory(num_ranks_at(host_name(), communicator));
  // A tenth is left to others: a system that runs out of memory ends processes.
  const std::int64_t own = budget_bytes.value_or(model::available_bytes(device) / 10 * 9);
  if (communicator == nullptr) return own;
  std::int64_t least = own;
  for (const std::string& bytes : communicator->all_gather(std::to_string(own))) {
    least = std::min<std::int64_t>(least, std::stoll(bytes));
  }
  return least;
}

void without_backtrace(const std::function<void()>& act) {
  try {
    act();
  } catch (const c10::Error& e) {
    throw Error(e.what_without_backtrace());
  }
}

std::unique_ptr<parallel::TensorParallelGroup> make_group(const parallel::Communicator& among_ranks, int first_rank,
                                                          int num_ranks, at::Device device) {
  const auto make = device.is_cuda() ? parallel::make_nccl_group : parallel::make_mpi_group;
  return make(among_ranks, first_rank, num_ranks);
}

LoadedModel::LoadedModel(const weights::Checkpoint& checkpoint, const std::vector<spec::ConditionSpec>& conditions,
                         spec::DType dtype, at::Device device, std::int64_t memory_bytes,
                         parallel::TensorParallelGroup& group)
    : plan_(
          plan(weights::config_of(checkpoint.config(), {group.size() - 1, group.size()}), dtype, device, memory_bytes)),
      encoder_(checkpoint, conditions),
      end_tokens_(tokenizer::end_tokens(checkpoint, encoder_.tokenizer())),
      decoder_(checkpoint, dtype, device, plan_.placement, model::Kernels::kOwn, group),
      scorer_(decoder_, {.max_tokens = plan_.max_tokens, .max_prefix_tokens = plan_.max_kept_tokens}) {}

std::int64_t LoadedModel::write_texts(std::span<Item> items, engine::GenerationOptions options,
                                      const spec::ConditionSpec& condition) {
  std::vector<engine::Prompt> prompts;
  for (Item& item : items) {
    for (const RenderedPrompt& prompt : item.prompts) {
      try {
        prompts.push_back({encoder_.encode_context(prompt), static_cast<std::uint64_t>(item.index)});
        decoder_.check_tokens(prompts.back().tokens);
        item.is_truncated |=
            fit_prompt(prompts.back().tokens, decoder_.config().context_length(), options.max_new_tokens, condition);
      } catch (const DataError& e) {
        throw DataError(fmt::format("item {}: {}", item.index, e.what()));
      }
    }
  }
  options.max_tokens = plan_.max_text_tokens;
  scorer_.forget_prefix();
  engine::Generations written =
      engine::generate(decoder_, encoder_.tokenizer(), prompts, options, scorer_.options().max_texts);
  auto next = written.items.begin();
  for (Item& item : items) {
    for (std::size_t i = 0; i < item.prompts.size(); ++i, ++next) {
      item.is_truncated |= next->finish_reason == engine::FinishReason::kLength &&
                           std::ssize(next->tokens) < options.max_new_tokens;  // the context ended it
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
  if (condition.too_long == spec::TooLong::kTruncateLeft) return add_reasoning(prompt, reasoning, condition);
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

void LoadedModel::tokenize(Item& item, const spec::ConditionSpec& condition) const {
  try {
    item.request = encoder_.encode(item.prompts);
    item.is_truncated |= fit_context(item.request, decoder_.config().context_length(), condition);
    for (const auto& continuation : item.request) decoder_.check_tokens(continuation.tokens);
  } catch (const DataError& e) {
    throw DataError(fmt::format("item {}: {}", item.index, e.what()));
  }
}

std::vector<LoadedModel::Item> LoadedModel::prepare(const task::Task& task, std::int64_t first, std::int64_t count,
                                                    const spec::ConditionSpec& condition) const {
  std::vector<Item> items;
  for (std::int64_t i = first; i < first + count; ++i) {
    items.push_back({.index = i, .prompts = encoder_.render(task, i, condition)});
    if (num_texts(task.format, condition) == 0) tokenize(items.back(), condition);
  }
  return items;
}

engine::Scores LoadedModel::score(const std::vector<Item>& items, spec::TaskFormat format,
                                  const spec::ConditionSpec& condition) {
  engine::Scores scores;
  scorer_.run_together([&] { without_backtrace([&] { scores = score_here(items, format, condition); }); });
  return scores;
}

engine::Scores LoadedModel::score_here(std::vector<Item> items, spec::TaskFormat format,
                                       const spec::ConditionSpec& condition) {
  std::int64_t num_tokens_fed = 0;
  if (condition.cot) {
    const spec::Generation& generation = condition.generation;
    num_tokens_fed += write_texts(items,
                                  {.max_new_tokens = generation.max_new_tokens,
                                   .temperature = generation.temperature,
                                   .top_p = generation.top_p,
                                   .seed = generation.seed,
                                   .stop = stop_texts(condition),
                                   .end_tokens = end_tokens_},
                                  condition);
    for (Item& item : items) {
      for (std::size_t i = 0; i < item.prompts.size(); ++i) {
        add_fitting_reasoning(item.prompts[i], item.texts[i].text, condition);
      }
    }
  }
  engine::Scores scores;
  if (format == spec::TaskFormat::kNumeric) {
    scores.items.resize(items.size());
    num_tokens_fed +=
        write_texts(items, {.max_new_tokens = kMaxAnswerTokens, .stop = {"\n"}, .end_tokens = end_tokens_}, condition);
  } else {
    for (Item& item : items) {
      if (condition.cot) tokenize(item, condition);
    }
    scores = score_classes(items);
  }
  scores.num_tokens_fed += num_tokens_fed;
  for (std::size_t i = 0; i < items.size(); ++i) {
    scores.items[i].is_truncated = items[i].is_truncated;
    scores.items[i].texts = std::move(items[i].texts);
  }
  return scores;
}

engine::Scores LoadedModel::score_classes(std::span<const Item> items) {
  std::vector<engine::Request> requests;
  for (const Item& item : items) requests.push_back(item.request);
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
