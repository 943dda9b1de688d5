#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "catenary/base/hash.h"
#include "catenary/spec/unit_result.h"
#include "catenary/store/reader.h"
#include "catenary/store/schema.h"

namespace catenary::store {

/// A small sweep: 2 models × 2 tasks × 2 conditions; `num_items` items in the first task, three in the second, which
/// has items of 2, 3 and 4 classes. Under the second condition the model writes two texts an item.
inline Layout example_layout(int num_items = 150) {
  Layout layout;
  layout.sweep_name = "example";
  layout.spec_text = R"({"name": "example"})";
  const double unknown = std::nan("");
  layout.models = {
      {"small", "/models/small", "ladder", 9000, 1000, 1.5e6, 6 * 9000 * 1.5e6, "weights-1", "tokenizer-1"},
      {"größer", "/models/größer", "ladder", 37000, 2000, unknown, unknown, "weights-2", "tokenizer-1"}};
  TaskRow two_classes{"negation", "negation.jsonl", "classification", "items-1", {}};
  for (int i = 0; i < num_items; ++i) two_classes.items.push_back({i, i % 2, {4 + i % 3, 5}});
  TaskRow ragged{
      "ragged", "ragged.jsonl", "classification", "items-2", {{7, 0, {3, 5}}, {8, 1, {2, 4, 3}}, {9, 2, {1, 1, 1, 1}}}};
  layout.tasks = {two_classes, ragged};
  layout.conditions = {{"plain", "zero_shot", 0, 0, "", "", R"({"kind":"zero_shot"})"},
                       {"five", "few_shot", 5, 17, "fixed", "\n\n", R"({"kind":"few_shot","k":5,"seed":17})"}};
  layout.numerics = {"float32", "cpu", 1};
  layout.provenance = {"0.1.0", "2.11.0", "host", "2026-11-22T06:00:00Z"};
  for (std::int32_t model = 0; model < 2; ++model) {
    for (std::int32_t task = 0; task < 2; ++task) {
      for (std::int32_t condition = 0; condition < 2; ++condition) {
        Hasher hasher;
        hasher.add(layout.models[static_cast<std::size_t>(model)].weights_fingerprint);
        hasher.add(layout.tasks[static_cast<std::size_t>(task)].fingerprint);
        hasher.add(layout.conditions[static_cast<std::size_t>(condition)].name);
        layout.units.push_back({hasher.hex(), model, task, condition, 2 * condition, 24 * condition});
      }
    }
  }
  return layout;
}

/// Items of the first task in the sweep that is killed: 132 ranges in all.
inline constexpr int kKillTestItems = 2000;

/// The score that stands for item `item` of a unit: a function of nothing else.
inline spec::ItemScore example_score(const Layout& layout, std::int32_t unit_index, std::int64_t item) {
  const auto& unit = layout.units[static_cast<std::size_t>(unit_index)];
  const auto& row = layout.tasks[static_cast<std::size_t>(unit.task_index)].items[static_cast<std::size_t>(item)];
  spec::ItemScore score;
  for (std::size_t i = 0; i < row.class_num_bytes.size(); ++i) {
    const double x = 1000.0 * unit_index + static_cast<double>(item) + static_cast<double>(i) / 8;
    score.log_likelihoods.push_back(-std::sqrt(x + 0.1));
    score.num_tokens.push_back(static_cast<std::int32_t>(1 + (item + unit_index) % 5));
    score.is_greedy.push_back(static_cast<std::uint8_t>((item + static_cast<std::int64_t>(i)) % 2));
  }
  score.is_truncated = item % 10 == 3;
  for (std::int32_t i = 0; i < unit.num_texts_per_item; ++i) {
    const auto num_bytes = 2 * ((item + i) % 15);  // some have more than the room of 24, none needs to be cut
    std::string text;
    while (std::ssize(text) < num_bytes) text += "ö";
    score.texts.push_back({text, static_cast<std::int32_t>(num_bytes / 2 + 1)});
  }
  return score;
}

inline spec::RangeResult example_result(const Layout& layout, const spec::ItemRange& range) {
  spec::RangeResult result;
  for (std::int64_t i = 0; i < range.num_items; ++i) {
    result.items.push_back(example_score(layout, range.unit_index, range.first_item + i));
  }
  result.seconds = 0.25;
  result.num_tokens_fed = 100 + range.first_item;
  result.flops = 1e9;
  return result;
}

inline spec::RangeResult failed_result(std::string error) {
  spec::RangeResult result;
  result.error = std::move(error);
  return result;
}

/// What a store holds against what it should.
struct Tally {
  std::int64_t right = 0;
  std::int64_t absent = 0;
  std::int64_t wrong = 0;
};

inline Tally tally(const Reader& reader, const Layout& layout) {
  Tally tally;
  for (std::size_t unit = 0; unit < layout.units.size(); ++unit) {
    const auto scores = reader.read_unit(unit);
    for (std::size_t item = 0; item < scores.size(); ++item) {
      if (!scores[item]) {
        ++tally.absent;
      } else if (*scores[item] ==
                 example_score(layout, static_cast<std::int32_t>(unit), static_cast<std::int64_t>(item))) {
        ++tally.right;
      } else {
        ++tally.wrong;
      }
    }
  }
  return tally;
}

inline std::int64_t num_items(const Layout& layout) {
  std::int64_t count = 0;
  for (const auto& unit : layout.units) {
    count += std::ssize(layout.tasks[static_cast<std::size_t>(unit.task_index)].items);
  }
  return count;
}

/// The names in a folder, sorted.
inline std::set<std::string> names_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.insert(entry.path().filename().string());
  return names;
}

inline std::string file_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace catenary::store
