#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "catenary/spec/unit_result.h"
#include "catenary/spec/work_unit.h"
#include "catenary/store/schema.h"

namespace catenary::store {

/// One item range as the file has it.
struct StoredRange {
  spec::ItemRange range;
  RangeState state = RangeState::kPending;
  std::int32_t owner_rank = -1;      // who computed it; -1 while pending
  double seconds = 0;                // wall time of scoring
  std::int64_t num_tokens_fed = 0;
  double finished = 0;               // seconds since 1970-01-01 UTC
};

/// A store, read-only, without MPI. Reading while a sweep writes is allowed: what is done then is seen, the rest is pending.
/// Thread-safe after construction only for distinct Readers. Throws StoreError naming file and dataset for anything that is
/// missing, of the wrong type or size, or of a newer schema.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path);

  const Layout& layout() const { return layout_; }
  const std::vector<StoredRange>& ranges() const { return ranges_; }
  /// Per unit; empty where it did not fail.
  const std::vector<std::string>& errors() const { return errors_; }

  /// The scores of a unit's items, in order; an item of a range that is not done, or whose checksum does not hold, has no
  /// log_likelihoods (empty vectors).
  std::vector<spec::ItemScore> read_unit(std::size_t unit_index) const;

  /// Recomputes every done range's checksum; returns the indices into ranges() of those that are damaged.
  std::vector<std::size_t> verify() const;

 private:
  std::filesystem::path path_;
  Layout layout_;
  std::vector<StoredRange> ranges_;
  std::vector<std::string> errors_;
};

}  // namespace catenary::store
