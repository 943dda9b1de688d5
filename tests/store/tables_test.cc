#include "store/tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "catenary/base/error.h"
#include "store/compare_layouts.h"
#include "store/example.h"
#include "support/temporary_folder.h"

namespace catenary::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Layout kLayout = example_layout(100);
constexpr std::uint64_t kFileBytes = 1 << 20;

Tables example_tables() {
  return tables_of(kLayout, cut_into_ranges(kLayout));
}

TEST(StoreTables, rows_of_a_unit_follow_those_of_its_task) {
  const Tables tables = example_tables();
  EXPECT_THAT(tables.tasks.item_begin, ElementsAre(0, 100));
  EXPECT_THAT(tables.tasks.class_begin, ElementsAre(0, 200));
  EXPECT_THAT(tables.tasks.num_classes, ElementsAre(200, 9));
  EXPECT_THAT(tables.units.class_begin, ElementsAre(0, 200, 400, 409, 418, 618, 818, 827));
  EXPECT_THAT(tables.units.range_begin, ElementsAre(0, 2, 4, 5, 6, 8, 10, 11));
  EXPECT_EQ(tables.ranges.class_begin[3], 200 + 128);
  EXPECT_EQ(tables.ranges.num_classes[3], 72);
  EXPECT_EQ(num_results(tables).scores, 836);
  EXPECT_THAT(tables.units.item_begin, ElementsAre(0, 100, 200, 203, 206, 306, 406, 409));
  EXPECT_EQ(num_results(tables).items, 412);
  EXPECT_THAT(tables.units.text_begin, ElementsAre(0, 0, 200, 200, 206, 206, 406, 406));
  EXPECT_THAT(tables.units.text_byte_begin, ElementsAre(0, 0, 4800, 4800, 4944, 4944, 9744, 9744));
  EXPECT_EQ(num_results(tables).text_bytes, 9888);
  EXPECT_EQ(place_of_range(tables, 3).text_byte_begin, 64 * 48);
  EXPECT_EQ(place_of_range(tables, 3).num_text_bytes, 36 * 48);
}

TEST(StoreTables, the_layout_comes_back_from_its_tables) {
  const Layout layout = layout_of(example_tables(), "study.h5", kFileBytes);
  EXPECT_THAT(difference(layout, layout), testing::IsEmpty());
  EXPECT_EQ(layout.tasks[1].items[2].class_num_bytes, kLayout.tasks[1].items[2].class_num_bytes);
  EXPECT_EQ(layout.units[5].id, kLayout.units[5].id);
  EXPECT_EQ(layout.models[1].name, "größer");
}

TEST(StoreTables, what_leads_nowhere_or_cannot_be_is_refused) {
  const std::vector<std::function<void(Tables&)>> damages{
      [](Tables& t) { t.tasks.item_begin[1] = -1; },
      [](Tables& t) { t.tasks.num_items[0] = std::numeric_limits<std::int64_t>::max(); },
      [](Tables& t) { t.tasks.item_begin[1] = 0; },  // shared items could make a small file a large layout
      [](Tables& t) { t.tasks.num_classes[0] = 199; },
      [](Tables& t) { t.tasks.format[1] = "riddle"; },
      [](Tables& t) { t.task_items.item[3] = -1; },
      [](Tables& t) { t.task_items.answer_index[5] = 2; },
      [](Tables& t) { t.task_items.answer_index[5] = -1; },
      [](Tables& t) { t.task_items.class_begin[5] = 1'000'000; },
      [](Tables& t) { t.task_items.class_begin[5] = 0; },
      [](Tables& t) { t.task_items.num_classes[5] = -3; },
      [](Tables& t) { t.units.model_index[0] = 2; },
      [](Tables& t) { t.units.task_index[0] = -1; },
      [](Tables& t) { t.units.condition_index[7] = 99; },
      [](Tables& t) { t.units.num_texts_per_item[1] = -1; },
      [](Tables& t) { t.units.num_bytes_per_text[1] = std::numeric_limits<std::int32_t>::max(); },
      [](Tables& t) { t.units.num_bytes_per_text[1] = 10'000; },  // 2 MB of texts
      [](Tables& t) { t.ranges.unit_index[0] = 1; },
      [](Tables& t) { t.ranges.first_item[1] = 63; },
      [](Tables& t) { t.ranges.num_items[1] = 1000; },
      [](Tables& t) { t.ranges.num_items[1] = 0; },
      [](Tables& t) { t.ranges.unit_index.pop_back(); },
      [](Tables& t) { t.spec.clear(); },
  };
  for (std::size_t i = 0; i < damages.size(); ++i) {
    Tables tables = example_tables();
    damages[i](tables);
    EXPECT_THAT(test::message_of<StoreError>([&] { layout_of(tables, "study.h5", kFileBytes); }),
                HasSubstr("study.h5: dataset /"))
        << "damage " << i;
  }
}

TEST(StoreTables, what_the_formats_cannot_have_is_refused) {
  Tables tables = example_tables();
  for (const auto& [format, is_possible] : {std::pair("classification", true), std::pair("sequence_prob", false),
                                            std::pair("logodds", false), std::pair("numeric", false)}) {
    tables.tasks.format[0] = format;  // its items have two classes
    if (is_possible) {
      EXPECT_NO_THROW(layout_of(tables, "study.h5", kFileBytes));
    } else {
      EXPECT_THAT(test::message_of<StoreError>([&] { layout_of(tables, "study.h5", kFileBytes); }),
                  HasSubstr("0 of 2 classes is no answer to an item of the format"));
    }
  }
  Layout numbers = kLayout;
  for (TaskItemRow& item : numbers.tasks[0].items) item = {item.item, 0, {}, 42, 43};
  numbers.tasks[0].format = "numeric";
  EXPECT_THAT(test::message_of<StoreError>(
                  [&] { layout_of(tables_of(numbers, cut_into_ranges(numbers)), "study.h5", kFileBytes); }),
              HasSubstr("/units/num_texts_per_item, row 0: is 0, but the answer to a numeric item is a text"));
}

}  // namespace
}  // namespace catenary::store
