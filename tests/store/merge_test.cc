#include "catenary/store/merge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catenary/base/error.h"
#include "store/serial_store.h"
#include "support/temporary_folder.h"

namespace catenary::store {
namespace {

using testing::HasSubstr;

/// The example sweep split by model: each part has its own index 0 for it.
class StoreMerge : public testing::Test {
 protected:
  StoreMerge() {
    for (std::int32_t model = 0; model < 2; ++model) {
      Layout& part = parts_[static_cast<std::size_t>(model)];
      part.models = {whole_.models[static_cast<std::size_t>(model)]};
      std::erase_if(part.units, [&](const spec::WorkUnit& unit) { return unit.model_index != model; });
      for (spec::WorkUnit& unit : part.units) unit.model_index = 0;
    }
  }

  /// Writes a part with the results that the whole example has; range `damaged` with other ones.
  void write(std::size_t part, const std::filesystem::path& path, std::size_t damaged = 1000) {
    const auto ranges = cut_into_ranges(parts_[part]);
    create_store(path, parts_[part], ranges);
    const RangeWriter writer(path, tables_of(parts_[part], ranges));
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      spec::ItemRange range = ranges[i];
      range.unit_index += static_cast<std::int32_t>(part * parts_[0].units.size());
      spec::RangeResult result = example_result(whole_, range);
      if (i == damaged) result.items[0].log_likelihoods[0] -= 1;
      writer.write(i, result, {.run_index = 0, .rank = 1});
    }
    writer.write_run(0, {.started = 1.8e9, .finished = kNaN, .num_ranks = 2, .host = part == 0 ? "a" : "b"});
  }
  std::string refusal() {
    const std::string message = test::message_of<DataError>([&] { merge({a_, b_}, c_); });
    EXPECT_THAT(names_in(folder_.path()), testing::ElementsAre("a.h5", "b.h5"));
    return message;
  }

  const test::TemporaryFolder folder_;
  const std::filesystem::path a_ = folder_.path() / "a.h5", b_ = folder_.path() / "b.h5", c_ = folder_.path() / "c.h5";
  const Layout whole_ = example_layout();
  std::vector<Layout> parts_{whole_, whole_};
};

TEST_F(StoreMerge, the_parts_make_the_whole) {
  write(0, a_);
  write(1, b_);
  merge({a_, b_, a_}, c_);
  const Reader reader(c_);
  EXPECT_EQ(tally(reader, whole_).right, num_items(whole_));
  EXPECT_TRUE(reader.verify().empty());
  ASSERT_EQ(reader.runs().size(), 2);
  EXPECT_EQ(reader.runs()[static_cast<std::size_t>(reader.ranges().back().run_index)].host, "b");
  EXPECT_THAT(test::message_of<DataError>([&] { merge({a_, b_}, c_); }), HasSubstr("is there already"));
}

TEST_F(StoreMerge, a_damaged_run_hides_no_other) {
  write(0, a_);
  write(1, b_);
  const auto ranges = cut_into_ranges(parts_[1]);
  const RangeWriter writer(b_, tables_of(parts_[1], ranges));
  spec::ItemRange range = ranges[1];
  range.unit_index += static_cast<std::int32_t>(parts_[0].units.size());
  writer.write(1, example_result(whole_, range), {.run_index = 1, .rank = 0});
  writer.write_run(0, {.started = kNaN, .finished = kNaN});
  writer.write_run(1, {.started = 1.9e9, .finished = kNaN, .host = "c"});
  ASSERT_EQ(Reader(b_).runs().size(), 2);
  EXPECT_TRUE(std::isnan(Reader(b_).runs()[0].started));
  EXPECT_EQ(Reader(b_).runs()[1].host, "c");

  merge({a_, b_}, c_);
  const Reader reader(c_);
  EXPECT_EQ(tally(reader, whole_).right, num_items(whole_));
  ASSERT_EQ(reader.runs().size(), 2);
  EXPECT_EQ(reader.runs()[1].host, "c");
  const auto of_part_b = parts_[0].units.size();
  for (const StoredRange& stored : reader.ranges()) {
    const auto unit = static_cast<std::size_t>(stored.range.unit_index);
    const bool is_of_second_run = unit == of_part_b && stored.range.first_item == 64;
    EXPECT_EQ(stored.run_index, unit < of_part_b ? 0 : is_of_second_run ? 1 : -1);
  }
}

TEST_F(StoreMerge, parts_that_contradict_each_other_are_refused) {
  write(0, a_);
  parts_[1].tasks[0].fingerprint = "items-3";
  parts_[1].conditions[1].seed = 18;
  write(1, b_);
  const std::string message = refusal();
  EXPECT_THAT(message, HasSubstr("task 'negation', items' fingerprint: 'items-1' in " + a_.string() +
                                 ", 'items-3' in " + b_.string()));
  EXPECT_THAT(message, HasSubstr("condition 'five', seed: '17' in"));

  std::filesystem::remove(b_);
  parts_[1] = whole_;
  parts_[1].numerics.dtype = "bfloat16";
  create_store(b_, parts_[1], cut_into_ranges(parts_[1]));
  EXPECT_THAT(refusal(), HasSubstr("dtype: 'float32' in"));
}

TEST_F(StoreMerge, other_results_for_the_same_range_are_refused) {
  write(0, a_);
  write(0, b_, 1);
  EXPECT_THAT(refusal(), HasSubstr("have other results for the 64 items from 64 on of unit " + whole_.units[0].id));
}

}  // namespace
}  // namespace catenary::store
