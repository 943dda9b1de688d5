#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace catenary::tokenizer {

/// `text` with every maximal ill-formed sequence replaced by U+FFFD, as Rust's String::from_utf8_lossy does; nothing if
/// it is valid UTF-8 as it stands.
std::optional<std::string> repair_utf8(std::string_view text);

/// Normalisation form C of valid UTF-8.
std::string nfc(std::string_view text);

/// Bytes of the character that starts at text[position] of valid UTF-8.
std::size_t char_length(std::string_view text, std::size_t position);

/// Where the character before `position` starts, 0 < position.
std::size_t previous_char(std::string_view text, std::size_t position);

}  // namespace catenary::tokenizer
