#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/tokenizer/tokenizer.h"

namespace catenary::tokenizer {

/// A context and one continuation as token ids.
struct EncodedContinuation {
  std::vector<TokenId> tokens;         // context, then continuation
  std::size_t continuation_begin = 0;  // at least 1 and less than tokens.size()
};

/// Where a context comes from.
enum class Context {
  kText,      // written as it is: the tokenizer adds its special tokens
  kRendered,  // by a chat template, which has written the special tokens itself
};

/// Tokenizes context and continuation as one string and splits it at the length of the tokenized context. In text,
/// white space (ASCII) at the end of the context is counted to the continuation, and an empty context becomes the
/// tokenizer's BOS (or EOS where it has none): the convention of EleutherAI/lm-evaluation-harness (`_encode_pair` in
/// lm_eval/api/model.py). What a template renders ends where it ends. Others tokenize the two strings apart: then a
/// token never spans the border, and scores differ where it would. The tokenizer must not append special tokens to a
/// text. Throws DataError where nothing is left for the continuation, or before it.
std::vector<EncodedContinuation> encode_continuations(const Tokenizer& tokenizer, std::string_view context,
                                                      Context kind, const std::vector<std::string>& continuations);

/// A context alone, for a model to go on with: all of it, white space at its end, too. An empty one becomes BOS or EOS
/// as above.
std::vector<TokenId> encode_context(const Tokenizer& tokenizer, std::string_view context, Context kind);

}  // namespace catenary::tokenizer
