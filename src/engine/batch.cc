#include "catenary/engine/batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "catenary/base/error.h"

namespace catenary::engine {
namespace {

using tokenizer::TokenId;
using Tokens = std::span<const TokenId>;

// What is fed for a continuation: all but its last token.
Tokens fed_tokens(const EncodedContinuation& continuation) {
  return Tokens(continuation.tokens).first(continuation.tokens.size() - 1);
}

std::int64_t num_tokens_at_most(const Request& request) {
  std::int64_t num_tokens = 0;
  for (const auto& continuation : request) num_tokens += std::ssize(continuation.tokens) - 1;
  return num_tokens;
}

struct Before {
  bool operator()(Tokens a, Tokens b) const { return std::ranges::lexicographical_compare(a, b); }
};

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
  const auto is_full = [&](std::int64_t more) {
    return batches.empty() ||
           (batches.back().sequences.num_tokens() > 0 && batches.back().sequences.num_tokens() + more > max_tokens);
  };
  for (std::size_t request_index = 0; request_index < requests.size(); ++request_index) {
    const Request& request = requests[request_index];
    if (is_full(num_tokens_at_most(request))) batches.emplace_back();
    // Classes that feed the same tokens (one-token answers, above all) share a sequence: its first row in the batch.
    std::map<Tokens, std::int64_t, Before> first_rows;
    for (std::size_t class_index = 0; class_index < request.size(); ++class_index) {
      const EncodedContinuation& continuation = request[class_index];
      const Tokens fed = fed_tokens(continuation);
      if (!first_rows.contains(fed) && is_full(std::ssize(fed))) {
        batches.emplace_back();
        first_rows.clear();
      }
      Batch& batch = batches.back();
      const auto [it, is_new] = first_rows.try_emplace(fed, batch.sequences.num_tokens());
      if (is_new) {
        batch.sequences.tokens.insert(batch.sequences.tokens.end(), fed.begin(), fed.end());
        batch.sequences.ends.push_back(batch.sequences.num_tokens());
      }
      for (std::size_t i = continuation.continuation_begin; i < continuation.tokens.size(); ++i) {
        batch.targets.push_back(
            {request_index, class_index, it->second + static_cast<std::int64_t>(i) - 1, continuation.tokens[i]});
      }
    }
  }
  return batches;
}

}  // namespace catenary::engine
