#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer_spec.h"
#include "tokenizer/trie.h"

namespace catenary::tokenizer {

/// WordPiece: the longest token that a word starts with, then the longest that goes on with it ("##…"), and so on; a
/// word that cannot be written so is unknown. J. Devlin and others, "BERT: pre-training of deep bidirectional
/// transformers for language understanding", 2019.
class WordPiece {
 public:
  /// Throws DataError naming file and key if the unk_token is not in the vocabulary.
  explicit WordPiece(const TokenizerSpec& spec);

  struct Scratch {};
  /// Appends the tokens of `word`.
  void encode(std::string_view word, Scratch&, std::vector<TokenId>& ids) const;

 private:
  Trie first_, next_;  // next_: without the prefix
  std::size_t max_chars_;
  TokenId unk_id_;
};

}  // namespace catenary::tokenizer
