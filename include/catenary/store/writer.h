#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "catenary/parallel/communicator.h"
#include "catenary/spec/unit_result.h"
#include "catenary/spec/work_unit.h"
#include "catenary/store/schema.h"

namespace catenary::store {

/// A store being written by all ranks of a sweep. Move-only.
///
/// All metadata is made and flushed before the first item; afterwards ranks only write raw data at offsets known from
/// the layout, each its own: values, then the range's checksum, then its state mark. So a process killed at any moment
/// leaves a file that opens and in which every range marked done is right. All space is taken when the file is made.
/// Rank 0 holds a lock on `PATH.lock`, which readers do not look at. One thread at a time: HDF5 is not thread-safe.
class Writer {
 public:
  /// Collective. Makes the store, or opens the one that is there to go on with it. `layout` is the same on all ranks.
  /// Throws StoreError (on all ranks): the path cannot be written; the file is not a store, is damaged, or of a newer
  /// schema; it holds another sweep (says what differs) or other numerics; another process is writing it; a rank was
  /// given another layout, or does not see the file. An existing file is never changed before it is known to be the
  /// same sweep. The communicator must outlive the Writer.
  static Writer open(const parallel::Communicator& communicator, const std::filesystem::path& path,
                     const Layout& layout);

  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) noexcept;
  /// Independent. Without `close` (an exception, say) what was written is in the file; the file itself stays open,
  /// because closing it is collective and the other ranks may be elsewhere. Rank 0 logs a warning. See is_any_open.
  ~Writer();

  /// Independent. True from the moment at which a store of this process was opened until it was closed without error.
  /// While it is true the process must not reach MPI_Finalize: HDF5 closes there what is open, which is collective (the
  /// process hangs if another rank is elsewhere) and crashes if the disk still refuses to be written. So a program that
  /// ends by an exception says what there is to say, flushes its streams, and then, where this is true, ends with
  /// MpiEnvironment::abort, or std::_Exit if it is the only rank. Nothing is lost by it: all that `write` returned from
  /// is with the operating system.
  static bool is_any_open() noexcept;

  /// Independent. True if the file was there and is continued.
  bool resumed() const;

  /// Independent. All ranges of all units in order, and the state of each when the store was opened. A range marked
  /// done whose checksum does not hold counts as pending.
  const std::vector<spec::ItemRange>& ranges() const;
  const std::vector<RangeState>& states() const;

  /// Independent; one call for a range at a time. Writes the result of ranges()[range_index]: scores, checksum, mark; a
  /// failed one only its reason and mark. Throws StoreError, with the range's mark as it was.
  void write(std::size_t range_index, const spec::RangeResult& result);

  /// Collective. Puts everything on the disk and closes. Throws on all ranks if one cannot; then the store stays open
  /// as without `close`.
  void close();

 private:
  struct State;
  explicit Writer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace catenary::store
