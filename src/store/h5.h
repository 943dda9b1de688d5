#pragma once

#include <hdf5.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "catenary/base/check.h"
#include "catenary/base/unique_handle.h"
#include "store/column_info.h"

namespace catenary::store {

/// Throws StoreError with `subject` (the file, and the dataset or attribute), HDF5's own reason and the place of the
/// call.
[[noreturn]] void throw_h5_error(std::string_view subject, std::source_location where);

/// Returns `result` unless HDF5 says with it that the call failed.
template <class Result>
Result h5_check(Result result, std::string_view subject, std::source_location where = std::source_location::current()) {
  static_assert(std::is_signed_v<Result> || std::is_enum_v<Result>, "HDF5 reports failure with a negative value");
  if (result < 0) throw_h5_error(subject, where);
  return result;
}

namespace detail {
void log_close_failure() noexcept;

template <herr_t (*kClose)(hid_t)>
struct H5Traits {
  using Handle = hid_t;
  static constexpr hid_t kInvalid = H5I_INVALID_HID;
  static void close(hid_t id) noexcept {
    if (kClose(id) < 0) log_close_failure();
  }
};
}  // namespace detail

using FileHandle = UniqueHandle<detail::H5Traits<H5Fclose>>;
using GroupHandle = UniqueHandle<detail::H5Traits<H5Gclose>>;
using DatasetHandle = UniqueHandle<detail::H5Traits<H5Dclose>>;
using AttributeHandle = UniqueHandle<detail::H5Traits<H5Aclose>>;
using SpaceHandle = UniqueHandle<detail::H5Traits<H5Sclose>>;
using TypeHandle = UniqueHandle<detail::H5Traits<H5Tclose>>;
using PropertiesHandle = UniqueHandle<detail::H5Traits<H5Pclose>>;

/// An HDF5 file with the name it goes by in messages. Move-only.
class H5File {
 public:
  H5File() = default;
  /// Truncates what is there; messages call it `name`. Every piece of metadata carries a checksum (format of HDF5 1.8
  /// and later).
  static H5File create(const std::filesystem::path& path, std::string name);
  /// For reading; takes no lock. Throws DataError if there is no such file, StoreError if it is not an HDF5 file: what
  /// is left of a store, perhaps.
  static H5File open(const std::filesystem::path& path);

  hid_t id() const { return handle_.get(); }
  const std::string& name() const { return name_; }
  explicit operator bool() const { return static_cast<bool>(handle_); }
  /// "FILE: WHAT", for messages.
  std::string subject(std::string_view what) const;
  /// No column of this file can hold more bytes.
  std::uint64_t num_bytes() const { return num_bytes_; }

  /// To be called before `close`, for a close that fails leaves HDF5 confused.
  void flush();
  void close();

 private:
  FileHandle handle_;
  std::string name_;
  std::uint64_t num_bytes_ = std::numeric_limits<std::uint64_t>::max();
};

/// A fixed-width UTF-8 type, padded with zero bytes.
TypeHandle text_type(std::size_t width);
TypeHandle copy_type(hid_t type);

/// The type of T in the file: little-endian on every machine. Catenary itself runs on little-endian machines, so this
/// is also the type in memory.
template <class T>
TypeHandle type_of() {
  if constexpr (std::is_same_v<T, double>) {
    return copy_type(H5T_IEEE_F64LE);
  } else if constexpr (std::is_same_v<T, std::int32_t>) {
    return copy_type(H5T_STD_I32LE);
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return copy_type(H5T_STD_I64LE);
  } else if constexpr (std::is_same_v<T, std::uint8_t>) {
    return copy_type(H5T_STD_U8LE);
  } else if constexpr (std::is_same_v<T, std::uint32_t>) {
    return copy_type(H5T_STD_U32LE);
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    return copy_type(H5T_STD_U64LE);
  } else {
    return text_type(std::tuple_size_v<T>);
  }
}

/// A one-dimensional, contiguous dataset of one type.
class RawColumn {
 public:
  RawColumn() = default;
  /// Lays the column out in the file and fills it with `fill` (the bytes of one row; zero bytes if null).
  static RawColumn create(const H5File& file, const ColumnInfo& info, TypeHandle type, std::size_t num_rows,
                          const void* fill);
  /// Throws StoreError unless the dataset is one-dimensional and contiguous, and all of it is in the file.
  static RawColumn open(const H5File& file, std::string_view path);

  std::size_t num_rows() const { return num_rows_; }
  std::size_t row_bytes() const { return row_bytes_; }
  hid_t type() const { return type_.get(); }
  const std::string& subject() const { return subject_; }
  /// Where in the file its first row lies; 0 if it has none.
  std::uint64_t offset() const;

  void read(std::size_t first, std::size_t count, void* rows) const;
  void write(std::size_t first, std::size_t count, const void* rows) const;

 private:
  RawColumn(const H5File& file, std::string_view path, DatasetHandle dataset);
  template <class Transfer>
  void transfer(std::size_t first, std::size_t count, Transfer call) const;

  DatasetHandle dataset_;
  TypeHandle type_;
  std::size_t num_rows_ = 0;
  std::size_t row_bytes_ = 0;
  std::string subject_;
};

/// Throw StoreError naming the column.
void check_type(const RawColumn& column, const TypeHandle& expected);
void check_num_rows(const RawColumn& column, std::size_t expected);

/// A column whose rows are Ts: a number or a FixedText.
template <class T>
class Column {
 public:
  Column() = default;
  static Column create(const H5File& file, const ColumnInfo& info, std::size_t num_rows, const T& fill) {
    return Column(RawColumn::create(file, info, type_of<T>(), num_rows, &fill));
  }
  /// Throws StoreError unless the column holds Ts.
  static Column open(const H5File& file, std::string_view path) {
    Column column(RawColumn::open(file, path));
    check_type(column.raw_, type_of<T>());
    return column;
  }
  /// And has `num_rows` of them.
  static Column open(const H5File& file, std::string_view path, std::size_t num_rows) {
    Column column = open(file, path);
    check_num_rows(column.raw_, num_rows);
    return column;
  }

  std::size_t num_rows() const { return raw_.num_rows(); }
  std::uint64_t offset() const { return raw_.offset(); }
  std::vector<T> read(std::size_t first, std::size_t count) const {
    std::vector<T> rows(count);
    raw_.read(first, count, rows.data());
    return rows;
  }
  std::vector<T> read_all() const { return read(0, num_rows()); }
  void write(std::size_t first, std::span<const T> rows) const { raw_.write(first, rows.size(), rows.data()); }

 private:
  explicit Column(RawColumn raw) : raw_(std::move(raw)) {}
  RawColumn raw_;
};

/// A column of texts, as wide as the longest of them.
std::size_t text_width(const std::vector<std::string>& texts);
void create_text_column(const H5File& file, const ColumnInfo& info, const std::vector<std::string>& texts);
std::vector<std::string> read_text_column(const H5File& file, std::string_view path);

/// HDF5 keeps an attribute in an object header, which has room for 64 KB, and what else is in it.
inline constexpr std::size_t kMaxAttributeBytes = 60'000;

/// `parent` is a file, group or dataset.
void write_attribute(hid_t parent, const char* name, std::string_view text, std::string_view subject);
void write_attribute(hid_t parent, const char* name, std::int32_t value, std::string_view subject);
bool has_attribute(const H5File& file, const char* name);
std::string read_text_attribute(const H5File& file, const char* name);
std::int32_t read_int_attribute(const H5File& file, const char* name);

void create_group(const H5File& file, std::string_view path, std::string_view description);

}  // namespace catenary::store
