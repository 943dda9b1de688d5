#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "catenary/model/decoder.h"
#include "catenary/tokenizer/tokenizer.h"

namespace catenary::engine {

struct GenerationOptions {
  std::int64_t max_new_tokens = 256;
  double temperature = 0;  // 0: the most likely token each time (of equal ones the first)
  double top_p = 1;        // drawn from the fewest tokens whose probabilities add up to this (Holtzman et al., 2020)
  std::uint64_t seed = 0;
  std::vector<std::string> stop;               // texts that end a generation; not part of it
  std::vector<tokenizer::TokenId> end_tokens;  // beside the tokenizer's EOS
  std::int64_t max_tokens =
      std::numeric_limits<std::int64_t>::max();  // prompts and texts side by side; one in any case
};

enum class FinishReason { kEndToken, kStop, kLength };

struct Generation {
  std::vector<tokenizer::TokenId> tokens;  // without the end token; a stop text's tokens are among them
  std::string text;                        // up to the stop text
  FinishReason finish_reason = FinishReason::kLength;
};

struct Generations {
  std::vector<Generation> items;    // one a prompt, in order
  std::int64_t num_tokens_fed = 0;  // through the model
};

/// A prompt as token ids, and the number that, with the seed, decides what is drawn for it.
struct Prompt {
  std::vector<tokenizer::TokenId> tokens;  // at least one
  std::uint64_t id = 0;
};

/// Continues prompts token by token, many side by side. What those begin with alike goes through the model once;
/// sequences leave as they finish. A sequence that fills the model's context ends there (kLength).
/// At most `max_texts` go side by side. Where memory does not suffice that is halved, for later calls, too, and where
/// ranks hold the model together this throws (see Scorer::run_together); throws Error where one does not fit even
/// alone. Collective among such ranks. Same prompts and options, same tokens (device kind, dtype and threads being
/// equal). Throws DataError for a prompt that the model cannot take, and where rotary scaling depends on a
/// sequence's length and a sequence might reach that length; SpecError for options that make no sense.
Generations generate(const model::Decoder& decoder, const tokenizer::Tokenizer& tokenizer,
                     std::span<const Prompt> prompts, const GenerationOptions& options, std::int64_t& max_texts);

}  // namespace catenary::engine
