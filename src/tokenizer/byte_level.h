#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace catenary::tokenizer {

/// The bytes that a token of a byte-level vocabulary stands for, or nothing if `token` has a character that stands for
/// no byte. GPT-2 writes each byte as one printable character ("Ġ" is the space): bytes_to_unicode in openai/gpt-2,
/// src/encoder.py.
std::optional<std::string> byte_level_decode(std::string_view token);

/// The inverse: each byte as its character.
std::string byte_level_encode(std::string_view bytes);

/// SentencePiece's token of a byte: "<0x0A>".
std::string byte_token(unsigned char byte);

}  // namespace catenary::tokenizer
