#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "catenary/parallel/communicator.h"
#include "catenary/spec/unit_result.h"
#include "catenary/spec/work_unit.h"
#include "catenary/store/schema.h"

namespace catenary::store {

/// When results are put on the disk itself. A process that is killed loses nothing with any of them; a machine that
/// loses power may lose the ranges since the last time, which the checksums then tell.
enum class Durability { kNone, kEnd, kRange };

struct WriterOptions {
  Durability durability = Durability::kEnd;
  /// Stores whose finished ranges of the same units (the same id) are taken over.
  std::vector<std::filesystem::path> reuse = {};
};

/// A store being written by all ranks of a sweep. Move-only.
///
/// All metadata is made and flushed before the first item; afterwards ranks only write raw bytes at offsets known from
/// the layout, each its own: values, then the range's checksum, then its state mark. So a process killed at any moment
/// leaves a file that opens and in which every range marked done is right. All space is taken when the file is made.
/// Rank 0 holds a lock on `PATH.lock`, which readers do not look at. One thread at a time.
class Writer {
 public:
  /// Collective. Makes the store, or opens the one that is there to go on with it. If the layout has models, tasks or
  /// conditions that the store lacks, a new file takes the store's results and then its name. `layout` and `options`
  /// are the same on all ranks.
  /// Throws SpecError: it holds what this sweep lacks or has otherwise (says what) or other numerics. Throws StoreError
  /// on the rank that finds it, and CommError on the others: the path cannot be written; the file is not a store, is
  /// damaged, or of a newer schema; another process is writing it, for three seconds; a rank was given another layout,
  /// or does not see the file. An existing file is never changed before it is known to be the same sweep. The
  /// communicator must outlive the Writer.
  static Writer open(const parallel::Communicator& communicator, const std::filesystem::path& path,
                     const Layout& layout, const WriterOptions& options = {});

  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) noexcept;
  /// Independent. Without `close` (an exception, say) what was written is in the file. Rank 0 logs a warning.
  ~Writer();

  /// Independent. True if the file was there and is continued.
  bool resumed() const;

  /// Independent. All ranges of all units in order, and the state of each when the store was opened. A range marked
  /// done whose checksum does not hold counts as pending.
  const std::vector<spec::ItemRange>& ranges() const;
  const std::vector<RangeState>& states() const;

  /// Independent; one call for a range at a time. Writes the result of ranges()[range_index]: scores, checksum, mark; a
  /// failed one only its reason and mark. Throws StoreError, with the range's mark as it was.
  void write(std::size_t range_index, const spec::RangeResult& result);

  /// Collective. Ends the run; throws on all ranks if the disk refuses what was written.
  void close();

 private:
  struct State;
  explicit Writer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace catenary::store
