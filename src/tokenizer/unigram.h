#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizer/string_map.h"
#include "tokenizer/tokenizer_spec.h"
#include "tokenizer/trie.h"

namespace catenary::tokenizer {

/// Unigram language model: of all ways to write a piece as tokens, the one whose log-probabilities have the largest
/// sum. T. Kudo, "Subword regularization: improving neural network translation models with multiple subword
/// candidates", 2018.
class Unigram {
 public:
  /// Throws DataError naming file and key if there is neither an unk_id nor a token for each byte.
  explicit Unigram(const TokenizerSpec& spec);

  /// Buffers that `encode` reuses from piece to piece.
  struct Scratch {
    // The best way to write the text up to here.
    struct Node {
      double score;
      std::uint32_t begin;  // of its last token
      TokenId id;           // kNone where nothing ends
    };
    struct Part {
      std::uint32_t begin, end;
      TokenId id;
    };
    std::vector<Node> best;  // by where it ends
    std::vector<Part> parts;
  };

  /// Appends the tokens of `piece`, which is shorter than 4 GiB. Throws DataError for an unknown character where there
  /// is no unk_id.
  void encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const;

 private:
  void find_best(std::string_view piece, std::vector<Scratch::Node>& best) const;
  void add_unknown(std::string_view text, std::vector<TokenId>& ids) const;

  StringMap<TokenId> id_of_token_;
  std::vector<double> scores_;  // by id
  Trie trie_;
  double unk_score_;
  std::optional<TokenId> unk_id_;
  std::array<std::optional<TokenId>, 256> fallback_id_;
};

}  // namespace catenary::tokenizer
