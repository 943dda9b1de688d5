#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "catenary/tokenizer/tokenizer.h"
#include "tokenizer/regex.h"

namespace catenary::tokenizer {

/// What becomes of the matches of a split (the words of tokenizer.json).
enum class SplitBehavior : std::uint8_t { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// Cuts a text at the matches of a pattern.
struct SplitStep {
  std::string pattern;
  PatternSyntax syntax = PatternSyntax::kOniguruma;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // what lies between the matches counts as the match
};

/// Puts a space before a text that starts with none.
struct PrefixSpaceStep {};

using PreTokenizerStep = std::variant<SplitStep, PrefixSpaceStep>;

/// GPT-2's pattern: `pat` in openai/gpt-2, src/encoder.py.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// A token that is found in the text itself, before the pre-tokenizer and the model see it.
struct AddedToken {
  TokenId id = 0;
  std::string content;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // … and after it
  bool normalized = false;   // is looked for in the normalised text
};

struct VocabEntry {
  std::string token;  // byte-level
  TokenId id = 0;
};

struct Merge {
  std::string left, right;
};

/// Everything that defines a tokenizer, whatever file it comes from. Normaliser → pre-tokenizer → byte-level BPE →
/// template.
struct TokenizerSpec {
  std::filesystem::path path;                           // for messages, and where in the file:
  std::string vocab_key, merges_key, added_tokens_key;  // JSON pointers or GGUF keys

  bool nfc = false;
  std::vector<PreTokenizerStep> pre_tokenizer;
  std::vector<VocabEntry> vocab;  // in order of id
  std::vector<Merge> merges;      // lowest rank first
  bool ignore_merges = false;     // a piece that is a token is that token
  std::string unk_token;          // for a byte that has no token; empty: such bytes are dropped
  bool fuse_unk = false;          // one unk_token for a run of them
  std::vector<AddedToken> added_tokens;
  std::vector<VocabEntry> unused;       // ids that no text gives, but decode knows
  std::vector<TokenId> prefix, suffix;  // around a text with special tokens
  std::optional<TokenId> bos_id, eos_id;
};

TokenizerSpec read_tokenizer_json(const std::filesystem::path& path);
TokenizerSpec read_gguf(const weights::GgufFile& gguf);

}  // namespace catenary::tokenizer
