#include "cli/token_count.h"

#include <fmt/format.h>

#include <algorithm>

#include "catenary/base/error.h"
#include "catenary/spec/work_unit.h"

namespace catenary::cli {

const TokenCount& StudyTokens::count(const ItemEncoder& encoder, std::size_t task_index, std::size_t condition_index) {
  const spec::ConditionSpec& condition = study_.spec.conditions[condition_index];
  const auto* chat_template = encoder.chat_template(condition);
  const auto [entry, is_new] = counts_.try_emplace({encoder.tokenizer().fingerprint(),
                                                    chat_template == nullptr ? "" : chat_template->fingerprint(),
                                                    std::to_string(task_index), std::to_string(condition_index)});
  if (is_new) entry->second = count_tokens(encoder, study_.tasks[task_index], condition);
  return entry->second;
}

TokenCount count_tokens(const ItemEncoder& encoder, const task::Task& task, const spec::ConditionSpec& condition) {
  TokenCount count;
  std::vector<std::vector<tokenizer::TokenId>> all_fed;
  std::vector<FedTokens> range;
  std::vector<tokenizer::TokenId> header;
  scheduler::TokenCounts written;  // in this range, at most
  const auto feed = [&](std::vector<tokenizer::TokenId> tokens, std::size_t scored_from) {
    const auto num_fed = std::ssize(tokens);
    count.num_tokens += num_fed;
    count.longest.back() = std::max(count.longest.back(), num_fed);
    range.push_back({tokens, scored_from});
    if (all_fed.empty() || all_fed.back() != tokens) all_fed.push_back(std::move(tokens));
  };
  const auto feed_context = [&](std::vector<tokenizer::TokenId> tokens) {
    const std::size_t size = tokens.size();
    feed(std::move(tokens), size);
  };
  for (std::int64_t i = task.first; i < task.first + task.count; ++i) {
    count.longest.push_back(0);
    const std::int64_t num_generated = max_generated_tokens(task.format, condition);
    count.max_generated_tokens += num_generated;
    try {
      auto prompts = encoder.render(task, i, condition);
      for (RenderedPrompt& prompt : prompts) {
        if (!condition.cot) continue;
        feed_context(encoder.encode_context(prompt));
        add_reasoning(prompt, "", condition);
      }
      for (const RenderedPrompt& prompt : prompts) {
        if (prompt.continuations.empty()) feed_context(encoder.encode_context(prompt));
      }
      for (auto& [tokens, continuation_begin] : encoder.encode(prompts)) {
        tokens.pop_back();
        count.num_continuations += 1;
        feed(std::move(tokens), continuation_begin);
      }
      const auto num_written = static_cast<double>(num_generated);
      const double seen = static_cast<double>(count.longest.back()) + num_written / 2;
      written += {.tokens = num_written, .tokens_seen = num_written * seen, .rows = num_written};
    } catch (const DataError& e) {
      count.problems.push_back(fmt::format("item {}: {}", i, e.what()));
    }
    const std::int64_t num_counted = i + 1 - task.first;
    if (num_counted % spec::kItemsPerRange == 0 || num_counted == task.count) {
      count.ranges.push_back(count_range(range, header));
      range.clear();
      count.ranges.back() += written;
      written = {};
    }
  }
  count.num_distinct_tokens = count_distinct_prefixes(all_fed);
  return count;
}

scheduler::TokenCounts count_range(std::span<FedTokens> sequences, std::vector<tokenizer::TokenId>& header) {
  constexpr std::size_t kShortestHeader = 32;
  if (sequences.empty()) return {};
  std::ranges::sort(sequences, {}, &FedTokens::tokens);
  const auto triangle = [](std::size_t n) { return static_cast<double>(n) * static_cast<double>(n + 1) / 2; };
  scheduler::TokenCounts counts;
  std::size_t num_common = sequences.size() < 2 ? 0 : sequences.front().tokens.size();
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const auto& [tokens, scored_from] = sequences[i];
    std::size_t num_shared = 0;
    if (i > 0) {
      const auto& before = sequences[i - 1].tokens;
      num_shared = static_cast<std::size_t>(std::ranges::mismatch(tokens, before).in1 - tokens.begin());
      num_common = std::min(num_common, num_shared);
    }
    num_common = std::min(num_common, scored_from - 1);
    counts.tokens += static_cast<double>(tokens.size() - num_shared);
    counts.tokens_seen += triangle(tokens.size()) - triangle(num_shared);
    const std::size_t first_row = std::max(num_shared, scored_from - 1);
    counts.rows += tokens.size() > first_row ? static_cast<double>(tokens.size() - first_row) : 0;
  }
  std::vector<tokenizer::TokenId> own;
  if (num_common >= kShortestHeader)
    own.assign(sequences[0].tokens.begin(), sequences[0].tokens.begin() + static_cast<std::ptrdiff_t>(num_common));
  if (own == header) {
    counts.tokens -= static_cast<double>(own.size());
    counts.tokens_seen -= triangle(own.size());
  }
  header = std::move(own);
  return counts;
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
