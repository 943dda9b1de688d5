#include "tokenizer/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "catenary/base/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/unicode.h"

namespace catenary::tokenizer {
namespace {

constexpr TokenId kNone = -1;
constexpr double kUnkPenalty = 10;  // of an unknown character, below the least probable token; as in SentencePiece

std::vector<Trie::Entry> entries_of(const StringMap<TokenId>& ids) {
  std::vector<Trie::Entry> entries;
  for (const auto& [token, id] : ids) {
    if (!token.empty()) entries.emplace_back(token, static_cast<std::uint32_t>(id));
  }
  return entries;
}

StringMap<TokenId> ids_of(const TokenizerSpec& spec) {
  StringMap<TokenId> ids;
  for (const auto& [token, id, score] : spec.vocab) ids[token] = id;  // of the same token the last counts
  return ids;
}

}  // namespace

Unigram::Unigram(const TokenizerSpec& spec)
    : id_of_token_(ids_of(spec)), trie_(entries_of(id_of_token_)), unk_score_(std::numeric_limits<double>::infinity()) {
  scores_.resize(spec.vocab.size());
  for (const auto& [token, id, score] : spec.vocab) {
    scores_[static_cast<std::size_t>(id)] = score;
    unk_score_ = std::min(unk_score_, score);
  }
  unk_score_ -= kUnkPenalty;
  unk_id_ = spec.unk_id;
  for (unsigned byte = 0; spec.byte_fallback && byte < 256; ++byte) {
    const auto found = id_of_token_.find(byte_token(static_cast<unsigned char>(byte)));
    if (found != id_of_token_.end()) fallback_id_[byte] = found->second;
  }
}

void Unigram::encode(std::string_view piece, Scratch& scratch, std::vector<TokenId>& ids) const {
  auto& [best, parts] = scratch;
  find_best(piece, best);
  parts.clear();
  for (auto end = static_cast<std::uint32_t>(piece.size()); end > 0; end = best[end].begin) {
    const auto& [score, begin, id] = best[end];
    if (!parts.empty() && unk_id_ == id && unk_id_ == parts.back().id) {
      parts.back().begin = begin;  // a run of unknown characters is one
    } else {
      parts.push_back({begin, end, id});
    }
  }
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (unk_id_ == part->id) {
      add_unknown(piece.substr(part->begin, part->end - part->begin), ids);
    } else {
      ids.push_back(part->id);
    }
  }
}

void Unigram::find_best(std::string_view piece, std::vector<Scratch::Node>& best) const {
  best.assign(piece.size() + 1, {0, 0, kNone});
  for (std::size_t begin = 0; begin < piece.size();) {
    const auto propose = [&, before = best[begin].score](std::size_t length, double score, TokenId id) {
      auto& node = best[begin + length];
      if (node.id != kNone && before + score <= node.score) return;
      node = {score + before, static_cast<std::uint32_t>(begin), id};
    };
    const std::size_t first_length = char_length(piece, begin);
    bool is_known = false;
    trie_.for_each_prefix(piece.substr(begin), [&](std::size_t length, std::uint32_t id) {
      propose(length, scores_[id], static_cast<TokenId>(id));
      is_known |= length == first_length;
    });
    if (!is_known) {
      if (!unk_id_)
        throw DataError(fmt::format("no token and no unk_id for \"{}\"", piece.substr(begin, first_length)));
      propose(first_length, unk_score_, *unk_id_);
    }
    begin += first_length;
  }
}

void Unigram::add_unknown(std::string_view text, std::vector<TokenId>& ids) const {
  const auto fallback = [&](char byte) { return fallback_id_[static_cast<unsigned char>(byte)]; };
  if (const auto known = id_of_token_.find(text); known != id_of_token_.end()) {
    ids.push_back(known->second);
  } else if (std::ranges::all_of(text, [&](char byte) { return fallback(byte).has_value(); })) {
    for (const char byte : text) ids.push_back(*fallback(byte));
  } else {
    ids.push_back(*unk_id_);
  }
}

}  // namespace catenary::tokenizer
