#include "tokenizer/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "catenary/base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"

// Merging keeps the piece as a linked list and all pairs that have a rule in a heap: n log n for a piece of n bytes. A
// pair in the heap may be out of date; it is when the list no longer holds its two tokens at its position.
//
// Most pieces of real text are one token. Whether merging arrives at a token from its own bytes is a property of the
// vocabulary, so it is found out once for every token, and those pieces cost one lookup.
//
// Vocabularies made by SentencePiece come without a pre-tokenizer: the whole text is one piece. Merging never crosses
// the place between a byte and a "▁" that no token has in this order, so the piece is cut there, and its words are
// looked up one by one as well.

namespace catenary::tokenizer {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
constexpr TokenId kGone = -1;  // a symbol that was merged into the one before it

std::uint64_t pair_key(TokenId left, TokenId right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

std::uint32_t char_key(std::string_view character) {
  std::uint32_t key = 0;
  for (const char byte : character) key = key << 8 | static_cast<unsigned char>(byte);
  return key;
}

}  // namespace

Bpe::Bpe(const TokenizerSpec& spec) : by_bytes_(spec.style == VocabStyle::kByteLevel), fuse_unk_(spec.fuse_unk) {
  TokenIds id_of_token;
  id_of_token.reserve(spec.vocab.size());
  for (const auto& [token, id, score] : spec.vocab) {
    if (!id_of_token.emplace(token, id).second) {
      throw DataError(
          fmt::format("{}: {}: token \"{}\" (id {}) comes twice", spec.path.string(), spec.vocab_key, token, id));
    }
  }
  read_symbols(spec, id_of_token);
  const auto all_known = [](const auto& ids) {
    return std::ranges::all_of(ids, [](auto id) { return id.has_value(); });
  };
  if (const auto unk = id_of_token.find(spec.unk_token); unk != id_of_token.end()) {
    unk_id_ = unk->second;
  } else if (!spec.unk_token.empty() && !all_known(by_bytes_ ? id_of_byte_ : fallback_id_)) {
    throw DataError(fmt::format("{}: {}: unk_token \"{}\" is not in the vocabulary, and some bytes have no token",
                                spec.path.string(), spec.vocab_key, spec.unk_token));
  }
  rules_.reserve(spec.merges.size());
  // A pair given twice has its last rank, as in Hugging Face `tokenizers`.
  for (const auto& [left, right, merged, rank] : spec.merges) rules_[pair_key(left, right)] = {rank, merged};
  find_whole_pieces(spec);
}

void Bpe::read_symbols(const TokenizerSpec& spec, const TokenIds& id_of_token) {
  for (const auto& [token, id] : id_of_token) {
    if (by_bytes_) {
      const auto bytes = byte_level_decode(token);
      if (bytes && bytes->size() == 1) id_of_byte_[static_cast<unsigned char>(bytes->front())] = id;
      continue;
    }
    if (!token.empty() && token.size() == char_length(token, 0)) {
      if (token.size() == 1) {
        id_of_byte_[static_cast<unsigned char>(token.front())] = id;
      } else {
        id_of_char_.emplace(char_key(token), id);
      }
    }
    for (auto at = token.find(kMetaspace, 1); at != std::string_view::npos; at = token.find(kMetaspace, at + 1)) {
      joins_space_[static_cast<unsigned char>(token[at - 1])] = true;
    }
  }
  cuts_at_spaces_ = !by_bytes_ && !spec.ignore_merges && id_of_token.contains(kMetaspace);
  for (unsigned byte = 0; spec.byte_fallback && byte < 256; ++byte) {
    const auto found = id_of_token.find(byte_token(static_cast<unsigned char>(byte)));
    if (found != id_of_token.end()) fallback_id_[byte] = found->second;
  }
}

void Bpe::find_whole_pieces(const TokenizerSpec& spec) {
  Scratch scratch;
  std::vector<TokenId> ids;
  id_of_piece_.reserve(spec.vocab.size());
  for (const auto& [token, id, score] : spec.vocab) {
    auto bytes = by_bytes_ ? byte_level_decode(token) : token;
    if (!bytes || bytes->empty()) continue;
    ids.clear();
    if (!spec.ignore_merges) merge(*bytes, scratch, ids);
    if (spec.ignore_merges || (ids.size() == 1 && ids.front() == id)) id_of_piece_.emplace(std::move(*bytes), id);
  }
}

void Bpe::encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const {
  while (!piece.empty()) {
    const std::size_t end = cuts_at_spaces_ ? word_end(piece) : piece.size();
    encode_word(piece.substr(0, end), scratch, ids);
    piece.remove_prefix(end);
  }
}

// Where the first "▁" is that merging cannot join to what stands before it.
std::size_t Bpe::word_end(std::string_view piece) const {
  std::size_t end = piece.find(kMetaspace, 1);
  while (end != std::string_view::npos && joins_space_[static_cast<unsigned char>(piece[end - 1])]) {
    end = piece.find(kMetaspace, end + 1);
  }
  return std::min(end, piece.size());
}

void Bpe::encode_word(std::string_view word, Scratch& scratch, std::vector<TokenId>& ids) const {
  if (const auto whole = id_of_piece_.find(word); whole != id_of_piece_.end()) {
    ids.push_back(whole->second);
  } else {
    merge(word, scratch, ids);
  }
}

// An unknown token waits for the next known character, so that a run of them can be one. The bytes of a character go
// before it: that is how Hugging Face `tokenizers` does it.
void Bpe::add_symbols(std::string_view piece, std::vector<Scratch::Symbol>& symbols) const {
  bool unknown_waits = false;
  const auto add = [&](std::optional<TokenId> id) {
    if (!id) return;
    const auto position = static_cast<std::uint32_t>(symbols.size());
    symbols.push_back({*id, position - 1, position + 1});
  };
  const auto add_unknown = [&] {
    if (std::exchange(unknown_waits, false)) add(unk_id_);
  };
  while (!piece.empty()) {
    const std::size_t length = by_bytes_ ? 1 : char_length(piece, 0);
    const std::string_view symbol = piece.substr(0, length);
    piece.remove_prefix(length);
    std::optional<TokenId> id;
    if (length == 1) {
      id = id_of_byte_[static_cast<unsigned char>(symbol.front())];
    } else if (const auto found = id_of_char_.find(char_key(symbol)); found != id_of_char_.end()) {
      id = found->second;
    }
    const auto fallback = [&](char byte) { return fallback_id_[static_cast<unsigned char>(byte)]; };
    if (id) {
      add_unknown();
      add(id);
    } else if (std::ranges::all_of(symbol, [&](char byte) { return fallback(byte).has_value(); })) {
      for (const char byte : symbol) add(fallback(byte));
    } else {
      if (!fuse_unk_) add_unknown();
      unknown_waits = true;
    }
  }
  add_unknown();
}

void Bpe::merge(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const {
  auto& [symbols, heap] = scratch;
  symbols.clear();
  heap.clear();
  add_symbols(piece, symbols);
  if (symbols.empty()) return;
  symbols.front().previous = symbols.back().next = kNone;
  for (std::uint32_t i = 0; i + 1 < symbols.size(); ++i) propose(i, scratch);

  while (!heap.empty()) {
    std::ranges::pop_heap(heap, std::less<>());
    const auto [rank, position, left_id, right_id, merged] = heap.back();
    heap.pop_back();
    auto& left = symbols[position];
    if (left.id != left_id || left.next == kNone || symbols[left.next].id != right_id) continue;
    symbols[left.next].id = kGone;
    left.id = merged;
    left.next = symbols[left.next].next;
    if (left.next != kNone) {
      symbols[left.next].previous = position;
      propose(position, scratch);
    }
    if (left.previous != kNone) propose(left.previous, scratch);
  }
  for (std::uint32_t i = 0; i != kNone; i = symbols[i].next) ids.push_back(symbols[i].id);
}

void Bpe::propose(std::uint32_t left, Scratch& scratch) const {
  const auto& symbol = scratch.symbols[left];
  const TokenId right_id = scratch.symbols[symbol.next].id;
  const auto rule = rules_.find(pair_key(symbol.id, right_id));
  if (rule == rules_.end()) return;
  scratch.heap.push_back({rule->second.rank, left, symbol.id, right_id, rule->second.merged});
  std::ranges::push_heap(scratch.heap, std::less<>());
}

}  // namespace catenary::tokenizer
