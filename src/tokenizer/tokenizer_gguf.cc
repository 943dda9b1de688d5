// Reads the tokenizer out of GGUF metadata (docs/gguf.md of ggml-org/ggml, "Tokenizer").
//
// GGUF names the pre-tokenizer (tokenizer.ggml.pre) instead of describing it. The table below gives, for each name,
// what the tokenizer.json of the models that carry it says. llama.cpp's own rendering of these patterns
// (src/llama-vocab.cpp) leaves out Qwen's NFC; we follow Hugging Face. A name that is not in the table is refused,
// "default" too: it says that nobody knew.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "catenary/base/error.h"
#include "catenary/weights/gguf.h"
#include "tokenizer/tokenizer_spec.h"

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
    KnownPreTokenizer{.name = "smollm", .individual_digits = true},
    KnownPreTokenizer{
        .name = "llama-bpe",
        .pattern =
            R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)"
            R"(\s+(?!\S)|\s+)",
        .ignore_merges = true,
        .adds_bos = true},
    KnownPreTokenizer{
        .name = "qwen2",
        .nfc = true,
        .pattern =
            R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)"
            R"(\s+(?!\S)|\s+)"},
};

// Values of tokenizer.ggml.token_type.
enum TokenType : std::int64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5 };

[[noreturn]] void fail(const TokenizerSpec& spec, std::string_view key, std::string_view what) {
  throw DataError(fmt::format("{}: {}: {}", spec.path.string(), key, what));
}

KnownPreTokenizer get_pre_tokenizer(const weights::GgufFile& gguf, const TokenizerSpec& spec) {
  constexpr std::string_view kKey = "tokenizer.ggml.pre";
  const std::string_view name = gguf.get_string(kKey);
  const auto known = std::ranges::find(kPreTokenizers, name, &KnownPreTokenizer::name);
  if (known == kPreTokenizers.end()) {
    fail(spec, kKey, fmt::format("\"{}\" is not supported; supported are gpt-2, smollm, llama-bpe and qwen2", name));
  }
  return *known;
}

void read_tokens(const weights::GgufFile& gguf, TokenizerSpec& spec) {
  constexpr std::string_view kTypeKey = "tokenizer.ggml.token_type";
  const auto tokens = gguf.get_strings(spec.vocab_key);
  const auto types = gguf.find_integers(kTypeKey);
  if (!types || types->size() != tokens.size()) {
    fail(spec, kTypeKey, fmt::format("expected {} token types", tokens.size()));
  }
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    switch ((*types)[i]) {
      case kNormal:
        spec.vocab.push_back({std::string(tokens[i]), id});
        break;
      case kUnknown:
      case kControl:
      case kUserDefined:
        spec.added_tokens.push_back({.id = id, .content = std::string(tokens[i])});
        break;
      case kUnused:
        spec.unused.push_back({std::string(tokens[i]), id});
        break;
      default:
        fail(spec, kTypeKey,
             fmt::format("token {} has type {}, which a byte-level vocabulary cannot hold", id, (*types)[i]));
    }
  }
}

void read_merges(const weights::GgufFile& gguf, TokenizerSpec& spec) {
  const auto merges = gguf.get_strings(spec.merges_key);
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const std::size_t space = merges[i].find(' ');
    if (space == std::string_view::npos) fail(spec, spec.merges_key, fmt::format("merge {}: expected two tokens", i));
    spec.merges.push_back({std::string(merges[i].substr(0, space)), std::string(merges[i].substr(space + 1))});
  }
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

}  // namespace

TokenizerSpec read_gguf(const weights::GgufFile& gguf) {
  TokenizerSpec spec;
  spec.path = gguf.path();
  spec.vocab_key = spec.added_tokens_key = "tokenizer.ggml.tokens";
  spec.merges_key = "tokenizer.ggml.merges";
  constexpr std::string_view kModelKey = "tokenizer.ggml.model";
  if (const auto model = gguf.get_string(kModelKey); model != "gpt2") {
    fail(spec, kModelKey, fmt::format("\"{}\" is not supported; supported is gpt2 (byte-level BPE)", model));
  }
  const auto known = get_pre_tokenizer(gguf, spec);
  spec.nfc = known.nfc;
  spec.ignore_merges = known.ignore_merges;
  if (gguf.find_bool("tokenizer.ggml.add_space_prefix").value_or(false)) {
    spec.pre_tokenizer.emplace_back(PrefixSpaceStep{});
  }
  if (known.individual_digits) spec.pre_tokenizer.push_back(SplitStep{.pattern = R"(\p{N})"});
  spec.pre_tokenizer.push_back(SplitStep{.pattern = std::string(known.pattern)});
  read_tokens(gguf, spec);
  read_merges(gguf, spec);
  spec.bos_id = find_id(gguf, "tokenizer.ggml.bos_token_id", spec);
  spec.eos_id = find_id(gguf, "tokenizer.ggml.eos_token_id", spec);
  add_special_token(gguf, "tokenizer.ggml.add_bos_token", known.adds_bos, spec.bos_id, spec, spec.prefix);
  add_special_token(gguf, "tokenizer.ggml.add_eos_token", false, spec.eos_id, spec, spec.suffix);
  return spec;
}

}  // namespace catenary::tokenizer
