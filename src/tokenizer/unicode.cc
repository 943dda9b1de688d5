#include "tokenizer/unicode.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>

#include "catenary/base/error.h"
#include "tokenizer/character_sets.h"

namespace catenary::tokenizer {
namespace {

const utf8proc_uint8_t* as_bytes(std::string_view text) {
  return reinterpret_cast<const utf8proc_uint8_t*>(text.data());
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char byte) { return byte < 0x80; });
}

// Length of the well-formed character that `text` starts with, or 0.
std::size_t valid_length(std::string_view text) {
  utf8proc_int32_t codepoint = 0;
  const auto length = utf8proc_iterate(as_bytes(text), static_cast<utf8proc_ssize_t>(text.size()), &codepoint);
  return length > 0 ? static_cast<std::size_t>(length) : 0;
}

constexpr auto first_of = [](const auto& pair) { return pair.first; };

// Of one well-formed character.
char32_t codepoint(std::string_view character) {
  utf8proc_int32_t codepoint = 0;
  utf8proc_iterate(as_bytes(character), static_cast<utf8proc_ssize_t>(character.size()), &codepoint);
  return static_cast<char32_t>(codepoint);
}

// Is `prefix` the start of some character? If it is, continuing it with the lowest or the highest bytes gives one.
bool starts_a_character(std::string_view prefix) {
  for (const char continuation : {'\x80', '\xBF'}) {
    for (std::size_t length = prefix.size() + 1; length <= 4; ++length) {
      std::string candidate(prefix);
      candidate.resize(length, continuation);
      if (valid_length(candidate) == length) return true;
    }
  }
  return false;
}

// Bytes of the character at `position` if it is one of kNewerCharacters, else 0.
std::size_t newer_length(std::string_view text, std::size_t position) {
  if (static_cast<unsigned char>(text[position]) < 0xDF) return 0;  // the first one is U+07FD
  const std::size_t length = char_length(text, position);
  const char32_t character = codepoint(text.substr(position, length));
  const auto after = std::ranges::upper_bound(kNewerCharacters, character, {}, first_of);
  const bool is_newer = after != kNewerCharacters.begin() && character <= std::prev(after)->second;
  return is_newer ? length : 0;
}

void append_normalized(std::string_view text, UnicodeForm form, std::string& out) {
  const bool composes = form == UnicodeForm::kNfc || form == UnicodeForm::kNfkc;
  const bool compatible = form == UnicodeForm::kNfkc || form == UnicodeForm::kNfkd;
  const int options =
      UTF8PROC_STABLE | (composes ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) | (compatible ? UTF8PROC_COMPAT : 0);
  utf8proc_uint8_t* normalized = nullptr;
  const auto length = utf8proc_map(as_bytes(text), static_cast<utf8proc_ssize_t>(text.size()), &normalized,
                                   static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(normalized, &std::free);
  if (length < 0) throw DataError(fmt::format("a text cannot be normalised: {}", utf8proc_errmsg(length)));
  out.append(reinterpret_cast<const char*>(normalized), static_cast<std::size_t>(length));
}

}  // namespace

std::optional<std::string> repair_utf8(std::string_view text) {
  std::optional<std::string> repaired;
  std::size_t good_begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (const std::size_t length = valid_length(text.substr(i)); length > 0) {
      i += length;
      continue;
    }
    std::size_t bad_end = i + 1;
    while (bad_end < text.size() && starts_a_character(text.substr(i, bad_end + 1 - i))) ++bad_end;
    if (!repaired) repaired.emplace();
    repaired->append(text, good_begin, i - good_begin).append("\uFFFD");
    good_begin = i = bad_end;
  }
  if (repaired) repaired->append(text, good_begin);
  return repaired;
}

bool has_newer_characters(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (newer_length(text, i) > 0) return true;
  }
  return false;
}

std::string normalize(std::string_view text, UnicodeForm form) {
  if (is_ascii(text)) return std::string(text);
  std::string out;
  std::size_t begin = 0;  // of what comes after the last newer character, which stays as it is
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t length = newer_length(text, i);
    if (length == 0) continue;
    append_normalized(text.substr(begin, i - begin), form, out);
    out.append(text, i, length);
    begin = i + length;
  }
  append_normalized(text.substr(begin), form, out);
  return out;
}

std::string lowercase(std::string_view text) {
  constexpr std::string_view kDottedI = "\u0130";  // utf8proc leaves out the dot that its lower case keeps
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view character = text.substr(i, char_length(text, i));
    i += character.size();
    if (character.size() == 1) {
      out += static_cast<char>(utf8proc_tolower(static_cast<unsigned char>(character.front())));
      continue;
    }
    if (character == kDottedI) {
      out += "i\u0307";
      continue;
    }
    const char32_t upper = codepoint(character);
    const auto newer = std::ranges::lower_bound(kNewerLowercase, upper, {}, first_of);
    const auto lower = newer != kNewerLowercase.end() && newer->first == upper
                           ? static_cast<utf8proc_int32_t>(newer->second)
                           : utf8proc_tolower(static_cast<utf8proc_int32_t>(upper));
    std::array<utf8proc_uint8_t, 4> bytes{};
    const auto length = utf8proc_encode_char(lower, bytes.data());
    out.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(length));
  }
  return out;
}

std::size_t char_length(std::string_view text, std::size_t position) {
  return static_cast<std::size_t>(utf8proc_utf8class[static_cast<unsigned char>(text[position])]);
}

std::size_t previous_char(std::string_view text, std::size_t position) {
  do --position;
  while (position > 0 && (static_cast<unsigned char>(text[position]) & 0xC0) == 0x80);
  return position;
}

}  // namespace catenary::tokenizer
