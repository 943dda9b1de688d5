#include "tokenizer/word_piece.h"

#include <fmt/format.h>

#include <algorithm>

#include "catenary/base/error.h"

namespace catenary::tokenizer {
namespace {

// The tokens that start with `prefix`, without it.
std::vector<Trie::Entry> entries_with(const TokenizerSpec& spec, std::string_view prefix) {
  std::vector<Trie::Entry> entries;
  for (const auto& [token, id, score] : spec.vocab) {
    if (token.size() > prefix.size() && token.starts_with(prefix)) {
      entries.emplace_back(std::string_view(token).substr(prefix.size()), static_cast<std::uint32_t>(id));
    }
  }
  return entries;
}

TokenId get_unk_id(const TokenizerSpec& spec) {
  const auto unk = std::ranges::find(spec.vocab, spec.unk_token, &VocabEntry::token);
  if (unk != spec.vocab.end()) return unk->id;
  throw DataError(fmt::format("{}: {}: unk_token \"{}\" is not in the vocabulary", spec.path.string(), spec.vocab_key,
                              spec.unk_token));
}

}  // namespace

WordPiece::WordPiece(const TokenizerSpec& spec)
    : first_(entries_with(spec, "")),
      next_(entries_with(spec, spec.subword_prefix)),
      max_chars_(spec.max_word_chars),
      unk_id_(get_unk_id(spec)) {}

void WordPiece::encode(std::string_view word, Scratch&, std::vector<TokenId>& ids) const {
  const auto is_char_start = [](unsigned char byte) { return (byte & 0xC0) != 0x80; };
  const std::size_t old_size = ids.size();
  bool is_known = static_cast<std::size_t>(std::ranges::count_if(word, is_char_start)) <= max_chars_;
  for (std::size_t begin = 0; is_known && begin < word.size();) {
    std::size_t longest = 0;
    TokenId id = unk_id_;
    (begin == 0 ? first_ : next_).for_each_prefix(word.substr(begin), [&](std::size_t length, std::uint32_t value) {
      longest = length;
      id = static_cast<TokenId>(value);
    });
    is_known = longest > 0;
    begin += longest;
    ids.push_back(id);
  }
  if (is_known) return;
  ids.resize(old_size);
  ids.push_back(unk_id_);
}

}  // namespace catenary::tokenizer
