#pragma once

#include <filesystem>

#include "store/create.h"
#include "store/example.h"
#include "store/range_writer.h"
#include "store/tables.h"

namespace catenary::store {

/// Makes the example's store in this process, without MPI. Ranges with `index % 8 == 6` fail, those with 7 stay
/// pending.
inline void write_example_store(const std::filesystem::path& path, const Layout& layout) {
  const auto ranges = cut_into_ranges(layout);
  create_store(path, layout, ranges);
  const RangeWriter writer(path, tables_of(layout, ranges));
  const Owner owner{.rank = 3};
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (i % 8 < 6) writer.write(i, example_result(layout, ranges[i]), owner);
    if (i % 8 == 6) writer.write(i, failed_result("out of memory"), owner);
  }
}

}  // namespace catenary::store
