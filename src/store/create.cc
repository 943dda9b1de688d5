#include "store/create.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "catenary/base/error.h"
#include "catenary/base/keep_mode.h"
#include "store/carry_over.h"
#include "store/checksums.h"
#include "store/h5.h"
#include "store/store_lock.h"
#include "store/tables.h"

namespace catenary::store {
namespace {

/// About what the file will hold; never less.
std::uint64_t estimate_num_bytes(const Tables& tables) {
  std::uint64_t num_bytes = 1 << 17;  // attributes, headers
  for_each_column(tables, [&num_bytes]<class T>(const ColumnInfo&, const std::vector<T>& rows) {
    std::size_t width = sizeof(T);
    if constexpr (std::is_same_v<T, std::string>) width = text_width(rows);
    num_bytes += rows.size() * width;
  });
  ResultColumns<std::type_identity> columns;
  for_each_result_column(columns, num_results(tables), [&num_bytes]<class T>(auto&, const ResultInfo<T>& result) {
    num_bytes += result.num_rows * sizeof(T);
  });
  return num_bytes;
}

/// Texts are padded with zero bytes, so one with a zero byte in it would be read back shorter than it is.
void check_texts(const std::filesystem::path& path, const Layout& layout, const Tables& tables) {
  Problems problems;
  const auto check_text = [&](std::string_view where, std::string_view text) {
    if (text.find('\0') == std::string_view::npos) return;
    problems.add(
        fmt::format("{}: {}: its text has the character NUL (\\u0000), which no store can hold", path.string(), where));
  };
  const auto check_attribute = [&](std::string_view name, std::string_view text) {
    check_text(fmt::format("attribute {}", name), text);
    if (text.size() <= kMaxAttributeBytes) return;
    problems.add(fmt::format("{}: attribute {}: its text has {} bytes, but a store can hold {} there", path.string(),
                             name, text.size(), kMaxAttributeBytes));
  };
  check_attribute("sweep_name", layout.sweep_name);
  check_attribute("dtype", layout.numerics.dtype);
  check_attribute("device_kind", layout.numerics.device_kind);
  check_attribute("catenary_version", layout.provenance.catenary_version);
  check_attribute("libtorch_version", layout.provenance.libtorch_version);
  check_attribute("host", layout.provenance.host);
  check_attribute("created", layout.provenance.created);
  for_each_column(tables, [&]<class T>(const ColumnInfo& info, const std::vector<T>& rows) {
    if constexpr (std::is_same_v<T, std::string>) {
      for (std::size_t i = 0; i < rows.size(); ++i)
        check_text(fmt::format("dataset /{}, row {}", info.path, i), rows[i]);
    }
  });
  problems.throw_if_any<StoreError>();
}

/// A file of a name that nobody has, beside the store. Removed at the end of its life, unless it got the store's name.
class UnfinishedFile {
 public:
  explicit UnfinishedFile(const std::filesystem::path& store) {
    std::error_code ignored;
    const mode_t mode = std::filesystem::exists(store, ignored) ? 0600 : 0666;  // until it gets what the older one has
    for (int i = 1; !descriptor_; ++i) {
      path_ = store;
      path_ += fmt::format(".tmp-{}", i);
      descriptor_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
      if (!descriptor_ && errno != EEXIST) {
        throw StoreError(fmt::format("{}: cannot be made: {}", store.string(), std::strerror(errno)));
      }
    }
  }
  ~UnfinishedFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// HDF5 does not come through a full disk in one piece, so the disk is asked before.
  void take_space(const std::filesystem::path& store, std::uint64_t num_bytes) const {
    if (::fallocate(descriptor_.get(), 0, 0, static_cast<off_t>(num_bytes)) == 0 || errno == EOPNOTSUPP) return;
    const std::string reason = errno == ENOSPC   ? "the disk is full"
                               : errno == EDQUOT ? "the disk quota is used up"
                                                 : std::strerror(errno);
    throw StoreError(fmt::format("{}: {}: the store needs {} bytes", store.string(), reason, num_bytes));
  }

  void rename_to(const std::filesystem::path& store) {
    keep_mode(store, path_);
    if (::rename(path_.c_str(), store.c_str()) != 0) {
      throw StoreError(fmt::format("{}: cannot be made: {}", store.string(), std::strerror(errno)));
    }
    path_.clear();
  }

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
};

void write_file(H5File file, const Layout& layout, const Tables& tables, const FileIdentity& identity) {
  const auto attribute = [&file](const char* name, const auto& value) {
    write_attribute(file.id(), name, value, file.subject(fmt::format("attribute {}", name)));
  };
  attribute("format", identity.format);
  attribute("schema_version", identity.schema_version);
  attribute("layout_hash", std::string_view(layout_hash(layout, tables)));
  attribute("sweep_name", std::string_view(layout.sweep_name));
  attribute("dtype", std::string_view(layout.numerics.dtype));
  attribute("device_kind", std::string_view(layout.numerics.device_kind));
  attribute("threads_per_rank", layout.numerics.threads_per_rank);
  attribute("catenary_version", std::string_view(layout.provenance.catenary_version));
  attribute("libtorch_version", std::string_view(layout.provenance.libtorch_version));
  attribute("host", std::string_view(layout.provenance.host));
  attribute("created", std::string_view(layout.provenance.created));

  create_group(file, "models", "the ladder, a row a model");
  create_group(file, "tasks", "a row a task");
  create_group(file, "task_items", "a row an item of a task, in the tasks' order");
  create_group(file, "task_classes", "a row a class of an item, in the items' order");
  create_group(file, "conditions", "prompt conditions");
  create_group(file, "units", "a row a work unit: model x task x condition");
  create_group(file, "ranges", "a row a run of items that is computed, stored and resumed as one");
  create_group(file, "scores", "a row a class of an item of a unit; a unit's rows follow its task's in /task_classes");
  create_group(file, "items", "a row an item of a unit; a unit's rows follow its task's in /task_items");
  create_group(file, "texts", "a row a text that a model generated for an item of a unit, in the items' order");
  create_group(file, "runs", "a row a run that wrote to this file, the first of them made it");

  for_each_column(tables, [&file]<class T>(const ColumnInfo& info, const std::vector<T>& rows) {
    if constexpr (std::is_same_v<T, std::string>) {
      create_text_column(file, info, rows);
    } else {
      Column<T>::create(file, info, rows.size(), T{}).write(0, rows);
    }
  });
  ResultColumns<Column> columns;
  for_each_result_column(columns, num_results(tables),
                         [&file]<class T>(Column<T>& column, const ResultInfo<T>& result) {
                           column = Column<T>::create(file, result.info, result.num_rows, result.pending);
                         });
  file.flush();
  file.close();
}

}  // namespace

std::vector<RangeState> create_store(const std::filesystem::path& path, const Layout& layout,
                                     const std::vector<spec::ItemRange>& ranges, const std::vector<Reader>& sources,
                                     const FileIdentity& identity) {
  check_folder(path);
  const Tables tables = tables_of(layout, ranges);
  check_texts(path, layout, tables);
  UnfinishedFile unfinished(path);
  unfinished.take_space(path, estimate_num_bytes(tables));
  write_file(H5File::create(unfinished.path(), path.string()), layout, tables, identity);
  std::vector<RangeState> states(ranges.size(), RangeState::kPending);
  if (!sources.empty()) carry_over(unfinished.path(), layout, ranges, sources, states);
  sync_to_disk(unfinished.path(), path);
  unfinished.rename_to(path);
  sync_to_disk(std::filesystem::absolute(path).parent_path(), path);
  return states;
}

}  // namespace catenary::store
