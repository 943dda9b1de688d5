#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
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
  std::int32_t run_index = -1;   // into runs(); -1 while pending, and where the run is not known
  std::int32_t owner_rank = -1;  // who computed it
  double seconds = 0;            // wall time of scoring
  std::int64_t num_tokens_fed = 0;
  std::int64_t num_items_truncated = 0;  // cut to the model's context: the prompt, or what the model wrote
  double flops = 0;
  double finished = 0;  // seconds since 1970-01-01 UTC
};

/// What a sweep that goes on keeps where neither its spec nor its command line says.
struct StoredChoices {
  std::int32_t threads_per_rank = 0;
  std::map<std::string, std::int32_t> tensor_parallel_sizes;  // by model: how many ranks held it together
};

/// Reads that alone, and throws what a Reader throws.
StoredChoices read_choices(const std::filesystem::path& path);

/// Whether a sweep is writing the store now, as far as locks of this file system reach: on another host perhaps not.
bool is_being_written(const std::filesystem::path& path);

/// A store, read-only, without MPI. Move-only. Reading while a sweep writes is allowed: what was done when the Reader
/// was made is seen, the rest is pending. Throws DataError if there is no such file, StoreError naming file and dataset
/// for anything that is missing, of the wrong type or size, damaged, or of another schema version. One thread at a time
/// may use the store, whatever the object: HDF5 is not thread-safe.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& path);
  /// Of a store whose tables may be damaged, with those of the sweep that made it. Throws StoreError, too, if the hash
  /// in the file is not that of this layout and the file's provenance.
  Reader(const std::filesystem::path& path, const Layout& layout);
  Reader(Reader&&) noexcept;
  Reader& operator=(Reader&&) noexcept;
  ~Reader();

  const Layout& layout() const;
  /// A range whose row is damaged counts as pending.
  const std::vector<StoredRange>& ranges() const;
  /// Every run that wrote to the store, in order; from the 256th on the last one alone is known. One whose row is
  /// damaged has NaN as `started`.
  const std::vector<Run>& runs() const;
  /// Per unit, the error of its first failed range; empty where none failed.
  const std::vector<std::string>& errors() const;

  /// The scores of a unit's items, in order; nothing for an item of a range that is not done or whose checksum does not
  /// hold.
  std::vector<std::optional<spec::ItemScore>> read_unit(std::size_t unit_index) const;

  /// One range's result as it was written; nothing if it is pending or damaged. For all of a unit's, read_unit is much
  /// faster.
  std::optional<spec::RangeResult> read_range(std::size_t range_index) const;

  /// Recomputes every done range's checksum; returns the indices into ranges() of those that are damaged (in ranges()
  /// they are still done) and of those whose row is (pending there), in order. Takes about a third of the time that
  /// making the Reader took, where the file is in memory: 1e8 rows of /scores a second.
  std::vector<std::size_t> verify() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace catenary::store
