#pragma once

#include <filesystem>

#include "store/create.h"
#include "store/example.h"
#include "store/serial_writer.h"
#include "store/tables.h"

namespace catenary::store {

/// Makes the example's store in this process, without MPI. Ranges with `index % 8 == 6` fail, those with 7 stay
/// pending.
inline void write_example_store(const std::filesystem::path& path, const Layout& layout) {
  const auto ranges = cut_into_ranges(layout);
  create_store(path, layout, ranges);
  SerialWriter writer(path, layout);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (i % 8 < 6) writer.write(i, example_result(layout, ranges[i]), 3);
    if (i % 8 == 6) writer.write(i, failed_result("out of memory"), 3);
  }
}

}  // namespace catenary::store
