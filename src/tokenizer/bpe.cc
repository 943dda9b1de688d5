#include "tokenizer/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "catenary/base/error.h"
#include "tokenizer/byte_level.h"

// Merging keeps the piece as a linked list and all pairs that have a rule in a heap: n log n for a piece of n bytes. A
// pair in the heap may be out of date; it is when the list no longer holds its two tokens at its position.
//
// Most pieces of real text are one token. Whether merging arrives at a token from its own bytes is a property of the
// vocabulary, so it is found out once for every token, and those pieces cost one lookup.

namespace catenary::tokenizer {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
constexpr TokenId kGone = -1;  // a symbol that was merged into the one before it

std::uint64_t pair_key(TokenId left, TokenId right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

}  // namespace

Bpe::Bpe(const TokenizerSpec& spec) : fuse_unk_(spec.fuse_unk) {
  TokenIds id_of_token;
  id_of_token.reserve(spec.vocab.size());
  for (const auto& [token, id] : spec.vocab) {
    if (!id_of_token.emplace(token, id).second) {
      throw DataError(
          fmt::format("{}: {}: token \"{}\" (id {}) comes twice", spec.path.string(), spec.vocab_key, token, id));
    }
    const auto bytes = byte_level_decode(token);
    if (bytes && bytes->size() == 1) id_of_byte_[static_cast<unsigned char>(bytes->front())] = id;
  }
  if (const auto unk = id_of_token.find(spec.unk_token); unk != id_of_token.end()) {
    unk_id_ = unk->second;
  } else if (!spec.unk_token.empty() && !std::ranges::all_of(id_of_byte_, [](auto id) { return id.has_value(); })) {
    throw DataError(fmt::format("{}: {}: unk_token \"{}\" is not in the vocabulary, and some bytes have no token",
                                spec.path.string(), spec.vocab_key, spec.unk_token));
  }
  read_merges(spec, id_of_token);
  find_whole_pieces(spec);
}

void Bpe::read_merges(const TokenizerSpec& spec, const TokenIds& id_of_token) {
  rules_.reserve(spec.merges.size());
  for (std::size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto& [left, right] = spec.merges[rank];
    const auto get_id = [&](const std::string& token) {
      const auto found = id_of_token.find(token);
      if (found != id_of_token.end()) return found->second;
      throw DataError(
          fmt::format("{}: {}: merge {} (\"{}\" with \"{}\") needs token \"{}\", which is not in the vocabulary",
                      spec.path.string(), spec.merges_key, rank, left, right, token));
    };
    // A pair given twice has its last rank, as in Hugging Face `tokenizers`.
    rules_[pair_key(get_id(left), get_id(right))] = {static_cast<std::uint32_t>(rank), get_id(left + right)};
  }
}

void Bpe::find_whole_pieces(const TokenizerSpec& spec) {
  Scratch scratch;
  std::vector<TokenId> ids;
  for (const auto& [token, id] : spec.vocab) {
    auto bytes = byte_level_decode(token);
    if (!bytes || bytes->empty()) continue;
    ids.clear();
    if (!spec.ignore_merges) merge(*bytes, scratch, ids);
    if (spec.ignore_merges || (ids.size() == 1 && ids.front() == id)) id_of_piece_.emplace(std::move(*bytes), id);
  }
}

void Bpe::encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const {
  if (const auto whole = id_of_piece_.find(piece); whole != id_of_piece_.end()) {
    ids.push_back(whole->second);
  } else {
    merge(piece, scratch, ids);
  }
}

void Bpe::merge(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const {
  auto& [symbols, heap] = scratch;
  symbols.clear();
  heap.clear();
  bool last_was_unknown = false;
  for (const char byte : piece) {
    const auto known = id_of_byte_[static_cast<unsigned char>(byte)];
    const bool fused = !known && fuse_unk_ && last_was_unknown;
    last_was_unknown = !known;
    if (const auto id = known ? known : unk_id_; id && !fused) {
      const auto position = static_cast<std::uint32_t>(symbols.size());
      symbols.push_back({*id, position == 0 ? kNone : position - 1, position + 1});
    }
  }
  if (symbols.empty()) return;
  symbols.back().next = kNone;
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
