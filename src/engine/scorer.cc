#include "catenary/engine/scorer.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <string>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/model/memory_plan.h"

namespace catenary::engine {

Scores Scorer::score(std::span<const Request> requests) {
  while (true) {
    if (auto scores = try_score(requests)) return std::move(*scores);
  }
}

std::optional<Scores> Scorer::try_score(std::span<const Request> requests) {
  Scores scores;
  for (const Request& request : requests) {
    const std::size_t num_classes = request.size();
    scores.items.push_back({std::vector<double>(num_classes, 0.0), std::vector<std::int32_t>(num_classes, 0),
                            std::vector<std::uint8_t>(num_classes, 1)});
  }
  const Batches all = make_batches(requests, decoder_.config(), options_);
  if (prefix_.tokens != all.prefix) prefix_ = {all.prefix};
  if (prefix_.layers.empty() && !all.batches.empty()) scores.num_tokens_fed += prefix_.length();
  for (const Batch& batch : all.batches) {
    try {
      add_scores(batch, scores);
    } catch (const std::exception& e) {
      if (!model::is_out_of_memory(e)) throw;
      shrink_batches(batch);
      if (decoder_.group().size() > 1) throw;  // the others are to do the same
      return std::nullopt;
    }
  }
  return scores;
}

// Ranks may differ in what a failure left behind: whether a prefix was read, and their limits, of which all get the
// least.
void Scorer::run_together(const std::function<void()>& act) {
  parallel::TensorParallelGroup& group = decoder_.group();
  while (true) {
    const BatchOptions before = options_;
    try {
      return parallel::agree(group, act);
    } catch (const std::exception&) {
      prefix_ = {};
      bool is_less = false;
      parallel::agree(group, [&] {
        for (const auto limit :
             {&BatchOptions::max_tokens, &BatchOptions::max_prefix_tokens, &BatchOptions::max_texts}) {
          for (const std::string& other : group.all_gather(std::to_string(options_.*limit))) {
            options_.*limit = std::min<std::int64_t>(options_.*limit, std::stoll(other));
          }
          is_less = is_less || options_.*limit < before.*limit;
        }
      });
      if (!is_less) throw;
    }
  }
}

void Scorer::add_scores(const Batch& batch, Scores& scores) {
  std::vector<std::int64_t> rows;
  std::vector<tokenizer::TokenId> tokens;
  for (const Batch::Target& target : batch.targets) {
    rows.push_back(target.row);
    tokens.push_back(target.token);
  }
  const auto hidden = decoder_.hidden_states(batch.tree, batch.rows, prefix_.tokens.empty() ? nullptr : &prefix_);
  const auto token_scores = decoder_.score_next_tokens(hidden, rows, tokens);
  for (std::size_t i = 0; i < token_scores.size(); ++i) {
    const Batch::Target& target = batch.targets[i];
    spec::ItemScore& item = scores.items[target.request_index];
    item.log_likelihoods[target.class_index] += token_scores[i].log_probability;
    item.num_tokens[target.class_index] += 1;
    item.is_greedy[target.class_index] &= static_cast<std::uint8_t>(token_scores[i].is_argmax);
  }
  scores.num_tokens_fed += batch.tree.num_tokens();
}

void Scorer::shrink_batches(const Batch& batch) {
  const std::int64_t num_tokens = batch.tree.num_tokens();
  const std::int64_t prefix_length = batch.tree.prefix_length();
  const bool can_be_cut = batch.tree.branches().size() > 1;  // so half of its tokens leaves a sequence out
  prefix_ = {};
  ::malloc_trim(0);  // what the batch had is kept for the next one of its size otherwise
  if (prefix_length > (can_be_cut ? num_tokens : 0)) {
    options_.max_prefix_tokens = 0;  // smaller batches would leave the most of it
  } else if (can_be_cut) {
    options_.max_tokens = num_tokens / 2;
  } else {
    throw Error(
        fmt::format("out of memory: a prompt with its continuation, {} tokens, does not fit even alone", num_tokens));
  }
  log::warning(fmt::format("out of memory with {} tokens at a time; going on with {} at most{}", num_tokens,
                           options_.max_tokens, options_.max_prefix_tokens == 0 ? " and no kept prefix" : ""));
}

}  // namespace catenary::engine
