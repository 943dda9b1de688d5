#include "tokenizer/byte_level.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <array>
#include <cstdint>

namespace catenary::tokenizer {
namespace {

constexpr int kNoByte = -1;

// Bytes that are printable in Latin-1 stand for themselves; the others, in order, are the characters from U+0100 on.
constexpr std::array<int, 0x144> kByteOfCodepoint = [] {
  std::array<int, 0x144> table{};
  table.fill(kNoByte);
  std::size_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    table[printable ? static_cast<std::size_t>(byte) : next++] = byte;
  }
  return table;
}();

// Each byte's character in UTF-8, at most two bytes; the first is 0 where one is enough.
constexpr std::array<std::array<char, 2>, 256> kCharOfByte = [] {
  std::array<std::array<char, 2>, 256> table{};
  for (std::size_t codepoint = 0; codepoint < kByteOfCodepoint.size(); ++codepoint) {
    const int byte = kByteOfCodepoint[codepoint];
    if (byte == kNoByte) continue;
    auto& [first, second] = table[static_cast<std::size_t>(byte)];
    if (codepoint >= 0x80) first = static_cast<char>(0xC0 | codepoint >> 6);
    second = static_cast<char>(codepoint < 0x80 ? codepoint : 0x80 | (codepoint & 0x3F));
  }
  return table;
}();

}  // namespace

std::string byte_token(unsigned char byte) {
  return fmt::format("<0x{:02X}>", byte);
}

std::string byte_level_encode(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 5 / 4);
  for (const char byte : bytes) {
    const auto [first, second] = kCharOfByte[static_cast<unsigned char>(byte)];
    if (first != 0) text += first;
    text += second;
  }
  return text;
}

std::optional<std::string> byte_level_decode(std::string_view token) {
  std::string bytes;
  bytes.reserve(token.size());
  while (!token.empty()) {
    std::int32_t codepoint = 0;
    const auto length = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(token.data()),
                                         static_cast<utf8proc_ssize_t>(token.size()), &codepoint);
    if (length <= 0 || codepoint >= static_cast<std::int32_t>(kByteOfCodepoint.size())) return std::nullopt;
    const int byte = kByteOfCodepoint[static_cast<std::size_t>(codepoint)];
    if (byte == kNoByte) return std::nullopt;
    bytes += static_cast<char>(byte);
    token.remove_prefix(static_cast<std::size_t>(length));
  }
  return bytes;
}

}  // namespace catenary::tokenizer
