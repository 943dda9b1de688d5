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

/// Byte-pair encoding of one piece: the tokens of its bytes (byte-level vocabulary) or characters, then the pair of the
/// lowest rank is merged, the leftmost first, until no pair has a merge. R. Sennrich, B. Haddow, A. Birch, "Neural
/// machine translation of rare words with subword units", 2016.
class Bpe {
 public:
  /// Throws DataError naming file and key: a token that comes twice, an unk_token that does not exist.
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

  void read_symbols(const TokenizerSpec& spec, const TokenIds& id_of_token);
  void find_whole_pieces(const TokenizerSpec& spec);
  std::size_t word_end(std::string_view piece) const;
  void encode_word(std::string_view word, Scratch& scratch, std::vector<TokenId>& ids) const;
  void merge(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const;
  void add_symbols(std::string_view piece, std::vector<Scratch::Symbol>& symbols) const;
  void propose(std::uint32_t left, Scratch& scratch) const;

  bool by_bytes_;                                          // else by characters
  std::array<std::optional<TokenId>, 256> id_of_byte_;     // by_bytes: of each byte; else of each ASCII character
  std::unordered_map<std::uint32_t, TokenId> id_of_char_;  // the other characters, by char_key
  std::array<std::optional<TokenId>, 256> fallback_id_;    // of a byte of a character that has no token
  std::optional<TokenId> unk_id_;
  bool fuse_unk_;
  bool cuts_at_spaces_ = false;
  std::array<bool, 256> joins_space_{};            // a token has this byte right before a "▁"
  std::unordered_map<std::uint64_t, Rule> rules_;  // by pair_key
  // Pieces that are one token, known without merging: all tokens with ignore_merges, else those that merging arrives
  // at.
  StringMap<TokenId> id_of_piece_;
};

}  // namespace catenary::tokenizer
