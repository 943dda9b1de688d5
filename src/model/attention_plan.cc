#include "model/attention_plan.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace catenary::model {
namespace {

// Ranges that follow one another in slots are one: a branch that begins where its parent ends lies right behind it.
std::vector<SlotRange> joined(const std::vector<SlotRange>& path) {
  std::vector<SlotRange> result;
  for (const SlotRange& range : path) {
    if (!result.empty() && result.back().end == range.begin) {
      result.back().end = range.end;
    } else {
      result.push_back(range);
    }
  }
  return result;
}

}  // namespace

TokenLayout TokenLayout::of(const PrefixTree& tree) {
  TokenLayout layout;
  for (std::int64_t b = 0; b < std::ssize(tree.branches()); ++b) {
    const PrefixTree::Branch& branch = tree.branches()[static_cast<std::size_t>(b)];
    for (std::int64_t token = branch.begin; token < branch.end; ++token) {
      layout.slots.push_back(tree.prefix_length() + token);
      layout.positions.push_back(branch.position + token - branch.begin);
      layout.branches.push_back(b);
    }
    layout.paths.push_back(tree.path(b));
  }
  return layout;
}

std::int32_t Segments::most_queries() const {
  std::int32_t most = 0;
  for (std::size_t i = 0; i + 1 < query_begins.size(); ++i)
    most = std::max(most, query_begins[i + 1] - query_begins[i]);
  return most;
}

std::int32_t Segments::most_keys() const {
  return num_keys.empty() ? 0 : *std::ranges::max_element(num_keys);
}

void Segments::add(std::int64_t num_queries, std::int64_t key_begin, std::int64_t key_end) {
  query_begins.push_back(query_begins.back() + static_cast<std::int32_t>(num_queries));
  key_begins.push_back(static_cast<std::int32_t>(key_begin));
  num_keys.push_back(static_cast<std::int32_t>(key_end - key_begin));
}

AttentionPlan plan_attention(const TokenLayout& layout, std::span<const std::int64_t> tokens,
                             std::int64_t max_queries) {
  AttentionPlan plan;
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::int64_t>> above;  // rows by the keys they see
  const auto slot = [&](std::size_t row) { return layout.slots[static_cast<std::size_t>(tokens[row])]; };
  const auto branch = [&](std::size_t row) { return layout.branches[static_cast<std::size_t>(tokens[row])]; };
  for (std::size_t begin = 0, end = 0; begin < tokens.size(); begin = end) {
    // Neighbours in one branch, which see the same above them.
    end = begin + 1;
    while (end < tokens.size() && branch(end) == branch(begin) && slot(end) == slot(end - 1) + 1 &&
           static_cast<std::int64_t>(end - begin) < max_queries) {
      ++end;
    }
    const std::vector<SlotRange> path = joined(layout.paths[static_cast<std::size_t>(branch(begin))]);
    plan.own.add(static_cast<std::int64_t>(end - begin), path.back().begin, slot(end - 1) + 1);
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
      std::vector<std::int64_t>& rows = above[{path[i].begin, path[i].end}];
      for (std::size_t row = begin; row < end; ++row) rows.push_back(static_cast<std::int64_t>(row));
    }
  }
  for (const auto& [keys, rows] : above) {
    for (std::int64_t first = 0; first < std::ssize(rows); first += max_queries) {
      plan.above.add(std::min(max_queries, std::ssize(rows) - first), keys.first, keys.second);
    }
    plan.above_rows.insert(plan.above_rows.end(), rows.begin(), rows.end());
  }
  plan.parts.resize(plan.above_rows.size());
  std::iota(plan.parts.begin(), plan.parts.end(), 0);
  const auto row_of = [&](std::int32_t part) { return plan.above_rows[static_cast<std::size_t>(part)]; };
  std::ranges::stable_sort(plan.parts, {}, row_of);
  for (std::size_t i = 0; i < plan.parts.size(); ++i) {
    const auto row = static_cast<std::int32_t>(row_of(plan.parts[i]));
    if (plan.merged_rows.empty() || plan.merged_rows.back() != row) {
      plan.merged_rows.push_back(row);
      plan.part_begins.push_back(0);
    }
    plan.part_begins.back() = static_cast<std::int32_t>(i + 1);
  }
  return plan;
}

}  // namespace catenary::model
