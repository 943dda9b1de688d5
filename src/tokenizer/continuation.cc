#include "catenary/tokenizer/continuation.h"

#include <fmt/format.h>

#include "catenary/base/error.h"

namespace catenary::tokenizer {

namespace {

// What stands in for an empty context.
std::vector<TokenId> start_without_context(const Tokenizer& tokenizer) {
  const auto id = tokenizer.bos_id() ? tokenizer.bos_id() : tokenizer.eos_id();
  if (!id) throw DataError("the prompt is empty, and the tokenizer has no BOS or EOS token to start from");
  return {*id};
}

}  // namespace

std::vector<TokenId> encode_context(const Tokenizer& tokenizer, std::string_view context, Context kind) {
  auto ids = tokenizer.encode(context, kind == Context::kText);
  return ids.empty() ? start_without_context(tokenizer) : ids;
}

std::vector<EncodedContinuation> encode_continuations(const Tokenizer& tokenizer, std::string_view context,
                                                      Context kind, const std::vector<std::string>& continuations) {
  const bool is_text = kind == Context::kText;
  const std::string_view split = is_text ? context.substr(0, context.find_last_not_of(" \t\n\r\f\v") + 1) : context;
  const std::vector<TokenId> context_ids = tokenizer.encode(split, is_text);
  const auto start = context_ids.empty() ? start_without_context(tokenizer) : std::vector<TokenId>();
  std::vector<EncodedContinuation> all;
  for (const std::string& text : continuations) {
    EncodedContinuation encoded{start, start.size() + context_ids.size()};
    const auto whole = tokenizer.encode(std::string(context) + text, is_text);
    encoded.tokens.insert(encoded.tokens.end(), whole.begin(), whole.end());
    if (encoded.tokens.size() <= encoded.continuation_begin) {
      throw DataError(fmt::format("the continuation \"{}\" adds no token to its prompt, so it has no score", text));
    }
    all.push_back(std::move(encoded));
  }
  return all;
}

}  // namespace catenary::tokenizer
