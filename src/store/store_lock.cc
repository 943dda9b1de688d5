#include "store/store_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/store/reader.h"

// The lock lies on a file beside the store, not on the store itself, which gets another file when it grows; and where
// locks are mandatory or flock is one (NFS), readers of other programs would have to wait. It belongs to the open file
// description (F_OFD_SETLK), so that it does not vanish when somebody in this process opens and closes the same file.

namespace catenary::store {
namespace {

/// Catenary's own lock is an empty file. Anything else of that name is the user's, and must not be locked or removed.
void check_is_lock(int descriptor, const std::filesystem::path& path, const std::filesystem::path& store) {
  struct stat file {};
  if (::fstat(descriptor, &file) == 0 && S_ISREG(file.st_mode) && file.st_size == 0) return;
  throw StoreError(
      fmt::format("{}: {} is not a lock of Catenary's, which would be an empty file; move it away, or take another -o",
                  store.string(), path.string()));
}

std::filesystem::path lock_path_of(const std::filesystem::path& store) {
  return store.string() + ".lock";
}

struct flock whole_file(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

bool is_same_file(int descriptor, const std::filesystem::path& path) {
  struct stat open_file {};
  struct stat named_file {};
  return ::fstat(descriptor, &open_file) == 0 && ::stat(path.c_str(), &named_file) == 0 &&
         open_file.st_ino == named_file.st_ino && open_file.st_dev == named_file.st_dev;
}

}  // namespace

void check_folder(const std::filesystem::path& store) {
  if (store.empty()) throw StoreError("the store's path is empty");
  if (!store.has_filename()) throw StoreError(fmt::format("{}: a folder, not a file's name", store.string()));
  const std::filesystem::path folder = store.parent_path();
  if (folder.empty()) return;
  std::error_code error;
  const auto status = std::filesystem::status(folder, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    throw StoreError(fmt::format("{}: the folder {} does not exist", store.string(), folder.string()));
  }
  if (error) throw StoreError(fmt::format("{}: the folder {}: {}", store.string(), folder.string(), error.message()));
  if (!std::filesystem::is_directory(status)) {
    throw StoreError(fmt::format("{}: {} is not a folder", store.string(), folder.string()));
  }
}

void DescriptorTraits::close(int descriptor) noexcept {
  ::close(descriptor);
}

StoreLock::StoreLock(const std::filesystem::path& store) : path_(lock_path_of(store)) {
  check_folder(store);
  do {
    descriptor_ = Descriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666));
    if (!descriptor_) {
      throw StoreError(fmt::format("{}: the store's lock, {}, cannot be made: {}", store.string(), path_.string(),
                                   std::strerror(errno)));
    }
    check_is_lock(descriptor_.get(), path_, store);
    struct flock lock = whole_file(F_WRLCK);
    // Ranks of a sweep that was just stopped may outlive their mpirun by a moment.
    bool is_locked = false, is_taken = true;
    for (int i = 0; i < 30 && !is_locked && is_taken; ++i) {
      if (i > 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
      is_locked = ::fcntl(descriptor_.get(), F_OFD_SETLK, &lock) == 0;
      is_taken = errno == EAGAIN || errno == EACCES;
    }
    if (!is_locked && is_taken) {
      descriptor_.reset();
      throw StoreError(
          fmt::format("{}: another sweep is writing this store; wait for it, or take another -o", store.string()));
    }
    if (!is_locked) {
      log::warning(fmt::format("{}: cannot be locked ({}); see to it that no second sweep writes this store",
                               path_.string(), std::strerror(errno)));
    }
    // Whoever held it may have removed the file between our open and our lock.
  } while (!is_same_file(descriptor_.get(), path_));
}

StoreLock::~StoreLock() {
  std::error_code ignored;
  if (is_same_file(descriptor_.get(), path_)) std::filesystem::remove(path_, ignored);
}

bool is_being_written(const std::filesystem::path& path) {
  std::error_code ignored;
  const std::filesystem::path lock_path = lock_path_of(std::filesystem::weakly_canonical(path, ignored));
  const Descriptor descriptor(::open(lock_path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct flock lock = whole_file(F_RDLCK);
  return descriptor && ::fcntl(descriptor.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void sync_to_disk(const std::filesystem::path& path, const std::filesystem::path& store) {
  const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor && ::fsync(descriptor.get()) == 0) return;
  throw StoreError(fmt::format("{}: cannot be put on the disk: {}", store.string(), std::strerror(errno)));
}

}  // namespace catenary::store
