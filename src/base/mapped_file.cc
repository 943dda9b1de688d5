#include "catenary/base/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "catenary/base/unique_handle.h"

namespace catenary {
namespace {

struct DescriptorTraits {
  using Handle = int;
  static constexpr int kInvalid = -1;
  static void close(int descriptor) noexcept { ::close(descriptor); }
};

[[noreturn]] void fail(const std::filesystem::path& path, std::string_view what) {
  throw DataError(fmt::format("{}: {}", path.string(), what));
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  // O_NONBLOCK: opening a pipe that nobody writes to must not wait.
  UniqueHandle<DescriptorTraits> descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!descriptor) fail(path, std::strerror(errno));
  struct stat status {};
  if (::fstat(descriptor.get(), &status) != 0) fail(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail(path, "not a regular file");
  size_ = static_cast<std::size_t>(status.st_size);
  written_ = status.st_mtim;
  if (size_ == 0) return;
  void* mapping = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor.get(), 0);
  if (mapping == MAP_FAILED) fail(path, std::strerror(errno));
  data_ = static_cast<const std::byte*>(mapping);
  descriptor_ = descriptor.release();
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      written_(other.written_),
      descriptor_(std::exchange(other.descriptor_, -1)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(written_, other.written_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  if (descriptor_ != -1) ::close(descriptor_);
}

void MappedFile::read(std::span<const std::byte> part, std::span<std::byte> out) const {
  check(part.empty() || (part.data() >= data_ && part.size() <= size_ - (part.data() - data_)), "a part of the file");
  check(part.size() == out.size(), "the output holds the part");
  for (std::size_t done = 0; done < part.size();) {
    const auto offset = static_cast<off_t>(part.data() - data_ + done);
    const ssize_t count = ::pread(descriptor_, out.data() + done, part.size() - done, offset);
    if (count < 0 && errno != EINTR) fail(path_, std::strerror(errno));
    if (count == 0) fail(path_, fmt::format("ends at byte {}, and had {} when it was opened", offset, size_));
    if (count > 0) done += static_cast<std::size_t>(count);
  }
}

// Plain reads: posix_fadvise and readahead take several times the processor's time for the same bytes, and leave them
// in smaller pages, which are slower to read from later.
void MappedFile::warm(const std::stop_token& stop) const noexcept {
  // More than the kernel reads ahead of those who read here, so that a stretch's end tells whether it was in memory.
  constexpr std::size_t kStretch = 64 << 20;
  std::array<std::byte, 1 << 17> buffer;
  for (std::size_t begin = 0; begin < size_; begin += kStretch) {
    const std::size_t end = std::min(begin + kStretch, size_);
    const iovec last{buffer.data(), 1};
    if (::preadv2(descriptor_, &last, 1, static_cast<off_t>(end - 1), RWF_NOWAIT) == 1) continue;
    for (std::size_t at = begin; at < end; at += buffer.size()) {
      if (stop.stop_requested()) return;
      if (::pread(descriptor_, buffer.data(), std::min(buffer.size(), end - at), static_cast<off_t>(at)) < 0) return;
    }
  }
}

void MappedFile::check_unchanged() const {
  if (descriptor_ == -1) return;  // empty when it was opened: nothing was read from it
  struct stat now {};
  if (::fstat(descriptor_, &now) != 0) fail(path_, std::strerror(errno));
  if (std::cmp_not_equal(now.st_size, size_) || now.st_mtim.tv_sec != written_.tv_sec ||
      now.st_mtim.tv_nsec != written_.tv_nsec) {
    fail(path_, "was written to since it was opened");
  }
}

}  // namespace catenary
