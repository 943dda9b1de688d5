#pragma once

#include <filesystem>

#include "catenary/base/unique_handle.h"

namespace catenary::store {

struct DescriptorTraits {
  using Handle = int;
  static constexpr int kInvalid = -1;
  static void close(int descriptor) noexcept;
};
using Descriptor = UniqueHandle<DescriptorTraits>;

/// Says that this process writes the store; gone with the object or the process. Readers do not look at it.
class StoreLock {
 public:
  /// Throws StoreError if another process holds it or the folder cannot be written. Where the file system has no locks:
  /// warns.
  explicit StoreLock(const std::filesystem::path& store);
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;
  ~StoreLock();

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
};

/// Puts what was written to a file, or a folder's list of names, on the disk. Throws StoreError.
void sync_to_disk(const std::filesystem::path& path);

}  // namespace catenary::store
