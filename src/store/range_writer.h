#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "catenary/spec/unit_result.h"
#include "store/store_lock.h"
#include "store/tables.h"

namespace catenary::store {

/// Who computed a range.
struct Owner {
  std::int32_t run_index = 0;
  std::int32_t rank = 0;
  double finished = 0;  // when, in seconds since 1970-01-01 UTC
};

/// Writes results into a store that is there: raw bytes at the places that HDF5 gave to the columns, so no metadata
/// changes and many processes may write, each its own ranges. All calls are independent, and throw StoreError.
class RangeWriter {
 public:
  /// Throws if the file has not the columns that the tables ask for.
  RangeWriter(const std::filesystem::path& path, Tables tables);

  /// Values, record, mark; a failed result only its record, reason and mark. If it throws, the mark is as it was. With
  /// `sync_values` the mark goes to the operating system after the values went to the disk.
  void write(std::size_t range_index, const spec::RangeResult& result, const Owner& owner,
             bool sync_values = false) const;

  /// A row of /runs, once when the run begins and once when it ends.
  void write_run(std::size_t run_index, const Run& run) const;

 private:
  /// Where a column lies in the file.
  template <class T>
  struct Extent {
    std::uint64_t offset = 0;
    std::size_t num_rows = 0;
  };
  template <class T>
  void put(const Extent<T>& column, std::size_t first, const std::vector<T>& rows) const;
  template <class T>
  void put_one(const Extent<T>& column, std::size_t row, const T& value) const;
  void put_bytes(std::uint64_t offset, const void* bytes, std::size_t num_bytes) const;

  Tables tables_;
  std::filesystem::path path_;
  Descriptor lock_, descriptor_;
  ResultColumns<Extent> columns_;
};

double seconds_since_1970();

}  // namespace catenary::store
