#include "tokenizer/byte_level.h"

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

}  // namespace

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
