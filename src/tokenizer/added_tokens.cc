#include "tokenizer/added_tokens.h"

#include <fmt/format.h>

#include <algorithm>

#include "tokenizer/regex.h"
#include "tokenizer/unicode.h"

namespace catenary::tokenizer {
namespace {

const Regex& word_char() {
  static const Regex regex(fmt::format("[{}]", kWordCharacters), PatternSyntax::kPcre2);
  return regex;
}

const Regex& white_space() {
  static const Regex regex(R"(\p{White_Space})", PatternSyntax::kPcre2);
  return regex;
}

bool is_single_word(std::string_view text, std::size_t begin, std::size_t end) {
  return (begin == 0 || !word_char().match_at(text, previous_char(text, begin))) &&
         (end == text.size() || !word_char().match_at(text, end));
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) {
  for (AddedToken& token : tokens) {
    lengths_[static_cast<unsigned char>(token.content.front())].push_back(token.content.size());
    std::string content = token.content;
    by_content_.emplace(std::move(content), std::move(token));
  }
  for (auto& lengths : lengths_) {
    std::ranges::sort(lengths, std::greater<>());
    lengths.erase(std::ranges::unique(lengths).begin(), lengths.end());
  }
}

const AddedToken* AddedTokens::longest_at(std::string_view text, std::size_t position) const {
  for (const std::size_t length : lengths_[static_cast<unsigned char>(text[position])]) {
    if (length > text.size() - position) continue;
    const auto found = by_content_.find(text.substr(position, length));
    if (found != by_content_.end()) return &found->second;
  }
  return nullptr;
}

void AddedTokens::split(std::string_view text, std::vector<TokenId>& ids, const Sink& on_text) const {
  std::size_t taken = 0;  // everything before is done with
  for (std::size_t position = 0; position < text.size();) {
    const AddedToken* token = longest_at(text, position);
    if (token == nullptr) {
      ++position;
      continue;
    }
    std::size_t begin = position;
    std::size_t end = position += token->content.size();
    if (token->single_word && !is_single_word(text, begin, end)) continue;
    while (token->lstrip && begin > taken && white_space().match_at(text, previous_char(text, begin))) {
      begin = previous_char(text, begin);
    }
    while (token->rstrip && end < text.size() && white_space().match_at(text, end)) end += char_length(text, end);
    if (taken < begin) on_text(text.substr(taken, begin - taken));
    ids.push_back(token->id);
    taken = end;
  }
  if (taken < text.size()) on_text(text.substr(taken));
}

}  // namespace catenary::tokenizer
