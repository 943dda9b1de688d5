#include "catenary/engine/batch.h"

#include <fmt/format.h>

#include <algorithm>

#include "catenary/base/error.h"

namespace catenary::engine {
namespace {

using tokenizer::TokenId;
using Tokens = std::span<const TokenId>;

// What is fed for a continuation: all but its last token.
Tokens fed_tokens(const EncodedContinuation& continuation) {
  return Tokens(continuation.tokens).first(continuation.tokens.size() - 1);
}

// Adds one item. Classes that feed the same tokens (one-token answers, above all) share a sequence.
void append(Batch& batch, std::size_t request_index, const Request& request) {
  struct Fed {
    Tokens tokens;
    std::int64_t first_row;
  };
  std::vector<Fed> fed;
  for (std::size_t class_index = 0; class_index < request.size(); ++class_index) {
    const EncodedContinuation& continuation = request[class_index];
    const Tokens tokens = fed_tokens(continuation);
    auto it = std::find_if(fed.begin(), fed.end(),
                           [&](const Fed& other) { return std::ranges::equal(other.tokens, tokens); });
    if (it == fed.end()) {
      it = fed.insert(fed.end(), {tokens, batch.sequences.num_tokens()});
      batch.sequences.tokens.insert(batch.sequences.tokens.end(), tokens.begin(), tokens.end());
      batch.sequences.ends.push_back(batch.sequences.num_tokens());
    }
    for (std::size_t i = continuation.continuation_begin; i < continuation.tokens.size(); ++i) {
      batch.targets.push_back(
          {request_index, class_index, it->first_row + static_cast<std::int64_t>(i) - 1, continuation.tokens[i]});
    }
  }
}

std::int64_t num_tokens_at_most(const Request& request) {
  std::int64_t num_tokens = 0;
  for (const auto& continuation : request) num_tokens += std::ssize(continuation.tokens) - 1;
  return num_tokens;
}

}  // namespace

Request encode_request(const tokenizer::Tokenizer& tokenizer, std::string_view context,
                       const std::vector<std::string>& continuations) {
  const std::string_view stripped = context.substr(0, context.find_last_not_of(" \t\n\r\f\v") + 1);
  const std::string trailing_space(context.substr(stripped.size()));

  std::vector<TokenId> context_ids = tokenizer.encode(stripped, /*add_special_tokens=*/true);
  std::vector<TokenId> start;  // stands in for an empty context
  if (context_ids.empty()) {
    const auto id = tokenizer.bos_id() ? tokenizer.bos_id() : tokenizer.eos_id();
    if (!id) throw DataError("the prompt is empty, and the tokenizer has no BOS or EOS token to start from");
    start = {*id};
  }

  Request request;
  for (const std::string& text : continuations) {
    EncodedContinuation encoded{start, start.size() + context_ids.size()};
    const auto whole = tokenizer.encode(std::string(stripped) + trailing_space + text, /*add_special_tokens=*/true);
    encoded.tokens.insert(encoded.tokens.end(), whole.begin(), whole.end());
    if (encoded.tokens.size() <= encoded.continuation_begin) {
      throw DataError(fmt::format("the continuation \"{}\" adds no token to its prompt, so it has no score", text));
    }
    request.push_back(std::move(encoded));
  }
  return request;
}

std::vector<Batch> make_batches(std::span<const Request> requests, std::int64_t max_tokens) {
  std::vector<Batch> batches;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const bool fits =
        !batches.empty() && batches.back().sequences.num_tokens() + num_tokens_at_most(requests[i]) <= max_tokens;
    if (!fits) batches.emplace_back();
    append(batches.back(), i, requests[i]);
  }
  return batches;
}

}  // namespace catenary::engine
