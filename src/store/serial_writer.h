#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "catenary/spec/unit_result.h"
#include "catenary/store/schema.h"

namespace catenary::store {

/// Writes results into a store that is there, from one process and without MPI. Closes it at the end of its life.
class SerialWriter {
 public:
  /// `layout` is the store's own. Throws StoreError.
  SerialWriter(const std::filesystem::path& path, const Layout& layout);
  ~SerialWriter();

  /// As Writer::write.
  void write(std::size_t range_index, const spec::RangeResult& result, std::int32_t owner_rank);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace catenary::store
