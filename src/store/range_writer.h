#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "catenary/spec/unit_result.h"
#include "store/h5.h"
#include "store/tables.h"

namespace catenary::store {

/// Writes results into a file that is open for writing. Does no communication and changes no metadata.
class RangeWriter {
 public:
  /// Throws StoreError if the file has not the columns that the tables ask for.
  RangeWriter(const H5File& file, Tables tables);

  /// Scores, record, mark; a failed result only its record, reason and mark. Throws StoreError, with the mark as it
  /// was.
  void write(std::size_t range_index, const spec::RangeResult& result, std::int32_t owner_rank) const;

 private:
  Scores flatten(std::size_t range_index, const std::vector<spec::ItemScore>& items) const;

  Tables tables_;
  Column<double> log_likelihood_;
  Column<std::int32_t> num_tokens_;
  Column<std::uint8_t> is_greedy_;
  Column<std::uint8_t> state_;
  Column<std::uint32_t> checksum_;
  Column<std::int32_t> owner_rank_;
  Column<double> seconds_;
  Column<std::int64_t> num_tokens_fed_;
  Column<double> finished_;
  Column<ErrorText> error_;
  Column<std::uint32_t> record_checksum_;
};

}  // namespace catenary::store
