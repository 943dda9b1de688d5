#include "catenary/store/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/store/reader.h"
#include "store/carry_over.h"
#include "store/compare_layouts.h"
#include "store/create.h"
#include "store/store_lock.h"
#include "store/tables.h"

namespace catenary::store {
namespace {

/// The row of that name, which is added if there is none.
template <class Row>
std::int32_t row_of(std::vector<Row>& rows, const Row& row) {
  const auto found = std::ranges::find(rows, row.name, &Row::name);
  const auto index = static_cast<std::int32_t>(found - rows.begin());
  if (found == rows.end()) rows.push_back(row);
  return index;
}

/// Units in the order of the joined models, tasks and conditions, as a sweep lays them out.
Layout joined(const std::vector<Reader>& sources) {
  Layout all = sources.front().layout();
  std::map<std::array<std::int32_t, 3>, spec::WorkUnit> units;
  for (const Reader& source : sources) {
    const Layout& layout = source.layout();
    if (layout.spec_text != sources.front().layout().spec_text) all.spec_text += ",\n" + layout.spec_text;
    for (spec::WorkUnit unit : layout.units) {
      unit.model_index = row_of(all.models, layout.models[static_cast<std::size_t>(unit.model_index)]);
      unit.task_index = row_of(all.tasks, layout.tasks[static_cast<std::size_t>(unit.task_index)]);
      unit.condition_index = row_of(all.conditions, layout.conditions[static_cast<std::size_t>(unit.condition_index)]);
      units[{unit.model_index, unit.task_index, unit.condition_index}] = unit;
    }
  }
  if (all.spec_text != sources.front().layout().spec_text) all.spec_text = "[" + all.spec_text + "]";
  all.units.clear();
  for (const auto& [indices, unit] : units) all.units.push_back(unit);
  return all;
}

/// Ranges that two stores have done, with other results.
void add_unequal_ranges(const std::vector<Reader>& sources, const std::vector<std::filesystem::path>& paths,
                        Problems& problems) {
  std::map<std::pair<std::string, std::int64_t>, std::pair<std::size_t, std::size_t>> done;  // source and range
  for (std::size_t s = 0; s < sources.size(); ++s) {
    for (std::size_t r = 0; r < sources[s].ranges().size(); ++r) {
      const StoredRange& stored = sources[s].ranges()[r];
      if (stored.state != RangeState::kDone) continue;
      const std::string& id = sources[s].layout().units[static_cast<std::size_t>(stored.range.unit_index)].id;
      const auto [first, is_new] = done.try_emplace({id, stored.range.first_item}, s, r);
      if (is_new || first->second.first == s) continue;
      const auto ours = sources[s].read_range(r);
      const auto theirs = sources[first->second.first].read_range(first->second.second);
      if (!ours || !theirs || ours->items == theirs->items) continue;
      problems.add(fmt::format("{} and {} have other results for the {} items from {} on of unit {}",
                               paths[first->second.first].string(), paths[s].string(), stored.range.num_items,
                               stored.range.first_item, id));
    }
  }
}

}  // namespace

void merge(const std::vector<std::filesystem::path>& stores, const std::filesystem::path& output) {
  const StoreLock lock(output);
  if (std::filesystem::exists(output)) {
    throw DataError(fmt::format("{}: is there already; a merge makes a new file", output.string()));
  }
  std::vector<Reader> sources;
  Problems problems;
  for (const std::filesystem::path& path : stores) {
    const Reader& source = sources.emplace_back(path);
    check_same_cut(path, source);
    for (std::size_t i = 0; i + 1 < sources.size(); ++i) {
      for (const std::string& conflict :
           conflicts(sources[i].layout(), stores[i].string(), source.layout(), path.string())) {
        if (problems.empty()) problems.add("these stores are of different studies, or of different numerics:");
        problems.add("  " + conflict);
      }
    }
  }
  for (std::size_t i = 1; i < sources.size(); ++i) {
    const std::string &name = sources[i].layout().sweep_name, &first = sources[0].layout().sweep_name;
    if (name == first) continue;
    log::warning(fmt::format("{} is of a sweep called {}, {} of {}; the merged store is called {}", stores[i].string(),
                             name, stores[0].string(), first, first));
  }
  if (problems.empty()) add_unequal_ranges(sources, stores, problems);
  problems.throw_if_any<DataError>();
  const Layout layout = joined(sources);
  create_store(output, layout, cut_into_ranges(layout), sources);
}

}  // namespace catenary::store
