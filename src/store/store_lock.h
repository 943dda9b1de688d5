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

/// Throws StoreError, in the user's words, if there cannot be a file of this name: no name, no such folder.
void check_folder(const std::filesystem::path& store);

/// Says that this process writes the store; gone with the object or the process. Readers do not look at it.
class StoreLock {
 public:
  /// Throws StoreError if another process holds it, if the folder cannot be written, or if a file of the lock's name is
  /// there that is not a lock: not empty, or not a file. Where the file system has no locks: warns.
  explicit StoreLock(const std::filesystem::path& store);
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;
  ~StoreLock();

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
};

/// Puts what was written to a file, or a folder's list of names, on the disk. Throws StoreError naming `store`.
void sync_to_disk(const std::filesystem::path& path, const std::filesystem::path& store);

}  // namespace catenary::store
