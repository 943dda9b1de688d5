#include "tokenizer/merges.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "catenary/base/error.h"
#include "tokenizer/unicode.h"

namespace catenary::tokenizer {
namespace {

constexpr std::size_t kMaxTokenBytes = 4096;  // published vocabularies stay below 500

std::unordered_map<std::string_view, TokenId> ids_of(std::span<const VocabEntry> vocab) {
  std::unordered_map<std::string_view, TokenId> ids;
  ids.reserve(vocab.size());
  for (const VocabEntry& entry : vocab) ids.emplace(entry.token, entry.id);
  return ids;
}

}  // namespace

std::vector<Merge> merges_of_pairs(const TokenizerSpec& spec, std::span<const TokenPair> pairs) {
  const auto ids = ids_of(spec.vocab);
  std::vector<Merge> merges;
  merges.reserve(pairs.size());
  for (const auto& [left, right] : pairs) {
    const auto get_id = [&](const std::string& token) {
      const auto found = ids.find(token);
      if (found != ids.end()) return found->second;
      throw DataError(
          fmt::format("{}: {}: merge {} (\"{}\" with \"{}\") needs token \"{}\", which is not in the vocabulary",
                      spec.path.string(), spec.merges_key, merges.size(), left, right, token));
    };
    merges.push_back({get_id(left), get_id(right), get_id(left + right), static_cast<std::uint32_t>(merges.size())});
  }
  return merges;
}

std::vector<Merge> merges_of_scores(const TokenizerSpec& spec) {
  const auto ids = ids_of(spec.vocab);
  std::vector<const VocabEntry*> by_score;
  by_score.reserve(spec.vocab.size());
  for (const VocabEntry& entry : spec.vocab) by_score.push_back(&entry);
  std::ranges::stable_sort(by_score, std::greater<>(), &VocabEntry::score);
  std::vector<Merge> merges;
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < by_score.size(); ++i) {
    const std::string_view token = by_score[i]->token;
    if (token.size() > kMaxTokenBytes) {
      throw DataError(fmt::format("{}: {}: the token with id {} has {} bytes, more than {}", spec.path.string(),
                                  spec.vocab_key, by_score[i]->id, token.size(), kMaxTokenBytes));
    }
    if (i > 0 && by_score[i]->score < by_score[i - 1]->score) ++rank;
    for (std::size_t cut = 0; cut < token.size(); cut += char_length(token, cut)) {
      const auto left = ids.find(token.substr(0, cut));
      if (left == ids.end()) continue;
      const auto right = ids.find(token.substr(cut));
      if (right != ids.end()) merges.push_back({left->second, right->second, by_score[i]->id, rank});
    }
  }
  return merges;
}

}  // namespace catenary::tokenizer
