#include "catenary/engine/batch.h"

#include <algorithm>
#include <cstddef>

namespace catenary::engine {
namespace {

using tokenizer::TokenId;
using Tokens = std::span<const TokenId>;

// What is fed for a continuation: all but its last token.
Tokens fed_tokens(const EncodedContinuation& continuation) {
  return Tokens(continuation.tokens).first(continuation.tokens.size() - 1);
}

// A class of a request: what is fed for it, and what is scored.
struct Sequence {
  std::size_t request_index, class_index;
  const EncodedContinuation* continuation;
  Tokens fed;
  bool shares;
};

// What all begin with, `max_tokens` of it at most, and no continuation begins in.
Tokens common_prefix(std::span<const Sequence> sequences, std::int64_t max_tokens) {
  if (sequences.size() < 2) return {};
  Tokens prefix = sequences.front().fed;
  for (const Sequence& sequence : sequences) {
    if (!sequence.shares) return {};
    prefix =
        prefix.first(std::min(num_common_tokens(prefix, sequence.fed), sequence.continuation->continuation_begin - 1));
  }
  prefix = prefix.first(std::min(prefix.size(), static_cast<std::size_t>(max_tokens)));
  return prefix.size() < kShortestPrefix ? Tokens{} : prefix;
}

void add_to(Batch& batch, const Sequence& sequence, std::size_t prefix_length) {
  const auto path = batch.tree.add(sequence.fed.subspan(prefix_length), sequence.shares);
  const EncodedContinuation& continuation = *sequence.continuation;
  for (std::size_t i = continuation.continuation_begin; i < continuation.tokens.size(); ++i) {
    batch.targets.push_back(
        {sequence.request_index, sequence.class_index, path[i - 1 - prefix_length], continuation.tokens[i]});
  }
}

// Targets name tokens of the tree so far; now they name rows.
void collect_rows(Batch& batch) {
  std::ranges::stable_sort(batch.targets, {}, &Batch::Target::row);
  for (Batch::Target& target : batch.targets) {
    if (batch.rows.empty() || batch.rows.back() != target.row) batch.rows.push_back(target.row);
    target.row = std::ssize(batch.rows) - 1;
  }
}

}  // namespace

std::size_t num_common_tokens(Tokens a, Tokens b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

std::int64_t Batches::num_tokens() const {
  std::int64_t total = std::ssize(prefix);
  for (const Batch& batch : batches) total += batch.tree.num_tokens();
  return total;
}

Batches make_batches(std::span<const Request> requests, const weights::ModelConfig& config,
                     const BatchOptions& options) {
  std::vector<Sequence> sequences;
  for (std::size_t request_index = 0; request_index < requests.size(); ++request_index) {
    for (std::size_t class_index = 0; class_index < requests[request_index].size(); ++class_index) {
      const EncodedContinuation& continuation = requests[request_index][class_index];
      const Tokens fed = fed_tokens(continuation);
      const bool shares = options.share_prefixes && !config.position_depends_on_length(std::ssize(fed));
      sequences.push_back({request_index, class_index, &continuation, fed, shares});
    }
  }
  if (options.share_prefixes) {
    std::ranges::stable_sort(
        sequences, [](Tokens a, Tokens b) { return std::ranges::lexicographical_compare(a, b); }, &Sequence::fed);
  }

  Batches result;
  const Tokens prefix = options.share_prefixes ? common_prefix(sequences, options.max_prefix_tokens) : Tokens{};
  result.prefix.assign(prefix.begin(), prefix.end());
  for (const Sequence& sequence : sequences) {
    const Tokens rest = sequence.fed.subspan(prefix.size());
    std::vector<Batch>& batches = result.batches;
    if (batches.empty() ||
        (batches.back().tree.num_tokens() > 0 &&
         batches.back().tree.num_tokens() + batches.back().tree.num_new_tokens(rest, sequence.shares) >
             options.max_tokens)) {
      batches.push_back({.tree = model::PrefixTree(std::ssize(prefix))});
    }
    add_to(batches.back(), sequence, prefix.size());
  }
  std::ranges::for_each(result.batches, collect_rows);
  return result;
}

}  // namespace catenary::engine
