#include "store/h5.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <exception>

#include "catenary/base/error.h"
#include "catenary/base/log.h"

namespace catenary::store {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is little-endian, and type_of has no conversion");

/// HDF5's stack holds one line a function; the innermost says what happened, the outermost what was tried.
std::string take_error_stack() {
  struct Lines {
    std::string innermost;
    std::string outermost;
  } lines;
  const H5E_walk2_t keep = [](unsigned, const H5E_error2_t* error, void* data) -> herr_t {
    auto& kept = *static_cast<Lines*>(data);
    if (error->desc == nullptr) return 0;
    if (kept.innermost.empty()) kept.innermost = error->desc;
    kept.outermost = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep, &lines);
  H5Eclear2(H5E_DEFAULT);
  if (lines.innermost.empty()) return "HDF5 gives no reason";
  // Where the system refused, HDF5 says so among a line of buffers and offsets; the user needs the system's words.
  constexpr std::string_view kSystemSays = "error message = '";
  if (const auto found = lines.innermost.find(kSystemSays); found != std::string::npos) {
    const auto begin = found + kSystemSays.size();
    lines.innermost = lines.innermost.substr(begin, lines.innermost.find('\'', begin) - begin);
  }
  // "truncated file: eof = 20000, sblock->base_addr = 0, stored_eof = 103084"
  if (lines.innermost.starts_with("truncated file: ")) {
    const auto number_after = [&](std::string_view label) {
      const std::string rest = lines.innermost.substr(lines.innermost.find(label) + label.size());
      return rest.substr(0, rest.find_first_not_of("0123456789"));
    };
    return fmt::format("cut short, {} of {} bytes; copy it again from where it is whole", number_after("eof = "),
                       number_after("stored_eof = "));
  }
  if (lines.innermost == "unable to find link class") return "it is a link to another file, which no store has";
  if (lines.innermost == lines.outermost) return lines.innermost;
  return fmt::format("{}: {}", lines.outermost, lines.innermost);
}

void prepare_library() {
  // HDF5 closes at exit what is open, and crashes there if a write had failed for want of space. Ours is closed by
  // then.
  [[maybe_unused]] static const herr_t once = H5dont_atexit();
  // HDF5 prints its stack on standard error unless told otherwise; ours goes into the exception.
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  // A store is one file. A link in one of a stranger's could lead to any other, or to a pipe that never opens, and what
  // is then written at that file's offsets would go over this one.
  [[maybe_unused]] static const herr_t unlinked = H5Lunregister(H5L_TYPE_EXTERNAL);
}

PropertiesHandle make_properties(hid_t list_class, std::string_view subject) {
  return PropertiesHandle(h5_check(H5Pcreate(list_class), subject));
}

/// File access without HDF5's own flock: readers never wait for a sweep, and a sweep never for readers. Catenary has
/// its own lock (store_lock.h).
PropertiesHandle file_access(std::string_view subject) {
  PropertiesHandle access = make_properties(H5P_FILE_ACCESS, subject);
  h5_check(H5Pset_file_locking(access.get(), false, true), subject);
  return access;
}

void write_attribute(hid_t parent, const char* name, hid_t type, const void* value, std::string_view subject) {
  const SpaceHandle space(h5_check(H5Screate(H5S_SCALAR), subject));
  const AttributeHandle attribute(
      h5_check(H5Acreate2(parent, name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT), subject));
  h5_check(H5Awrite(attribute.get(), type, value), subject);
}

AttributeHandle open_scalar_attribute(const H5File& file, const char* name, std::string_view subject) {
  AttributeHandle attribute(h5_check(H5Aopen(file.id(), name, H5P_DEFAULT), subject));
  const SpaceHandle space(h5_check(H5Aget_space(attribute.get()), subject));
  if (h5_check(H5Sget_simple_extent_npoints(space.get()), subject) != 1) {
    throw StoreError(fmt::format("{}: expected one value", subject));
  }
  return attribute;
}

/// Text in `width` bytes as it is written: without the padding.
std::string without_padding(const char* bytes, std::size_t width) {
  return {bytes, static_cast<std::size_t>(std::find(bytes, bytes + width, '\0') - bytes)};
}

bool is_fixed_text(hid_t type, std::string_view subject) {
  return h5_check(H5Tget_class(type), subject) == H5T_STRING && h5_check(H5Tis_variable_str(type), subject) == 0;
}

}  // namespace

void throw_h5_error(std::string_view subject, std::source_location where) {
  throw StoreError(fmt::format("{}: {} (HDF5, called at {}:{})", subject, take_error_stack(),
                               std::filesystem::path(where.file_name()).filename().string(), where.line()));
}

void detail::log_close_failure() noexcept {
  // After a failed write every object that holds unwritten bytes fails to close; the exception under way says why.
  if (std::uncaught_exceptions() > 0) return;
  try {
    log::warning(fmt::format("closing an HDF5 object: {}", take_error_stack()));
  } catch (...) {
    return;  // a destructor has nobody to tell
  }
}

// ---- files --------------------------------------------------------------------------------------------------------

H5File H5File::create(const std::filesystem::path& path, std::string name) {
  prepare_library();
  H5File file;
  file.name_ = std::move(name);
  const PropertiesHandle access = file_access(file.name_);
  h5_check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V18), file.name_);
  file.handle_ = FileHandle(h5_check(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), file.name_));
  return file;
}

H5File H5File::open(const std::filesystem::path& path) {
  prepare_library();
  H5File file;
  file.name_ = path.string();
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (error) throw DataError(fmt::format("{}: {}", file.name_, error.message()));
  if (!std::filesystem::is_regular_file(status)) {
    throw DataError(
        fmt::format("{}: {}", file.name_, std::filesystem::exists(status) ? "not a regular file" : "no such file"));
  }
  file.num_bytes_ = std::filesystem::file_size(path);
  if (h5_check(H5Fis_hdf5(path.c_str()), file.name_) == 0) {
    throw StoreError(fmt::format("{}: not an HDF5 file", file.name_));
  }
  const PropertiesHandle properties = file_access(file.name_);
  file.handle_ = FileHandle(h5_check(H5Fopen(path.c_str(), H5F_ACC_RDONLY, properties.get()), file.name_));
  return file;
}

std::string H5File::subject(std::string_view what) const {
  return fmt::format("{}: {}", name_, what);
}

void H5File::flush() {
  h5_check(H5Fflush(handle_.get(), H5F_SCOPE_GLOBAL), name_);
}

void H5File::close() {
  h5_check(H5Fclose(handle_.release()), name_);
}

// ---- columns ------------------------------------------------------------------------------------------------------

TypeHandle copy_type(hid_t type) {
  return TypeHandle(h5_check(H5Tcopy(type), "copy of a type"));
}

TypeHandle text_type(std::size_t width) {
  TypeHandle type = copy_type(H5T_C_S1);
  h5_check(H5Tset_size(type.get(), std::max<std::size_t>(width, 1)), "text type");
  h5_check(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "text type");
  h5_check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "text type");
  return type;
}

RawColumn::RawColumn(const H5File& file, std::string_view path, DatasetHandle dataset)
    : dataset_(std::move(dataset)), subject_(file.subject(fmt::format("dataset /{}", path))) {
  type_ = TypeHandle(h5_check(H5Dget_type(dataset_.get()), subject_));
  row_bytes_ = H5Tget_size(type_.get());
  if (row_bytes_ == 0) throw_h5_error(subject_, std::source_location::current());
}

RawColumn RawColumn::create(const H5File& file, const ColumnInfo& info, TypeHandle type, std::size_t num_rows,
                            const void* fill) {
  const std::string subject = file.subject(fmt::format("dataset /{}", info.path));
  const hsize_t extent = num_rows;
  const SpaceHandle space(h5_check(H5Screate_simple(1, &extent, nullptr), subject));
  const PropertiesHandle properties = make_properties(H5P_DATASET_CREATE, subject);
  h5_check(H5Pset_layout(properties.get(), H5D_CONTIGUOUS), subject);
  h5_check(H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY), subject);
  if (fill != nullptr) h5_check(H5Pset_fill_value(properties.get(), type.get(), fill), subject);
  h5_check(H5Pset_fill_time(properties.get(), H5D_FILL_TIME_ALLOC), subject);
  h5_check(H5Pset_obj_track_times(properties.get(), false), subject);  // so that the same sweep makes the same bytes
  DatasetHandle dataset(h5_check(H5Dcreate2(file.id(), std::string(info.path).c_str(), type.get(), space.get(),
                                            H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                                 subject));
  write_attribute(dataset.get(), "description", info.description, subject);
  if (!info.units.empty()) write_attribute(dataset.get(), "units", info.units, subject);
  RawColumn column(file, info.path, std::move(dataset));
  column.num_rows_ = num_rows;
  return column;
}

RawColumn RawColumn::open(const H5File& file, std::string_view path) {
  const std::string subject = file.subject(fmt::format("dataset /{}", path));
  RawColumn column(file, path,
                   DatasetHandle(h5_check(H5Dopen2(file.id(), std::string(path).c_str(), H5P_DEFAULT), subject)));
  const SpaceHandle space(h5_check(H5Dget_space(column.dataset_.get()), subject));
  if (h5_check(H5Sget_simple_extent_ndims(space.get()), subject) != 1) {
    throw StoreError(fmt::format("{}: expected one dimension", subject));
  }
  const PropertiesHandle properties(h5_check(H5Dget_create_plist(column.dataset_.get()), subject));
  if (h5_check(H5Pget_layout(properties.get()), subject) != H5D_CONTIGUOUS) {
    throw StoreError(
        fmt::format("{}: expected a contiguous layout; was the file rewritten by another program?", subject));
  }
  hsize_t extent = 0;
  h5_check(H5Sget_simple_extent_dims(space.get(), &extent, nullptr), subject);
  if (extent > file.num_bytes() / column.row_bytes_) {
    throw StoreError(
        fmt::format("{}: has {} rows of {} bytes, more than the file holds", subject, extent, column.row_bytes_));
  }
  column.num_rows_ = extent;
  // Columns may also lie in other files (external storage), or nowhere yet.
  if (extent > 0 && H5Dget_offset(column.dataset_.get()) > file.num_bytes() - extent * column.row_bytes_) {
    throw StoreError(fmt::format("{}: its rows do not lie in this file", subject));
  }
  return column;
}

template <class Transfer>
void RawColumn::transfer(std::size_t first, std::size_t count, Transfer call) const {
  check(first <= num_rows_ && count <= num_rows_ - first, "rows outside of a column");
  if (count == 0) return;
  const hsize_t begin = first;
  const hsize_t length = count;
  const hsize_t extent = num_rows_;
  const SpaceHandle in_file(h5_check(H5Screate_simple(1, &extent, nullptr), subject_));
  h5_check(H5Sselect_hyperslab(in_file.get(), H5S_SELECT_SET, &begin, nullptr, &length, nullptr), subject_);
  const SpaceHandle in_memory(h5_check(H5Screate_simple(1, &length, nullptr), subject_));
  h5_check(call(in_memory.get(), in_file.get()), subject_);
}

void RawColumn::read(std::size_t first, std::size_t count, void* rows) const {
  transfer(first, count, [&](hid_t in_memory, hid_t in_file) {
    return H5Dread(dataset_.get(), type_.get(), in_memory, in_file, H5P_DEFAULT, rows);
  });
}

void RawColumn::write(std::size_t first, std::size_t count, const void* rows) const {
  transfer(first, count, [&](hid_t in_memory, hid_t in_file) {
    return H5Dwrite(dataset_.get(), type_.get(), in_memory, in_file, H5P_DEFAULT, rows);
  });
}

std::uint64_t RawColumn::offset() const {
  if (num_rows_ == 0) return 0;
  const haddr_t offset = H5Dget_offset(dataset_.get());
  if (offset == HADDR_UNDEF) throw_h5_error(subject_, std::source_location::current());
  return offset;
}

void check_type(const RawColumn& column, const TypeHandle& expected) {
  if (h5_check(H5Tequal(column.type(), expected.get()), column.subject()) == 0) {
    throw StoreError(fmt::format("{}: has another type than the format says", column.subject()));
  }
}

void check_num_rows(const RawColumn& column, std::size_t expected) {
  if (column.num_rows() != expected) {
    throw StoreError(fmt::format("{}: has {} rows, expected {}", column.subject(), column.num_rows(), expected));
  }
}

std::size_t text_width(const std::vector<std::string>& texts) {
  std::size_t width = 1;  // HDF5 has no text of zero bytes
  for (const std::string& text : texts) width = std::max(width, text.size());
  return width;
}

void create_text_column(const H5File& file, const ColumnInfo& info, const std::vector<std::string>& texts) {
  const std::size_t width = text_width(texts);
  std::string bytes(texts.size() * width, '\0');
  for (std::size_t i = 0; i < texts.size(); ++i) texts[i].copy(bytes.data() + i * width, width);
  // A fill value lies in the object header, which has no room for 64 KB.
  RawColumn::create(file, info, text_type(width), texts.size(), nullptr).write(0, texts.size(), bytes.data());
}

std::vector<std::string> read_text_column(const H5File& file, std::string_view path) {
  const RawColumn column = RawColumn::open(file, path);
  if (!is_fixed_text(column.type(), column.subject())) {
    throw StoreError(fmt::format("{}: expected text of a fixed width", column.subject()));
  }
  const std::size_t width = column.row_bytes();
  std::string bytes(column.num_rows() * width, '\0');
  column.read(0, column.num_rows(), bytes.data());
  std::vector<std::string> texts(column.num_rows());
  for (std::size_t i = 0; i < texts.size(); ++i) texts[i] = without_padding(bytes.data() + i * width, width);
  return texts;
}

// ---- attributes and groups ----------------------------------------------------------------------------------------

void write_attribute(hid_t parent, const char* name, std::string_view text, std::string_view subject) {
  const TypeHandle type = text_type(text.size());
  write_attribute(parent, name, type.get(), text.empty() ? "" : text.data(), subject);
}

void write_attribute(hid_t parent, const char* name, std::int32_t value, std::string_view subject) {
  write_attribute(parent, name, type_of<std::int32_t>().get(), &value, subject);
}

bool has_attribute(const H5File& file, const char* name) {
  return h5_check(H5Aexists(file.id(), name), file.subject(fmt::format("attribute {}", name))) > 0;
}

std::string read_text_attribute(const H5File& file, const char* name) {
  const std::string subject = file.subject(fmt::format("attribute {}", name));
  const AttributeHandle attribute = open_scalar_attribute(file, name, subject);
  const TypeHandle type(h5_check(H5Aget_type(attribute.get()), subject));
  const std::size_t width = H5Tget_size(type.get());
  if (!is_fixed_text(type.get(), subject) || width > file.num_bytes()) {
    throw StoreError(fmt::format("{}: expected text of a fixed width", subject));
  }
  std::string bytes(width, '\0');
  h5_check(H5Aread(attribute.get(), type.get(), bytes.data()), subject);
  return without_padding(bytes.data(), width);
}

std::int32_t read_int_attribute(const H5File& file, const char* name) {
  const std::string subject = file.subject(fmt::format("attribute {}", name));
  const AttributeHandle attribute = open_scalar_attribute(file, name, subject);
  const TypeHandle type(h5_check(H5Aget_type(attribute.get()), subject));
  const TypeHandle expected = type_of<std::int32_t>();
  if (h5_check(H5Tequal(type.get(), expected.get()), subject) == 0) {
    throw StoreError(fmt::format("{}: expected a 32-bit integer", subject));
  }
  std::int32_t value = 0;
  h5_check(H5Aread(attribute.get(), expected.get(), &value), subject);
  return value;
}

void create_group(const H5File& file, std::string_view path, std::string_view description) {
  const std::string subject = file.subject(fmt::format("group /{}", path));
  const GroupHandle group(
      h5_check(H5Gcreate2(file.id(), std::string(path).c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), subject));
  write_attribute(group.get(), "description", description, subject);
}

}  // namespace catenary::store
