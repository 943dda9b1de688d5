#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "catenary/scheduler/cost.h"
#include "catenary/spec/sweep_spec.h"
#include "catenary/task/task_reader.h"
#include "catenary/tokenizer/tokenizer.h"
#include "cli/item_encoder.h"
#include "cli/study.h"

namespace catenary::cli {

/// The tokens of a unit's scored items. A continuation is fed after its context, all but its last token, for nothing
/// follows that. A prompt that the model goes on with is fed whole. What it writes is counted apart, and not in what is
/// fed after it.
struct TokenCount {
  std::int64_t num_continuations = 0;
  std::int64_t num_tokens = 0;            // fed, were each continuation fed by itself
  std::int64_t num_distinct_tokens = 0;   // fed, were every prefix of the unit fed once: the nodes of its prefix trie
  std::int64_t max_generated_tokens = 0;  // written by the model, at most
  std::vector<std::int64_t> longest;      // per item: tokens fed for its longest continuation
  std::vector<std::string> problems;      // "item 4: …": items that cannot be scored
  std::vector<scheduler::TokenCounts>
      ranges;  // what the engine feeds for each range, one after another on one rank, at most
};

/// The token counts of a study's units. Models that share a tokenizer and a chat template are fed the same tokens,
/// which are counted once.
class StudyTokens {
 public:
  /// Refers to `study`.
  explicit StudyTokens(const Study& study) : study_(study) {}

  /// Of a model with this encoder; stays where it is.
  const TokenCount& count(const ItemEncoder& encoder, std::size_t task_index, std::size_t condition_index);

 private:
  const Study& study_;
  std::map<std::vector<std::string>, TokenCount> counts_;
};

TokenCount count_tokens(const ItemEncoder& encoder, const task::Task& task, const spec::ConditionSpec& condition);

/// Tokens fed for a continuation, and from how many on the next one is scored.
struct FedTokens {
  std::vector<tokenizer::TokenId> tokens;
  std::size_t scored_from = 0;
};

/// What the engine feeds for the sequences of one range: each prefix once; not what all begin with if that is what
/// those of the last range began with (`header`, of 32 tokens or more; changed to that of these). Sorts them.
scheduler::TokenCounts count_range(std::span<FedTokens> sequences, std::vector<tokenizer::TokenId>& header);

/// Nodes of the trie of these sequences: their different prefixes that are not empty. Sorts them.
std::int64_t count_distinct_prefixes(std::span<std::vector<tokenizer::TokenId>> sequences);

}  // namespace catenary::cli
