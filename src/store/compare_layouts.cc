#include "store/compare_layouts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string_view>

#include "catenary/base/error.h"

namespace catenary::store {
namespace {

bool same_number(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

bool same_item(const TaskItemRow& a, const TaskItemRow& b) {
  return a.item == b.item && a.answer_index == b.answer_index && a.class_num_bytes == b.class_num_bytes &&
         same_number(a.true_answer, b.true_answer) && same_number(a.anchor, b.anchor);
}

template <class Row>
const Row* find_row(const std::vector<Row>& rows, std::string_view name) {
  const auto found = std::ranges::find(rows, name, &Row::name);
  return found == rows.end() ? nullptr : &*found;
}

// Units by the names of model, task and condition.
auto units_by_name(const Layout& layout) {
  std::map<std::array<std::string, 3>, spec::WorkUnit> units;
  for (const spec::WorkUnit& unit : layout.units) {
    units[{layout.models[static_cast<std::size_t>(unit.model_index)].name,
           layout.tasks[static_cast<std::size_t>(unit.task_index)].name,
           layout.conditions[static_cast<std::size_t>(unit.condition_index)].name}] = unit;
  }
  return units;
}

}  // namespace

std::vector<std::string> conflicts(const Layout& a, const std::string& name_a, const Layout& b,
                                   const std::string& name_b) {
  Problems problems;
  const auto compare = [&](const std::string& what, const auto& in_a, const auto& in_b) {
    if (in_a != in_b) problems.add(fmt::format("{}: '{}' in {}, '{}' in {}", what, in_a, name_a, in_b, name_b));
  };
  compare("dtype", a.numerics.dtype, b.numerics.dtype);
  compare("device", a.numerics.device_kind, b.numerics.device_kind);
  compare("threads a rank (--threads)", a.numerics.threads_per_rank, b.numerics.threads_per_rank);
  for (const ModelRow& row : a.models) {
    const ModelRow* other = find_row(b.models, row.name);
    if (other == nullptr) continue;
    const std::string model = fmt::format("model '{}', ", row.name);
    compare(model + "family", row.family, other->family);
    compare(model + "num_parameters", row.num_parameters, other->num_parameters);
    compare(model + "num_embedding_parameters", row.num_embedding_parameters, other->num_embedding_parameters);
    if (!same_number(row.training_tokens, other->training_tokens)) {
      compare(model + "training_tokens", row.training_tokens, other->training_tokens);
    }
    if (!same_number(row.training_flops, other->training_flops)) {
      compare(model + "training_flops", row.training_flops, other->training_flops);
    }
    compare(model + "weights' fingerprint", row.weights_fingerprint, other->weights_fingerprint);
    compare(model + "tokenizer's fingerprint", row.tokenizer_fingerprint, other->tokenizer_fingerprint);
    compare(model + "tensor_parallel_size", row.tensor_parallel_size, other->tensor_parallel_size);
  }
  for (const TaskRow& row : a.tasks) {
    const TaskRow* other = find_row(b.tasks, row.name);
    if (other == nullptr) continue;
    const std::string task = fmt::format("task '{}', ", row.name);
    compare(task + "format", row.format, other->format);
    compare(task + "number of items", row.items.size(), other->items.size());
    compare(task + "items' fingerprint", row.fingerprint, other->fingerprint);
    if (row.fingerprint == other->fingerprint && row.items.size() == other->items.size() &&
        !std::ranges::equal(row.items, other->items, same_item)) {
      problems.add(task + "its items differ");
    }
  }
  for (const ConditionRow& row : a.conditions) {
    const ConditionRow* other = find_row(b.conditions, row.name);
    if (other == nullptr) continue;
    const std::string condition = fmt::format("condition '{}', ", row.name);
    compare(condition + "kind", row.kind, other->kind);
    compare(condition + "k", row.k, other->k);
    compare(condition + "seed", row.seed, other->seed);
    compare(condition + "exemplars", row.exemplars, other->exemplars);
    compare(condition + "separator", row.separator, other->separator);
    compare(condition + "definition", row.definition, other->definition);
  }
  if (!problems.empty()) return problems.list();  // from these follow other ids of the units
  const auto units_of_b = units_by_name(b);
  for (const auto& [names, unit] : units_by_name(a)) {
    const auto found = units_of_b.find(names);
    if (found == units_of_b.end()) continue;
    const std::string subject = fmt::format("unit {}, ", fmt::join(names, " x "));
    compare(subject + "id", unit.id, found->second.id);
    compare(subject + "texts an item", unit.num_texts_per_item, found->second.num_texts_per_item);
    compare(subject + "room for a text", unit.num_bytes_per_text, found->second.num_bytes_per_text);
  }
  return problems.list();
}

std::vector<std::string> difference(const Layout& stored, const Layout& wanted) {
  Problems problems;
  if (stored.sweep_name != wanted.sweep_name) {
    problems.add(fmt::format("sweep name: '{}' in the store, '{}' in the spec", stored.sweep_name, wanted.sweep_name));
  }
  const auto expect_all = [&problems](std::string_view kind, const auto& in_store, const auto& in_spec) {
    for (const auto& row : in_store) {
      if (find_row(in_spec, row.name) != nullptr) continue;
      problems.add(fmt::format("the store has {} '{}', which the spec lacks", kind, row.name));
    }
  };
  expect_all("model", stored.models, wanted.models);
  expect_all("task", stored.tasks, wanted.tasks);
  expect_all("condition", stored.conditions, wanted.conditions);
  for (const std::string& conflict : conflicts(stored, "the store", wanted, "this run")) problems.add(conflict);
  return problems.list();
}

bool is_same_grid(const Layout& stored, const Layout& wanted) {
  const auto same_name = [](const auto& a, const auto& b) { return a.name == b.name; };
  return std::ranges::equal(stored.models, wanted.models, same_name) &&
         std::ranges::equal(stored.tasks, wanted.tasks, same_name) &&
         std::ranges::equal(stored.conditions, wanted.conditions, same_name) &&
         std::ranges::equal(stored.units, wanted.units, {}, &spec::WorkUnit::id, &spec::WorkUnit::id);
}

}  // namespace catenary::store
