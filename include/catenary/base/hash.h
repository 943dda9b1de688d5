#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace catenary {

/// 128-bit XXH3 over everything added, in order (Y. Collet, xxHash 0.8). Same bytes, same value, on any machine. It
/// tells different inputs apart; it does not defend against somebody who makes two inputs collide on purpose.
class Hasher {
 public:
  Hasher();
  ~Hasher();
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;

  Hasher& add(std::span<const std::byte> bytes);
  /// Adds the length before the text, so that ("ab", "c") and ("a", "bc") differ.
  Hasher& add(std::string_view text);
  Hasher& add(std::uint64_t value);
  /// 32 lower-case hexadecimal digits.
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The low 32 bits of 64-bit XXH3: the store's checksum.
std::uint32_t checksum32(std::span<const std::byte> bytes);

}  // namespace catenary
