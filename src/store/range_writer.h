#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "catenary/spec/unit_result.h"
#include "store/h5.h"
#include "store/tables.h"

namespace catenary::store {

/// Who computed a range.
struct Owner {
  std::int32_t run_index = 0;
  std::int32_t rank = 0;
};

/// Writes results into a file that is open for writing. Does no communication and changes no metadata.
class RangeWriter {
 public:
  /// Throws StoreError if the file has not the columns that the tables ask for.
  RangeWriter(const H5File& file, Tables tables);

  /// Values, record, mark; a failed result only its record, reason and mark. Throws StoreError, with the mark as it
  /// was.
  void write(std::size_t range_index, const spec::RangeResult& result, const Owner& owner) const;

 private:
  Tables tables_;
  Column<double> log_likelihood_;
  Column<std::int32_t> num_tokens_;
  Column<std::uint8_t> is_greedy_;
  Column<std::uint8_t> is_truncated_;
  Column<std::int64_t> text_begin_;
  Column<std::int32_t> text_num_bytes_;
  Column<std::int32_t> text_num_tokens_;
  Column<std::uint8_t> text_is_cut_;
  Column<std::uint8_t> text_bytes_;
  Column<std::uint8_t> state_;
  Column<std::uint32_t> checksum_;
  Column<std::int32_t> run_index_;
  Column<std::int32_t> owner_rank_;
  Column<double> seconds_;
  Column<std::int64_t> num_tokens_fed_;
  Column<std::int64_t> num_items_truncated_;
  Column<double> flops_;
  Column<double> finished_;
  Column<ErrorText> error_;
  Column<std::uint32_t> record_checksum_;
};

/// Writes a row of /runs, once when the run begins and once when it ends.
void write_run(const H5File& file, std::size_t run_index, const Run& run);

double seconds_since_1970();

}  // namespace catenary::store
