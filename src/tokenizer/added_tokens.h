#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string_view>
#include <vector>

#include "tokenizer/string_map.h"
#include "tokenizer/tokenizer_spec.h"

namespace catenary::tokenizer {

/// Finds added tokens in a text: the leftmost one, the longest of those that start there, then on behind it.
class AddedTokens {
 public:
  using Sink = std::function<void(std::string_view text)>;

  AddedTokens() = default;
  /// Of several tokens with the same content the first counts.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  /// Appends the ids of the tokens found in `text` to `ids` and calls `on_text`, in between and in order, with what
  /// lies between them.
  void split(std::string_view text, std::vector<TokenId>& ids, const Sink& on_text) const;

 private:
  const AddedToken* longest_at(std::string_view text, std::size_t position) const;

  StringMap<AddedToken> by_content_;
  std::array<std::vector<std::size_t>, 256> lengths_;  // of the tokens that start with a byte, longest first
};

}  // namespace catenary::tokenizer
