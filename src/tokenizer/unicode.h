#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace catenary::tokenizer {

/// `text` with every maximal ill-formed sequence replaced by U+FFFD, as Rust's String::from_utf8_lossy does; nothing if
/// it is valid UTF-8 as it stands.
std::optional<std::string> repair_utf8(std::string_view text);

/// A Unicode normalisation form.
enum class UnicodeForm : std::uint8_t { kNfc, kNfd, kNfkc, kNfkd };

/// Whether valid UTF-8 has a character of which PCRE2 or utf8proc and Hugging Face may know different things: those
/// assigned after Unicode 14, and some that Hugging Face's normal forms leave out.
bool has_newer_characters(std::string_view text);

/// A normalisation form of valid UTF-8.
std::string normalize(std::string_view text, UnicodeForm form);

/// Each character's lower case, whatever stands around it.
std::string lowercase(std::string_view text);

/// Bytes of the character that starts at text[position] of valid UTF-8.
std::size_t char_length(std::string_view text, std::size_t position);

/// Where the character before `position` starts, 0 < position.
std::size_t previous_char(std::string_view text, std::size_t position);

}  // namespace catenary::tokenizer
