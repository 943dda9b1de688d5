#include "catenary/tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>

#include "catenary/base/error.h"
#include "catenary/base/hash.h"
#include "catenary/base/mapped_file.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/tokenizer_spec.h"
#include "tokenizer/unicode.h"
#include "tokenizer/unigram.h"
#include "tokenizer/word_piece.h"

// The order of steps is that of Hugging Face `tokenizers`: added tokens that are looked for in the text as it is; what
// lies between them is normalised; then the other added tokens; what lies between those is cut into pieces; each piece
// goes to the model.

namespace catenary::tokenizer {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30;  // positions in a piece have 32 bits; NFC can triple a text

using DecodeTable = std::vector<std::optional<std::string>>;

// The bytes that a token of the vocabulary stands for.
std::string text_of(const std::string& token, const TokenizerSpec& spec) {
  if (spec.style == VocabStyle::kByteLevel) return byte_level_decode(token).value_or(token);
  if (spec.style == VocabStyle::kWords) {
    return token.starts_with(spec.subword_prefix) ? token.substr(spec.subword_prefix.size()) : " " + token;
  }
  if (spec.byte_fallback && token.size() == 6 && token.starts_with("<0x")) {
    for (unsigned byte = 0; byte < 256; ++byte) {
      if (token == byte_token(static_cast<unsigned char>(byte))) return std::string(1, static_cast<char>(byte));
    }
  }
  return replace_all(token, kMetaspace, " ");
}

// What decode writes for each id. Throws DataError unless each id is one token's and the largest is in proportion.
DecodeTable make_decode_table(const TokenizerSpec& spec) {
  const std::size_t max_size = 4 * (spec.vocab.size() + spec.added_tokens.size() + spec.unused.size()) + 1024;
  DecodeTable table;
  std::unordered_map<TokenId, std::string_view> token_of_id;
  const auto add = [&](TokenId id, const std::string& token, const std::string& bytes, const std::string& key) {
    const auto index = static_cast<std::size_t>(id);
    const auto fail = [&](std::string_view what) {
      throw DataError(fmt::format("{}: {}: token \"{}\" has id {}, {}", spec.path.string(), key, token, id, what));
    };
    if (index >= max_size) fail("which is far beyond the number of tokens");
    if (const auto [other, is_new] = token_of_id.emplace(id, token); !is_new && other->second != token) {
      fail(fmt::format("and so has \"{}\"", other->second));
    }
    if (index >= table.size()) table.resize(index + 1);
    table[index] = bytes;
  };
  for (const auto& [token, id, score] : spec.vocab) add(id, token, text_of(token, spec), spec.vocab_key);
  for (const auto& [token, id, score] : spec.unused) add(id, token, token, spec.vocab_key);
  for (const auto& [id, content, single_word, lstrip, rstrip, normalized] : spec.added_tokens) {
    add(id, content, spec.style == VocabStyle::kByteLevel ? content : text_of(content, spec), spec.added_tokens_key);
  }
  return table;
}

using Model = std::variant<Bpe, Unigram, WordPiece>;

Model make_model(const TokenizerSpec& spec) {
  switch (spec.model) {
    case ModelKind::kUnigram:
      return Unigram(spec);
    case ModelKind::kWordPiece:
      return WordPiece(spec);
    case ModelKind::kBpe:
      break;
  }
  return Bpe(spec);
}

void check_added_tokens(const TokenizerSpec& spec) {
  std::unordered_set<std::string_view> contents;
  for (const AddedToken& token : spec.added_tokens) {
    if (token.content.empty() || !contents.insert(token.content).second) {
      throw DataError(fmt::format("{}: {}: the token with id {}, \"{}\", is {}", spec.path.string(),
                                  spec.added_tokens_key, token.id, token.content,
                                  token.content.empty() ? "empty" : "there twice"));
    }
  }
}

void check_special_ids(const TokenizerSpec& spec, const DecodeTable& table) {
  auto ids = spec.prefix;
  ids.insert(ids.end(), spec.suffix.begin(), spec.suffix.end());
  for (const auto id : {spec.bos_id, spec.eos_id}) {
    if (id) ids.push_back(*id);
  }
  for (const TokenId id : ids) {
    if (static_cast<std::size_t>(id) < table.size() && table[static_cast<std::size_t>(id)]) continue;
    throw DataError(fmt::format("{}: the special token with id {} is not in the vocabulary", spec.path.string(), id));
  }
}

// The added tokens whose `normalized` is as given, with the content that they have in the text that is searched.
AddedTokens select(const TokenizerSpec& spec, const Normalizer& normalizer, bool normalized) {
  std::vector<AddedToken> tokens;
  for (AddedToken token : spec.added_tokens) {
    if (token.normalized != normalized) continue;
    if (normalized) token.content = normalizer(token.content);
    if (token.content.empty()) {
      throw DataError(fmt::format("{}: {}: the token with id {} is empty once it is normalised", spec.path.string(),
                                  spec.added_tokens_key, token.id));
    }
    tokens.push_back(std::move(token));
  }
  return AddedTokens(std::move(tokens));
}

void add_step(Hasher& hasher, UnicodeForm form) {
  hasher.add(static_cast<std::uint64_t>(form));
}
void add_step(Hasher& hasher, const ReplaceStep& step) {
  hasher.add(step.pattern).add(static_cast<std::uint64_t>(step.syntax)).add(step.content).add(step.keep_match);
}
void add_step(Hasher& hasher, const PrependStep& step) {
  hasher.add(step.text);
}
void add_step(Hasher& hasher, const SplitStep& step) {
  hasher.add(step.pattern).add(static_cast<std::uint64_t>(step.syntax));
  hasher.add(static_cast<std::uint64_t>(step.behavior)).add(step.invert);
}
void add_step(Hasher& hasher, const MetaspaceStep& step) {
  hasher.add(step.replacement).add(static_cast<std::uint64_t>(step.prepend)).add(step.split);
}
template <class Step>
requires std::is_empty_v<Step>
void add_step(Hasher&, const Step&) {}

// Of everything that encode depends on, in an order that does not depend on the file: vocabulary and added tokens by
// id, the rest as it is applied.
std::string make_fingerprint(const TokenizerSpec& spec) {
  Hasher hasher;
  hasher.add("catenary tokenizer 2");
  const auto add_steps = [&](const auto& steps) {
    hasher.add(steps.size());
    for (const auto& step : steps) {
      hasher.add(step.index());
      std::visit([&](const auto& kind) { add_step(hasher, kind); }, step);
    }
  };
  add_steps(spec.normalizer);
  add_steps(spec.pre_tokenizer);
  hasher.add(static_cast<std::uint64_t>(spec.model)).add(static_cast<std::uint64_t>(spec.style));
  hasher.add(std::uint64_t{spec.unk_id.has_value()}).add(static_cast<std::uint64_t>(spec.unk_id.value_or(0)));
  hasher.add(spec.subword_prefix).add(spec.max_word_chars).add(spec.vocab.size());
  for (const auto& [token, id, score] : spec.vocab) {
    hasher.add(token).add(static_cast<std::uint64_t>(id)).add(std::bit_cast<std::uint64_t>(score));
  }
  hasher.add(spec.merges.size());
  for (const auto& [left, right, merged, rank] : spec.merges) {
    for (const TokenId id : {left, right, merged}) hasher.add(static_cast<std::uint64_t>(id));
    hasher.add(std::uint64_t{rank});
  }
  hasher.add(spec.ignore_merges).add(spec.byte_fallback).add(spec.unk_token).add(spec.fuse_unk);
  auto added_tokens = spec.added_tokens;
  std::ranges::sort(added_tokens, {}, &AddedToken::id);
  hasher.add(added_tokens.size());
  for (const AddedToken& token : added_tokens) {
    hasher.add(static_cast<std::uint64_t>(token.id)).add(token.content);
    hasher.add(token.single_word).add(token.lstrip).add(token.rstrip).add(token.normalized);
  }
  for (const auto& ids : {spec.prefix, spec.suffix}) {
    hasher.add(ids.size());
    for (const TokenId id : ids) hasher.add(static_cast<std::uint64_t>(id));
  }
  return hasher.hex();
}

std::string describe_kind(const TokenizerSpec& spec) {
  const bool is_byte_level = spec.style == VocabStyle::kByteLevel;
  std::string kind = spec.model == ModelKind::kBpe       ? (is_byte_level ? "byte-level BPE" : "BPE")
                     : spec.model == ModelKind::kUnigram ? "Unigram"
                                                         : "WordPiece";
  return spec.byte_fallback ? kind + " with byte fallback" : kind;
}

}  // namespace

struct Tokenizer::State {
  explicit State(const TokenizerSpec& spec)
      : path(spec.path),
        kind(describe_kind(spec)),
        table(make_decode_table(spec)),
        normalizer(spec.normalizer),
        raw_added_tokens(select(spec, normalizer, false)),
        normalized_added_tokens(select(spec, normalizer, true)),
        pre_tokenizer(spec.pre_tokenizer),
        model(make_model(spec)),
        prefix(spec.prefix),
        suffix(spec.suffix),
        prefix_space(spec.prefix_space),
        bos_id(spec.bos_id),
        eos_id(spec.eos_id),
        fingerprint(make_fingerprint(spec)) {
    check_special_ids(spec, table);
  }

  // Appends the tokens of `text`, valid UTF-8.
  template <class ModelType>
  void encode(const ModelType& chosen_model, std::string_view text, std::vector<TokenId>& ids) const {
    typename ModelType::Scratch scratch;
    const char* start = nullptr;  // of the normalised text, while its part at the very start of the input is cut
    const PreTokenizer::Sink encode_piece = [&](std::string_view piece) { chosen_model.encode(piece, scratch, ids); };
    const AddedTokens::Sink encode_normalized = [&](std::string_view part) {
      pre_tokenizer.split(part, part.data() == start, encode_piece);
    };
    const AddedTokens::Sink encode_raw = [&](std::string_view part) {
      const bool is_start = part.data() == text.data();
      std::string normalized;
      if (!normalizer.empty()) part = normalized = normalizer(part);
      start = is_start ? part.data() : nullptr;
      normalized_added_tokens.split(part, ids, encode_normalized);
    };
    raw_added_tokens.split(text, ids, encode_raw);
  }

  std::filesystem::path path;
  std::string kind;
  DecodeTable table;
  Normalizer normalizer;
  AddedTokens raw_added_tokens;
  AddedTokens normalized_added_tokens;
  PreTokenizer pre_tokenizer;
  Model model;
  std::vector<TokenId> prefix, suffix;
  bool prefix_space;
  std::optional<TokenId> bos_id, eos_id;
  std::string fingerprint;
};

Tokenizer::Tokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::open(const weights::Checkpoint& checkpoint) {
  if (const auto* gguf = checkpoint.gguf()) return from_gguf(*gguf);
  const auto& folder = checkpoint.path();
  if (std::filesystem::exists(folder / "tokenizer.json")) return from_json(folder / "tokenizer.json");
  if (std::filesystem::exists(folder / "tokenizer.model")) return from_model(folder / "tokenizer.model");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".tiktoken") return from_model(entry.path());
  }
  throw DataError(fmt::format("{}: there is no tokenizer.json, tokenizer.model or *.tiktoken", folder.string()));
}

Tokenizer Tokenizer::from_model(const std::filesystem::path& path) {
  const bool is_ranks = is_tiktoken(MappedFile(path).text());
  const auto spec = is_ranks ? read_tiktoken(path) : read_sentencepiece(path);
  check_added_tokens(spec);
  return Tokenizer(std::make_unique<State>(spec));
}

Tokenizer Tokenizer::from_json(const std::filesystem::path& tokenizer_json) {
  const auto spec = read_tokenizer_json(tokenizer_json);
  check_added_tokens(spec);
  return Tokenizer(std::make_unique<State>(spec));
}

Tokenizer Tokenizer::from_gguf(const weights::GgufFile& gguf) {
  const auto spec = read_gguf(gguf);
  check_added_tokens(spec);
  return Tokenizer(std::make_unique<State>(spec));
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  if (text.size() > kMaxTextBytes) {
    throw DataError(fmt::format("a text of {} bytes is too long to tokenize", text.size()));
  }
  const auto repaired = repair_utf8(text);
  if (repaired) text = *repaired;
  std::vector<TokenId> ids;
  if (add_special_tokens) ids = state_->prefix;

  std::visit([&](const auto& model) { state_->encode(model, text, ids); }, state_->model);
  if (add_special_tokens) ids.insert(ids.end(), state_->suffix.begin(), state_->suffix.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids) const {
  std::string text;
  for (const TokenId id : ids) {
    const auto index = static_cast<std::size_t>(id);
    if (!has_token(id)) throw DataError(fmt::format("no token has the id {}", id));
    text += *state_->table[index];
  }
  if (state_->prefix_space && text.starts_with(' ')) text.erase(0, 1);
  return repair_utf8(text).value_or(text);
}

std::string Tokenizer::kind() const {
  return state_->kind;
}
const std::filesystem::path& Tokenizer::path() const {
  return state_->path;
}
std::int64_t Tokenizer::vocab_size() const {
  return static_cast<std::int64_t>(state_->table.size());
}
bool Tokenizer::has_token(TokenId id) const {
  const auto index = static_cast<std::size_t>(id);  // of a negative id, far beyond the table
  return index < state_->table.size() && state_->table[index];
}
std::optional<TokenId> Tokenizer::bos_id() const {
  return state_->bos_id;
}
std::optional<TokenId> Tokenizer::eos_id() const {
  return state_->eos_id;
}
const std::string& Tokenizer::fingerprint() const {
  return state_->fingerprint;
}

}  // namespace catenary::tokenizer
