// Reads the tokenizer out of GGUF metadata (docs/gguf.md of ggml-org/ggml, "Tokenizer").
//
// GGUF names the pre-tokenizer (tokenizer.ggml.pre) instead of describing it. The table below gives, for each name,
// what the tokenizer.json of the models that carry it says. llama.cpp's own rendering of these patterns
// (src/llama-vocab.cpp) leaves out Qwen's NFC; we follow Hugging Face. A name that is not in the table is refused,
// "default" too: it says that nobody knew.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "catenary/base/error.h"
#include "catenary/weights/gguf.h"
#include "tokenizer/character_sets.h"
#include "tokenizer/merges.h"
#include "tokenizer/tokenizer_spec.h"
#include "tokenizer/unicode.h"

namespace catenary::tokenizer {
namespace {

struct KnownPreTokenizer {
  std::string_view name;
  bool nfc = false;
  bool individual_digits = false;
  std::string_view pattern = kGpt2Pattern;
  bool ignore_merges = false;
  bool adds_bos = false;  // where tokenizer.ggml.add_bos_token is absent
};

constexpr std::array kPreTokenizers{
    KnownPreTokenizer{.name = "gpt-2"},
    KnownPreTokenizer{.name = "mpt", .nfc = true},   // GPT-NeoX's tokenizer
    KnownPreTokenizer{.name = "olmo", .nfc = true},  // and this as well
    KnownPreTokenizer{.name = "smollm", .individual_digits = true},
    KnownPreTokenizer{.name = "starcoder", .individual_digits = true},
    KnownPreTokenizer{.name = "llama-bpe", .pattern = kLlama3Pattern, .ignore_merges = true, .adds_bos = true},
    KnownPreTokenizer{.name = "qwen2", .nfc = true, .pattern = kQwenPattern},
    KnownPreTokenizer{.name = "bloom", .pattern = R"( ?[^(\s|[.,!?…。，、।۔،])]+)"},
};

// Values of tokenizer.ggml.token_type.
enum TokenType : std::int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

constexpr std::string_view kSpacePrefixKey = "tokenizer.ggml.add_space_prefix";

[[noreturn]] void fail(const TokenizerSpec& spec, std::string_view key, std::string_view what) {
  throw DataError(fmt::format("{}: {}: {}", spec.path.string(), key, what));
}

KnownPreTokenizer get_pre_tokenizer(const weights::GgufFile& gguf, const TokenizerSpec& spec) {
  constexpr std::string_view kKey = "tokenizer.ggml.pre";
  const std::string_view name = gguf.get_string(kKey);
  const auto known = std::ranges::find(kPreTokenizers, name, &KnownPreTokenizer::name);
  if (known == kPreTokenizers.end()) {
    fail(spec, kKey,
         fmt::format(
             "\"{}\" is not supported; supported are bloom, gpt-2, llama-bpe, mpt, olmo, qwen2, smollm and starcoder",
             name));
  }
  return *known;
}

// Puts each token where its type says; a byte's token is a normal one.
void read_tokens(const weights::GgufFile& gguf, TokenizerSpec& spec) {
  constexpr std::string_view kTypeKey = "tokenizer.ggml.token_type";
  const auto tokens = gguf.get_strings(spec.vocab_key);
  const auto types = gguf.find_integers(kTypeKey);
  if (!types || types->size() != tokens.size()) {
    fail(spec, kTypeKey, fmt::format("expected {} token types", tokens.size()));
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (repair_utf8(tokens[i])) fail(spec, spec.vocab_key, fmt::format("token {} is not valid UTF-8", id));
    const std::string token(tokens[i]);
    const std::int64_t type = (*types)[i];
    if (type == kNormal || (type == kByte && spec.byte_fallback)) {
      spec.vocab.push_back({token, id});
    } else if (type == kUnknown || type == kControl || type == kUserDefined) {
      spec.added_tokens.push_back({.id = id, .content = token});
      if (type == kUnknown && spec.byte_fallback) {
        spec.unk_token = token;
        spec.vocab.push_back({token, id});
      }
    } else if (type == kUnused) {
      spec.unused.push_back({token, id});
    } else {
      fail(spec, kTypeKey, fmt::format("token {} has type {}, which this vocabulary cannot hold", id, type));
    }
  }
}

std::vector<Merge> read_merges(const weights::GgufFile& gguf, const TokenizerSpec& spec) {
  std::vector<TokenPair> pairs;
  for (const std::string_view merge : gguf.get_strings(spec.merges_key)) {
    const std::size_t space = merge.find(' ');
    if (space == std::string_view::npos) {
      fail(spec, spec.merges_key, fmt::format("merge {}: expected two tokens", pairs.size()));
    }
    pairs.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  return merges_of_pairs(spec, pairs);
}

std::optional<TokenId> find_id(const weights::GgufFile& gguf, std::string_view key, const TokenizerSpec& spec) {
  const auto id = gguf.find_integer(key);
  if (id && (*id < 0 || *id > std::numeric_limits<TokenId>::max())) {
    fail(spec, key, fmt::format("{} is not a token id", *id));
  }
  return id;
}

// The BOS or EOS where `key` (or, without it, `otherwise`) says that a text has one.
void add_special_token(const weights::GgufFile& gguf, std::string_view key, bool otherwise, std::optional<TokenId> id,
                       const TokenizerSpec& spec, std::vector<TokenId>& ids) {
  if (!gguf.find_bool(key).value_or(otherwise)) return;
  if (!id) fail(spec, key, "asks for a token whose id the file does not give");
  ids.push_back(*id);
}

void read_special_tokens(const weights::GgufFile& gguf, bool adds_bos, TokenizerSpec& spec) {
  spec.bos_id = find_id(gguf, "tokenizer.ggml.bos_token_id", spec);
  spec.eos_id = find_id(gguf, "tokenizer.ggml.eos_token_id", spec);
  add_special_token(gguf, "tokenizer.ggml.add_bos_token", adds_bos, spec.bos_id, spec, spec.prefix);
  add_special_token(gguf, "tokenizer.ggml.add_eos_token", false, spec.eos_id, spec, spec.suffix);
}

// "gpt2": byte-level BPE.
void read_byte_level(const weights::GgufFile& gguf, TokenizerSpec& spec) {
  const auto known = get_pre_tokenizer(gguf, spec);
  if (known.nfc) spec.normalizer.emplace_back(UnicodeForm::kNfc);
  spec.ignore_merges = known.ignore_merges;
  if (gguf.find_bool(kSpacePrefixKey).value_or(false)) spec.pre_tokenizer.emplace_back(PrefixSpaceStep{});
  if (known.individual_digits) {
    spec.pre_tokenizer.push_back(SplitStep{.pattern = std::string(kNumeric), .syntax = PatternSyntax::kPcre2});
  }
  spec.pre_tokenizer.push_back(SplitStep{.pattern = std::string(known.pattern)});
  read_tokens(gguf, spec);
  spec.merges = read_merges(gguf, spec);
  read_special_tokens(gguf, known.adds_bos, spec);
}

// "llama": SentencePiece's BPE, as the tokenizer.json of Llama 2 and Gemma does it: "▁" before each text (unless the
// file says no) and for each space, no pre-tokenizer, bytes for unknown characters.
//
// Gemma has tokens of many spaces. The file writes them with spaces and calls them user-defined. Gemma's tokenizer.json
// writes them with "▁", so that they are not found in a text but merged, before all others and the short ones first.
void read_sentencepiece(const weights::GgufFile& gguf, TokenizerSpec& spec) {
  for (const std::string_view key :
       {"tokenizer.ggml.remove_extra_whitespaces", "tokenizer.ggml.precompiled_charsmap"}) {
    if (gguf.has(key) && gguf.find_bool(key).value_or(true)) fail(spec, key, "is not supported");
  }
  spec.style = VocabStyle::kMetaspace;
  spec.byte_fallback = spec.fuse_unk = true;
  spec.prefix_space = gguf.find_bool(kSpacePrefixKey).value_or(true);
  if (spec.prefix_space) spec.normalizer.emplace_back(PrependStep{std::string(kMetaspace)});
  spec.normalizer.emplace_back(
      ReplaceStep{.pattern = " ", .syntax = PatternSyntax::kLiteral, .content = std::string(kMetaspace)});
  read_tokens(gguf, spec);

  constexpr std::string_view kScoreKey = "tokenizer.ggml.scores";
  const auto scores = gguf.find_numbers(kScoreKey);
  const auto num_tokens = static_cast<std::size_t>(gguf.get_strings(spec.vocab_key).size());
  if (!scores || scores->size() != num_tokens ||
      !std::ranges::all_of(*scores, [](double x) { return std::isfinite(x); })) {
    fail(spec, kScoreKey, fmt::format("expected {} finite scores", num_tokens));
  }
  const double highest = scores->empty() ? 0 : std::ranges::max(*scores);
  for (VocabEntry& entry : spec.vocab) entry.score = (*scores)[static_cast<std::size_t>(entry.id)];
  std::erase_if(spec.added_tokens, [&](const AddedToken& token) {
    if (token.content.empty() || token.content.find_first_not_of(' ') != std::string::npos) return false;
    std::string marks;
    for (std::size_t i = 0; i < token.content.size(); ++i) marks += kMetaspace;
    spec.vocab.push_back({marks, token.id, highest + static_cast<double>(num_tokens) - token.id});
    return true;
  });
  std::ranges::sort(spec.vocab, {}, &VocabEntry::id);
  spec.merges = merges_of_scores(spec);
  read_special_tokens(gguf, true, spec);
}

}  // namespace

TokenizerSpec read_gguf(const weights::GgufFile& gguf) {
  TokenizerSpec spec;
  spec.path = gguf.path();
  spec.vocab_key = spec.added_tokens_key = "tokenizer.ggml.tokens";
  spec.merges_key = "tokenizer.ggml.merges";
  constexpr std::string_view kModelKey = "tokenizer.ggml.model";
  const auto model = gguf.get_string(kModelKey);
  if (model == "gpt2") {
    read_byte_level(gguf, spec);
  } else if (model == "llama") {
    read_sentencepiece(gguf, spec);
  } else {
    fail(spec, kModelKey,
         fmt::format("\"{}\" is not supported; supported are gpt2 (byte-level BPE) and llama (SentencePiece's BPE)",
                     model));
  }
  return spec;
}

}  // namespace catenary::tokenizer
