#include "store/carry_over.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>

#include "catenary/base/error.h"
#include "store/range_writer.h"
#include "store/tables.h"

namespace catenary::store {
namespace {

/// What tells a range apart in any store.
struct RangeKey {
  std::string unit_id;
  std::int64_t first_item = 0;
  std::int64_t num_items = 0;
  auto operator<=>(const RangeKey&) const = default;
};

}  // namespace

void check_same_cut(const std::filesystem::path& path, const Reader& reader) {
  const auto same = [](const StoredRange& stored, const spec::ItemRange& cut) {
    return stored.range.unit_index == cut.unit_index && stored.range.num_items == cut.num_items;
  };
  if (std::ranges::equal(reader.ranges(), cut_into_ranges(reader.layout()), same)) return;
  throw StoreError(
      fmt::format("{}: its items are cut into other ranges than this Catenary's ({} items); take another -o",
                  path.string(), spec::kItemsPerRange));
}

void carry_over(const std::filesystem::path& path, const Layout& layout, const std::vector<spec::ItemRange>& ranges,
                const std::vector<Reader>& sources, std::vector<RangeState>& states) {
  std::map<RangeKey, std::vector<std::size_t>> wanted;  // tasks with the same items have units of the same id
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (states[i] == RangeState::kDone) continue;
    const spec::ItemRange& range = ranges[i];
    wanted[{layout.units[static_cast<std::size_t>(range.unit_index)].id, range.first_item, range.num_items}].push_back(
        i);
  }
  const RangeWriter writer(path, tables_of(layout, ranges));
  std::size_t num_runs = Reader(path).runs().size();
  for (const Reader& source : sources) {
    std::map<std::int32_t, std::int32_t> run_indices;  // here, of those there
    const auto run_index_of = [&](std::int32_t theirs) {
      const auto index = static_cast<std::size_t>(theirs);
      if (index >= source.runs().size() || std::isnan(source.runs()[index].started)) return -1;  // damaged
      const auto [found, is_new] = run_indices.try_emplace(theirs, 0);
      if (!is_new) return found->second;
      const std::size_t row = std::min(num_runs++, kNumRunRows - 1);
      found->second = static_cast<std::int32_t>(row);
      writer.write_run(row, source.runs()[index]);
      return found->second;
    };
    for (std::size_t theirs = 0; theirs < source.ranges().size(); ++theirs) {
      const StoredRange& stored = source.ranges()[theirs];
      if (stored.state == RangeState::kPending) continue;
      const spec::ItemRange& range = stored.range;
      const auto& unit_id = source.layout().units[static_cast<std::size_t>(range.unit_index)].id;
      const auto found = wanted.find({unit_id, range.first_item, range.num_items});
      if (found == wanted.end()) continue;
      const auto is_better = [&](std::size_t i) { return states[i] != RangeState::kDone && states[i] != stored.state; };
      if (std::ranges::none_of(found->second, is_better)) continue;
      const std::optional<spec::RangeResult> result = source.read_range(theirs);
      if (!result) continue;  // damaged
      const Owner owner{run_index_of(stored.run_index), stored.owner_rank, stored.finished};
      for (const std::size_t i : found->second) {
        if (!is_better(i)) continue;
        writer.write(i, *result, owner);
        states[i] = stored.state;
      }
    }
  }
}

}  // namespace catenary::store
