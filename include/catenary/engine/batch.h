#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "catenary/model/decoder.h"
#include "catenary/model/memory_plan.h"
#include "catenary/tokenizer/continuation.h"

namespace catenary::engine {

using tokenizer::EncodedContinuation;

/// One item, ready to be scored: a continuation a class.
using Request = std::vector<EncodedContinuation>;

/// A common beginning of fewer tokens is not worth a pass of its own.
inline constexpr std::size_t kShortestPrefix = 32;

/// How many tokens two sequences begin with alike.
std::size_t num_common_tokens(std::span<const tokenizer::TokenId> a, std::span<const tokenizer::TokenId> b);

/// How requests are put together.
struct BatchOptions {
  /// Tokens that go through a layer before the next one begins. They need memory for their hidden states and for one
  /// layer's keys and values.
  std::int64_t max_tokens = 16384;
  /// A prefix is this long at most: keys and values of all layers are kept for it.
  std::int64_t max_prefix_tokens = std::numeric_limits<std::int64_t>::max();
  /// Texts that are generated side by side.
  std::int64_t max_texts = model::kMaxTexts;
  /// Whether requests that begin alike are computed once up to where they part.
  bool share_prefixes = true;
};

/// Requests that go through the model together. Of a continuation the last token is never fed, for nothing follows it.
struct Batch {
  struct Target {
    std::size_t request_index;
    std::size_t class_index;
    std::int64_t row;          // in `rows`
    tokenizer::TokenId token;  // that follows the row's token
  };
  model::PrefixTree tree;
  std::vector<std::int64_t> rows;  // the tree's tokens whose successor is scored, ascending
  std::vector<Target> targets;     // by row; those of one class also by position
};

struct Batches {
  std::vector<tokenizer::TokenId> prefix;  // what all trees follow; may be empty
  std::vector<Batch> batches;

  std::int64_t num_tokens() const;  // all that is fed
};

/// Sorts the token sequences of all requests, and puts as many as `max_tokens` allows into each tree; a sequence that
/// is longer has a tree of its own. What all begin with, where it is long enough to be worth it, becomes the prefix.
/// Sequences whose rotary embedding depends on their length share nothing. Depends on the requests, the config and the
/// options alone.
Batches make_batches(std::span<const Request> requests, const weights::ModelConfig& config,
                     const BatchOptions& options = {});

}  // namespace catenary::engine
