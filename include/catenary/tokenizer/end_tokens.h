#pragma once

#include <vector>

#include "catenary/tokenizer/tokenizer.h"

namespace catenary::tokenizer {

/// The tokens that end what a model writes, ascending: the tokenizer's EOS, and those that the checkpoint names beside
/// it, as `eos_token_id` in generation_config.json (a chat model's end of turn), or as tokenizer.ggml.eot_token_id and
/// eom_token_id in a GGUF. May be empty. Throws DataError for a generation_config.json that is malformed.
std::vector<TokenId> end_tokens(const weights::Checkpoint& checkpoint, const Tokenizer& tokenizer);

}  // namespace catenary::tokenizer
