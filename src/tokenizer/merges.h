#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/tokenizer_spec.h"

namespace catenary::tokenizer {

using TokenPair = std::pair<std::string, std::string>;

/// `pairs`, lowest rank first, as ids of spec.vocab. Throws DataError naming a merge of or to a token that does not
/// exist.
std::vector<Merge> merges_of_pairs(const TokenizerSpec& spec, std::span<const TokenPair> pairs);

/// SentencePiece stores no merges: two neighbours become one where that is a token, the token of the highest score
/// first. So each token has as many merges as there are ways to write it as two; all have the same rank. Throws
/// DataError for a token that is too long to be one.
std::vector<Merge> merges_of_scores(const TokenizerSpec& spec);

}  // namespace catenary::tokenizer
