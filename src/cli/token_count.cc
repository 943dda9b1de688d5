#include "cli/token_count.h"

#include <fmt/format.h>

#include <algorithm>

#include "catenary/base/error.h"

namespace catenary::cli {

TokenCount count_tokens(const ItemEncoder& encoder, const task::Task& task, const spec::ConditionSpec& condition) {
  TokenCount count;
  std::vector<std::vector<tokenizer::TokenId>> all_fed;
  const auto feed = [&](std::vector<tokenizer::TokenId> tokens) {
    const auto num_fed = std::ssize(tokens);
    count.num_tokens += num_fed;
    count.longest.back() = std::max(count.longest.back(), num_fed);
    if (all_fed.empty() || all_fed.back() != tokens) all_fed.push_back(std::move(tokens));
  };
  for (std::int64_t i = task.first; i < task.first + task.count; ++i) {
    count.longest.push_back(0);
    count.max_generated_tokens += max_generated_tokens(task.format, condition);
    try {
      auto prompts = encoder.render(task, i, condition);
      for (RenderedPrompt& prompt : prompts) {
        if (!condition.cot) continue;
        feed(encoder.encode_context(prompt));
        add_reasoning(prompt, "", condition);
      }
      for (const RenderedPrompt& prompt : prompts) {
        if (prompt.continuations.empty()) feed(encoder.encode_context(prompt));
      }
      for (auto& [tokens, continuation_begin] : encoder.encode(prompts)) {
        tokens.pop_back();
        count.num_continuations += 1;
        feed(std::move(tokens));
      }
    } catch (const DataError& e) {
      count.problems.push_back(fmt::format("item {}: {}", i, e.what()));
    }
  }
  count.num_distinct_tokens = count_distinct_prefixes(all_fed);
  return count;
}

std::int64_t count_distinct_prefixes(std::span<std::vector<tokenizer::TokenId>> sequences) {
  // In sorted order a sequence shares with the one before it all that it shares with any before it.
  std::ranges::sort(sequences);
  std::int64_t num_prefixes = 0;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const auto& sequence = sequences[i];
    const auto begins_to_differ = i == 0 ? sequence.begin() : std::ranges::mismatch(sequence, sequences[i - 1]).in1;
    num_prefixes += sequence.end() - begins_to_differ;
  }
  return num_prefixes;
}

}  // namespace catenary::cli
