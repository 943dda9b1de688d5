#pragma once

#include <utility>

namespace catenary {

/// Owns one handle of a C library. Move-only.
///   Traits::Handle             the handle's type
///   Traits::kInvalid           the value that owns nothing
///   Traits::close(Handle)      noexcept; releases it (logs what goes wrong)
template <class Traits>
class UniqueHandle {
 public:
  using Handle = typename Traits::Handle;

  UniqueHandle() = default;
  explicit UniqueHandle(Handle handle) : handle_(handle) {}
  UniqueHandle(UniqueHandle&& other) noexcept : handle_(other.release()) {}
  UniqueHandle& operator=(UniqueHandle&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = other.release();
    }
    return *this;
  }
  UniqueHandle(const UniqueHandle&) = delete;
  UniqueHandle& operator=(const UniqueHandle&) = delete;
  ~UniqueHandle() { reset(); }

  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != Traits::kInvalid; }
  [[nodiscard]] Handle release() { return std::exchange(handle_, Traits::kInvalid); }
  void reset() noexcept {
    if (handle_ != Traits::kInvalid) Traits::close(release());
  }

 private:
  Handle handle_ = Traits::kInvalid;
};

}  // namespace catenary
