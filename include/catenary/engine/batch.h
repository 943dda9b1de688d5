#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/model/decoder.h"
#include "catenary/tokenizer/tokenizer.h"

namespace catenary::engine {

/// A context and one continuation as token ids.
struct EncodedContinuation {
  std::vector<tokenizer::TokenId> tokens;  // context, then continuation
  std::size_t continuation_begin = 0;      // at least 1 and less than tokens.size()
};

/// One item, ready to be scored: a continuation a class.
using Request = std::vector<EncodedContinuation>;

/// Tokenizes context and continuation as one string and splits it at the length of the tokenized context. White space
/// (ASCII) at the end of the context is counted to the continuation. An empty context becomes the tokenizer's BOS (or
/// EOS where it has none). This is the convention of EleutherAI/lm-evaluation-harness (`_encode_pair` in
/// lm_eval/api/model.py). Others tokenize the two strings apart: then a token never spans the border, and scores differ
/// where it would. The tokenizer must not append special tokens to a text. Throws DataError where nothing is left for
/// the continuation, or before it.
Request encode_request(const tokenizer::Tokenizer& tokenizer, std::string_view context,
                       const std::vector<std::string>& continuations);

/// Requests that go through the model together. A token sequence that several classes of an item share is fed once; the
/// last token of a continuation is never fed, for nothing follows it.
struct Batch {
  struct Target {
    std::size_t request_index;
    std::size_t class_index;
    std::int64_t row;          // of the hidden states
    tokenizer::TokenId token;  // that follows the row's token
  };
  model::PackedSequences sequences;
  std::vector<Target> targets;  // by request, class and position
};

/// Packs requests in order, a new batch whenever another request would take one past `max_tokens`. A request that is
/// longer by itself is cut between classes; a sequence that is longer has a batch of its own. Depends on the requests
/// alone.
std::vector<Batch> make_batches(std::span<const Request> requests, std::int64_t max_tokens);

}  // namespace catenary::engine
