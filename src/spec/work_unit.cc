#include "catenary/spec/work_unit.h"

#include <algorithm>

namespace catenary::spec {

std::vector<ItemRange> cut_into_ranges(std::int32_t unit_index, std::int64_t num_items) {
  std::vector<ItemRange> ranges;
  for (std::int64_t first = 0; first < num_items; first += kItemsPerRange) {
    ranges.push_back({unit_index, first, std::min(kItemsPerRange, num_items - first)});
  }
  return ranges;
}

}  // namespace catenary::spec
