#include "store/tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "catenary/spec/sweep_spec.h"

namespace catenary::store {
namespace {

// Far beyond any real unit; with larger ones the products below could overflow.
constexpr std::size_t kMaxTextsPerItem = 16;
constexpr std::size_t kMaxBytesPerText = 1 << 26;

class Checker {
 public:
  explicit Checker(const std::string& file) : file_(file) {}

  [[noreturn]] void fail(std::string_view column, std::size_t row, std::string_view what) const {
    throw StoreError(fmt::format("{}: dataset /{}, row {}: {}; the store is damaged", file_, column, row, what));
  }
  std::size_t index(std::string_view column, std::size_t row, std::int64_t value, std::size_t size) const {
    if (value < 0 || static_cast<std::uint64_t>(value) >= size) {
      fail(column, row, fmt::format("{} is not a row of a table of {} rows", value, size));
    }
    return static_cast<std::size_t>(value);
  }
  spec::TaskFormat format(std::string_view column, std::size_t row, const std::string& word) const {
    try {
      return spec::parse_task_format(word);
    } catch (const SpecError& e) {
      fail(column, row, e.what());
    }
  }
  /// Where a run of `count` rows ends that must begin at `expected`.
  std::size_t end_of(std::string_view column, std::size_t row, std::int64_t begin, std::int64_t count,
                     std::size_t expected, std::size_t size) const {
    if (begin != static_cast<std::int64_t>(expected) || count < 0 ||
        static_cast<std::size_t>(count) > size - expected) {
      fail(column, row,
           fmt::format("{} rows from {} on, but {} of {} rows are taken so far", count, begin, expected, size));
    }
    return expected + static_cast<std::size_t>(count);
  }

 private:
  const std::string& file_;
};

/// Whether an item of that format can have so many classes, and this one as its answer.
bool is_possible(spec::TaskFormat format, std::int32_t num_classes, std::int32_t answer_index) {
  if (format == spec::TaskFormat::kNumeric) return num_classes == 0;
  if (format == spec::TaskFormat::kSequenceProb) return num_classes == 1;
  const bool is_answer = 0 <= answer_index && answer_index < num_classes;
  if (format == spec::TaskFormat::kClassification) return num_classes >= 2 && is_answer;
  return num_classes == 4 && is_answer && answer_index < 2;  // log-odds: two classes, twice
}

Place make_place(const Tables& tables, std::size_t unit, std::int64_t class_begin, std::int64_t num_classes,
                 std::int64_t first_item, std::int64_t num_items) {
  const std::int64_t texts_per_item = tables.units.num_texts_per_item[unit];
  const std::int64_t bytes_per_text = tables.units.num_bytes_per_text[unit];
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  return {.score_begin = size(class_begin),
          .num_scores = size(num_classes),
          .item_begin = size(tables.units.item_begin[unit] + first_item),
          .num_items = size(num_items),
          .text_begin = size(tables.units.text_begin[unit] + first_item * texts_per_item),
          .num_texts = size(num_items * texts_per_item),
          .text_byte_begin = size(tables.units.text_byte_begin[unit] + first_item * texts_per_item * bytes_per_text),
          .num_text_bytes = size(num_items * texts_per_item * bytes_per_text)};
}

}  // namespace

std::vector<spec::ItemRange> cut_into_ranges(const Layout& layout) {
  std::vector<spec::ItemRange> ranges;
  for (std::size_t i = 0; i < layout.units.size(); ++i) {
    const TaskRow& task = layout.tasks.at(static_cast<std::size_t>(layout.units[i].task_index));
    const auto of_unit =
        spec::cut_into_ranges(static_cast<std::int32_t>(i), static_cast<std::int64_t>(task.items.size()));
    ranges.insert(ranges.end(), of_unit.begin(), of_unit.end());
  }
  return ranges;
}

Tables tables_of(const Layout& layout, const std::vector<spec::ItemRange>& ranges) {
  Tables tables;
  for (const ModelRow& model : layout.models) {
    tables.models.name.push_back(model.name);
    tables.models.path.push_back(model.path);
    tables.models.family.push_back(model.family);
    tables.models.num_parameters.push_back(model.num_parameters);
    tables.models.num_embedding_parameters.push_back(model.num_embedding_parameters);
    tables.models.training_tokens.push_back(model.training_tokens);
    tables.models.training_flops.push_back(model.training_flops);
    tables.models.weights_fingerprint.push_back(model.weights_fingerprint);
    tables.models.tokenizer_fingerprint.push_back(model.tokenizer_fingerprint);
    tables.models.tensor_parallel_size.push_back(model.tensor_parallel_size);
  }

  auto& items = tables.task_items;
  auto& classes = tables.task_classes;
  for (const TaskRow& task : layout.tasks) {
    const auto task_index = static_cast<std::int32_t>(tables.tasks.name.size());
    const auto class_begin = static_cast<std::int64_t>(classes.num_bytes.size());
    tables.tasks.name.push_back(task.name);
    tables.tasks.path.push_back(task.path);
    tables.tasks.format.push_back(task.format);
    tables.tasks.fingerprint.push_back(task.fingerprint);
    tables.tasks.item_begin.push_back(static_cast<std::int64_t>(items.item.size()));
    tables.tasks.num_items.push_back(static_cast<std::int64_t>(task.items.size()));
    for (const TaskItemRow& item : task.items) {
      const auto item_index = static_cast<std::int64_t>(items.item.size());
      items.task_index.push_back(task_index);
      items.item.push_back(item.item);
      items.answer_index.push_back(item.answer_index);
      items.class_begin.push_back(static_cast<std::int64_t>(classes.num_bytes.size()));
      items.num_classes.push_back(static_cast<std::int32_t>(item.class_num_bytes.size()));
      items.true_answer.push_back(item.true_answer);
      items.anchor.push_back(item.anchor);
      for (std::size_t i = 0; i < item.class_num_bytes.size(); ++i) {
        classes.item_index.push_back(item_index);
        classes.class_index.push_back(static_cast<std::int32_t>(i));
        classes.num_bytes.push_back(item.class_num_bytes[i]);
      }
    }
    tables.tasks.class_begin.push_back(class_begin);
    tables.tasks.num_classes.push_back(static_cast<std::int64_t>(classes.num_bytes.size()) - class_begin);
  }

  for (const ConditionRow& condition : layout.conditions) {
    tables.conditions.name.push_back(condition.name);
    tables.conditions.kind.push_back(condition.kind);
    tables.conditions.k.push_back(condition.k);
    tables.conditions.seed.push_back(condition.seed);
    tables.conditions.exemplars.push_back(condition.exemplars);
    tables.conditions.separator.push_back(condition.separator);
    tables.conditions.definition.push_back(condition.definition);
  }

  std::int64_t class_begin = 0, item_begin = 0, text_begin = 0, text_byte_begin = 0;
  for (const spec::WorkUnit& unit : layout.units) {
    const auto task = static_cast<std::size_t>(unit.task_index);
    tables.units.id.push_back(unit.id);
    tables.units.model_index.push_back(unit.model_index);
    tables.units.task_index.push_back(unit.task_index);
    tables.units.condition_index.push_back(unit.condition_index);
    tables.units.range_begin.push_back(0);
    tables.units.num_ranges.push_back(0);
    tables.units.item_begin.push_back(item_begin);
    tables.units.num_items.push_back(tables.tasks.num_items.at(task));
    tables.units.class_begin.push_back(class_begin);
    tables.units.num_classes.push_back(tables.tasks.num_classes.at(task));
    tables.units.num_texts_per_item.push_back(unit.num_texts_per_item);
    tables.units.num_bytes_per_text.push_back(unit.num_bytes_per_text);
    tables.units.text_begin.push_back(text_begin);
    tables.units.text_byte_begin.push_back(text_byte_begin);
    const std::int64_t num_texts = tables.tasks.num_items.at(task) * unit.num_texts_per_item;
    class_begin += tables.tasks.num_classes.at(task);
    item_begin += tables.tasks.num_items.at(task);
    text_begin += num_texts;
    text_byte_begin += num_texts * unit.num_bytes_per_text;
  }

  for (const spec::ItemRange& range : ranges) {
    const auto unit = static_cast<std::size_t>(range.unit_index);
    const auto task = static_cast<std::size_t>(tables.units.task_index.at(unit));
    // The first class of the task's item at `offset`, which may be one past the last.
    const auto class_of = [&](std::int64_t offset) {
      if (offset == tables.tasks.num_items[task]) return tables.tasks.num_classes[task];
      const auto row = static_cast<std::size_t>(tables.tasks.item_begin[task] + offset);
      return items.class_begin.at(row) - tables.tasks.class_begin[task];
    };
    const std::int64_t first_class = class_of(range.first_item);
    if (tables.units.num_ranges[unit]++ == 0) {
      tables.units.range_begin[unit] = static_cast<std::int64_t>(tables.ranges.unit_index.size());
    }
    tables.ranges.unit_index.push_back(range.unit_index);
    tables.ranges.first_item.push_back(range.first_item);
    tables.ranges.num_items.push_back(range.num_items);
    tables.ranges.class_begin.push_back(tables.units.class_begin[unit] + first_class);
    tables.ranges.num_classes.push_back(class_of(range.first_item + range.num_items) - first_class);
  }
  tables.spec.push_back(layout.spec_text);
  return tables;
}

NumResults num_results(const Tables& tables) {
  NumResults num{.ranges = tables.ranges.unit_index.size()};
  for (std::size_t unit = 0; unit < tables.units.id.size(); ++unit) {
    const Place place = place_of_unit(tables, unit);
    num.scores += place.num_scores;
    num.items += place.num_items;
    num.texts += place.num_texts;
    num.text_bytes += place.num_text_bytes;
  }
  return num;
}

Place place_of_range(const Tables& tables, std::size_t range_index) {
  const auto& ranges = tables.ranges;
  return make_place(tables, static_cast<std::size_t>(ranges.unit_index[range_index]), ranges.class_begin[range_index],
                    ranges.num_classes[range_index], ranges.first_item[range_index], ranges.num_items[range_index]);
}

Place place_of_unit(const Tables& tables, std::size_t unit_index) {
  return make_place(tables, unit_index, tables.units.class_begin[unit_index], tables.units.num_classes[unit_index], 0,
                    tables.units.num_items[unit_index]);
}

Layout layout_of(const Tables& tables, const std::string& file, std::uint64_t num_file_bytes) {
  const Checker checker(file);
  Layout layout;
  for (std::size_t i = 0; i < tables.models.name.size(); ++i) {
    layout.models.push_back({tables.models.name[i], tables.models.path[i], tables.models.family[i],
                             tables.models.num_parameters[i], tables.models.num_embedding_parameters[i],
                             tables.models.training_tokens[i], tables.models.training_flops[i],
                             tables.models.weights_fingerprint[i], tables.models.tokenizer_fingerprint[i],
                             tables.models.tensor_parallel_size[i]});
  }

  // Tasks share no items and items no classes, so the layout is no larger than the tables.
  const auto& items = tables.task_items;
  const auto& num_bytes = tables.task_classes.num_bytes;
  std::size_t item_row = 0, class_row = 0;
  for (std::size_t i = 0; i < tables.tasks.name.size(); ++i) {
    TaskRow task{tables.tasks.name[i], tables.tasks.path[i], tables.tasks.format[i], tables.tasks.fingerprint[i], {}};
    const spec::TaskFormat format = checker.format("tasks/format", i, task.format);
    const std::size_t classes_end = checker.end_of("tasks/class_begin", i, tables.tasks.class_begin[i],
                                                   tables.tasks.num_classes[i], class_row, num_bytes.size());
    const std::size_t items_end = checker.end_of("tasks/item_begin", i, tables.tasks.item_begin[i],
                                                 tables.tasks.num_items[i], item_row, items.item.size());
    for (; item_row < items_end; ++item_row) {
      const std::size_t begin = class_row;
      class_row = checker.end_of("task_items/class_begin", item_row, items.class_begin[item_row],
                                 items.num_classes[item_row], begin, num_bytes.size());
      if (items.item[item_row] < 0) checker.fail("task_items/item", item_row, "is negative");
      if (!is_possible(format, items.num_classes[item_row], items.answer_index[item_row])) {
        checker.fail("task_items/answer_index", item_row,
                     fmt::format("{} of {} classes is no answer to an item of the format {}",
                                 items.answer_index[item_row], items.num_classes[item_row], task.format));
      }
      task.items.push_back({items.item[item_row],
                            items.answer_index[item_row],
                            {num_bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                             num_bytes.begin() + static_cast<std::ptrdiff_t>(class_row)},
                            items.true_answer[item_row],
                            items.anchor[item_row]});
    }
    if (class_row != classes_end) checker.fail("tasks/num_classes", i, "is not what its items have");
    layout.tasks.push_back(std::move(task));
  }

  for (std::size_t i = 0; i < tables.conditions.name.size(); ++i) {
    layout.conditions.push_back({tables.conditions.name[i], tables.conditions.kind[i], tables.conditions.k[i],
                                 tables.conditions.seed[i], tables.conditions.exemplars[i],
                                 tables.conditions.separator[i], tables.conditions.definition[i]});
  }

  // Every row of results takes a byte of the file or more. So no sum of them that is formed later is too large, either.
  std::uint64_t num_bytes_left = num_file_bytes;
  const auto take = [&](std::string_view column, std::size_t row, std::uint64_t count) {
    if (count > num_bytes_left) checker.fail(column, row, "asks for more rows than a file of this size holds");
    num_bytes_left -= count;
  };
  for (std::size_t i = 0; i < tables.units.id.size(); ++i) {
    const spec::WorkUnit unit{tables.units.id[i],
                              tables.units.model_index[i],
                              tables.units.task_index[i],
                              tables.units.condition_index[i],
                              tables.units.num_texts_per_item[i],
                              tables.units.num_bytes_per_text[i]};
    checker.index("units/model_index", i, unit.model_index, layout.models.size());
    checker.index("units/task_index", i, unit.task_index, layout.tasks.size());
    checker.index("units/condition_index", i, unit.condition_index, layout.conditions.size());
    checker.index("units/num_texts_per_item", i, unit.num_texts_per_item, kMaxTextsPerItem + 1);
    checker.index("units/num_bytes_per_text", i, unit.num_bytes_per_text, kMaxBytesPerText + 1);
    const TaskRow& task = layout.tasks[static_cast<std::size_t>(unit.task_index)];
    if (task.format == spec::to_string(spec::TaskFormat::kNumeric) && unit.num_texts_per_item == 0) {
      checker.fail("units/num_texts_per_item", i, "is 0, but the answer to a numeric item is a text");
    }
    const std::uint64_t num_texts = task.items.size() * static_cast<std::uint64_t>(unit.num_texts_per_item);
    take("units/num_items", i, task.items.size());
    take("units/num_classes", i,
         static_cast<std::uint64_t>(tables.tasks.num_classes[static_cast<std::size_t>(unit.task_index)]));
    take("units/num_texts_per_item", i, num_texts);
    take("units/num_bytes_per_text", i, num_texts * static_cast<std::uint64_t>(unit.num_bytes_per_text));
    layout.units.push_back(unit);
  }

  // The ranges of a unit must tile its items, in the units' order.
  std::size_t row = 0;
  for (std::size_t unit = 0; unit < layout.units.size(); ++unit) {
    const auto num_items = layout.tasks[static_cast<std::size_t>(layout.units[unit].task_index)].items.size();
    for (std::size_t item = 0; item < num_items; ++row) {
      if (row >= tables.ranges.unit_index.size()) checker.fail("ranges/unit_index", row, "is missing");
      if (static_cast<std::size_t>(tables.ranges.unit_index[row]) != unit || tables.ranges.num_items[row] <= 0) {
        checker.fail("ranges/unit_index", row, "does not go on where the range before it ends");
      }
      item = checker.end_of("ranges/first_item", row, tables.ranges.first_item[row], tables.ranges.num_items[row], item,
                            num_items);
    }
  }
  if (row != tables.ranges.unit_index.size()) checker.fail("ranges/unit_index", row, "belongs to no unit");
  if (tables.spec.size() != 1) checker.fail("spec", 0, "expected exactly one row");
  layout.spec_text = tables.spec.front();
  return layout;
}

std::vector<std::int64_t> text_begins(const Place& place, const Values& values) {
  std::vector<std::int64_t> begins;
  auto begin = static_cast<std::int64_t>(place.text_byte_begin);
  for (const std::int32_t num_bytes : values.text_num_bytes) {
    begins.push_back(begin);
    begin += num_bytes;
  }
  return begins;
}

std::vector<spec::ItemRange> ranges_of(const Tables& tables) {
  std::vector<spec::ItemRange> ranges;
  ranges.reserve(tables.ranges.unit_index.size());
  for (std::size_t i = 0; i < tables.ranges.unit_index.size(); ++i) {
    ranges.push_back({tables.ranges.unit_index[i], tables.ranges.first_item[i], tables.ranges.num_items[i]});
  }
  return ranges;
}

}  // namespace catenary::store
