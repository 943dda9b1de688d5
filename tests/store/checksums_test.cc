#include "store/checksums.h"

#include <gtest/gtest.h>

#include <functional>

#include "store/example.h"

namespace catenary::store {
namespace {

const Layout kLayout = example_layout(100);
const Tables kTables = tables_of(kLayout, cut_into_ranges(kLayout));

TEST(StoreChecksums, the_hash_covers_every_column) {
  const std::string whole = layout_hash(kLayout, kTables);
  int num_columns = 0;
  Tables all = kTables;
  for_each_column(all, [&](const ColumnInfo& info, auto&) {
    Tables tables = kTables;
    for_each_column(tables, [&]<class T>(const ColumnInfo& other, std::vector<T>& rows) {
      if (other.path != info.path) return;
      if constexpr (std::is_same_v<T, std::string>) {
        rows.back() += "x";
      } else {
        rows.back() += 1;
      }
    });
    // NaN + 1 is NaN.
    if (!info.path.starts_with("models/training_") && info.path != "task_items/true_answer" &&
        info.path != "task_items/anchor")
      EXPECT_NE(layout_hash(kLayout, tables), whole) << info.path;
    ++num_columns;
  });
  EXPECT_EQ(num_columns, 55);
}

TEST(StoreChecksums, a_checksum_depends_on_identity_and_every_value) {
  const Values values{{-1, -2}, {3, 4}, {0, 1}, {0}, {5}, {2}, {0}, "words"};
  const auto whole = values_checksum("unit", 64, values);
  EXPECT_NE(values_checksum("other", 64, values), whole);
  EXPECT_NE(values_checksum("unit", 0, values), whole);
  const std::vector<std::function<void(Values&)>> changes{
      [](Values& v) { v.log_likelihood[1] = -2.5; }, [](Values& v) { v.num_tokens[1] = 5; },
      [](Values& v) { v.is_greedy[1] = 0; },         [](Values& v) { v.is_truncated[0] = 1; },
      [](Values& v) { v.text_num_bytes[0] = 4; },    [](Values& v) { v.text_num_tokens[0] = 3; },
      [](Values& v) { v.text_is_cut[0] = 1; },       [](Values& v) { v.text_bytes = "wards"; }};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Values changed = values;
    changes[i](changed);
    EXPECT_NE(values_checksum("unit", 64, changed), whole) << i;
  }
}

}  // namespace
}  // namespace catenary::store
