#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/weights/checkpoint.h"

namespace catenary::tokenizer {

using TokenId = std::int32_t;

/// Text to token ids exactly as Hugging Face `tokenizers` does it, from tokenizer.json or from GGUF metadata: BPE
/// (byte-level, or SentencePiece's with byte fallback), Unigram and WordPiece. What a character is (letter, number,
/// word character, its normal form) is looked up in the Unicode versions of the PCRE2 and utf8proc in use; ids of
/// characters that are younger than those, or younger than the one in `tokenizers` (Unicode 9 for the compatibility
/// forms), can differ. Move-only. `encode` and `decode` are const and thread-safe.
class Tokenizer {
 public:
  /// From a checkpoint: the GGUF's own metadata; or what the folder has of tokenizer.json, tokenizer.model and
  /// *.tiktoken, in this order.
  /// Throws DataError naming file and JSON pointer or key for anything malformed or not supported; never guesses.
  static Tokenizer open(const weights::Checkpoint& checkpoint);
  static Tokenizer from_json(const std::filesystem::path& tokenizer_json);
  /// A SentencePiece model, as the slow LlamaTokenizer of transformers uses it (a BOS, no EOS, and a space before each
  /// text between special tokens, unless the model or tokenizer_config.json say otherwise), or tiktoken's ranks.
  static Tokenizer from_model(const std::filesystem::path& path);
  static Tokenizer from_gguf(const weights::GgufFile& gguf);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Token ids of `text`. With `add_special_tokens`, those that the tokenizer's post-processor puts around a text (a
  /// BOS where the model has one). Special tokens written out in the text are recognised, as Hugging Face does. Invalid
  /// UTF-8 is replaced by U+FFFD first. Throws DataError for a text of more than 1 GiB.
  std::vector<TokenId> encode(std::string_view text, bool add_special_tokens) const;

  /// The text of `ids`, special tokens included. The inverse of `encode` for text that needs no normalisation. Bytes
  /// that are no whole character become U+FFFD. Throws DataError for an id that no token has.
  std::string decode(std::span<const TokenId> ids) const;

  /// For people: "byte-level BPE", "BPE with byte fallback", "Unigram", …
  std::string kind() const;
  /// The file that it was read from.
  const std::filesystem::path& path() const;
  /// One more than the largest id.
  std::int64_t vocab_size() const;
  /// Whether a token has this id; there may be gaps.
  bool has_token(TokenId id) const;
  std::optional<TokenId> bos_id() const;
  std::optional<TokenId> eos_id() const;
  /// Tells this tokenizer from any other: a hash of everything that `encode` depends on. Formatting and order of keys
  /// in the file do not matter; a GGUF and a tokenizer.json of one model have different fingerprints.
  const std::string& fingerprint() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace catenary::tokenizer
