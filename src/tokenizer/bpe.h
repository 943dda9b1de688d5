#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/string_map.h"
#include "tokenizer/tokenizer_spec.h"

namespace catenary::tokenizer {

/// Byte-pair encoding of one piece: its bytes' tokens, then the pair of the lowest rank is merged, the leftmost first,
/// until no pair has a merge. R. Sennrich, B. Haddow, A. Birch, "Neural machine translation of rare words with subword
/// units", 2016.
class Bpe {
 public:
  /// Throws DataError naming file and key: a token or id that comes twice, a merge of or to a token that does not
  /// exist.
  explicit Bpe(const TokenizerSpec& spec);

  /// Buffers that `encode` reuses from piece to piece.
  struct Scratch {
    struct Symbol {
      TokenId id;
      std::uint32_t previous, next;  // kNone at the ends
    };
    struct Candidate {
      std::uint32_t rank, position;
      TokenId left, right, merged;
      // For the standard heap, which keeps the largest on top.
      bool operator<(const Candidate& other) const {
        return rank != other.rank ? rank > other.rank : position > other.position;
      }
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  /// Appends the tokens of `piece`, which is shorter than 4 GiB.
  void encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const;

 private:
  struct Rule {
    std::uint32_t rank;
    TokenId merged;
  };
  using TokenIds = std::unordered_map<std::string_view, TokenId>;

  void read_merges(const TokenizerSpec& spec, const TokenIds& id_of_token);
  void find_whole_pieces(const TokenizerSpec& spec);
  void merge(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const;
  void propose(std::uint32_t left, Scratch& scratch) const;

  std::array<std::optional<TokenId>, 256> id_of_byte_;
  std::optional<TokenId> unk_id_;
  bool fuse_unk_;
  std::unordered_map<std::uint64_t, Rule> rules_;  // by pair_key
  // Pieces that are one token, known without merging: all tokens with ignore_merges, else those that merging arrives
  // at.
  StringMap<TokenId> id_of_piece_;
};

}  // namespace catenary::tokenizer
