#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "catenary/base/error.h"
#include "catenary/store/writer.h"
#include "store/create.h"
#include "store/example.h"
#include "store/tables.h"
#include "support/temporary_folder.h"

namespace catenary::store {
namespace {

using parallel::Communicator;
using testing::HasSubstr;

/// A path in a fresh folder of rank 0, the same on all ranks.
class StoreWriter : public testing::Test {
 protected:
  StoreWriter() {
    if (world_.rank() == 0) folder_.emplace();
    folder_path_ = world_.broadcast(folder_ ? folder_->path().string() : "");
    path_ = folder_path_ / "study.h5";
  }
  ~StoreWriter() override { world_.barrier(); }

  /// Writes the ranges that `wanted` says, each by the rank whose turn it is.
  template <class Wanted>
  void write_ranges(Writer& writer, Wanted wanted) {
    for (std::size_t i = 0; i < writer.ranges().size(); ++i) {
      if (wanted(i) && static_cast<int>(i) % world_.size() == world_.rank()) {
        writer.write(i, example_result(layout_, writer.ranges()[i]));
      }
    }
  }
  void write_all() {
    Writer writer = Writer::open(world_, path_, layout_);
    write_ranges(writer, [](std::size_t) { return true; });
    writer.close();
  }
  std::string error_of_open(const Layout& layout) {
    return test::message_of<Error>([&] { Writer::open(world_, path_, layout); });
  }
  /// Every rank must be refused, with the file as it was.
  std::string refusal(const Layout& layout) {
    const std::string before = file_bytes(path_);
    world_.barrier();
    const std::string message = error_of_open(layout);
    world_.barrier();
    EXPECT_EQ(file_bytes(path_), before);
    world_.barrier();
    return message;
  }

  Communicator world_ = Communicator::world();
  std::optional<test::TemporaryFolder> folder_;
  std::filesystem::path folder_path_;
  std::filesystem::path path_;
  const Layout layout_ = example_layout();
};

TEST_F(StoreWriter, what_all_ranks_write_is_read_back) {
  write_all();
  const Reader reader(path_);
  EXPECT_EQ(tally(reader, layout_).right, num_items(layout_));
  EXPECT_TRUE(reader.verify().empty());
  EXPECT_EQ(reader.layout().models[1].name, "größer");
  EXPECT_TRUE(std::isnan(reader.layout().models[1].training_tokens));
  EXPECT_EQ(reader.layout().tasks[1].items[2].class_num_bytes, layout_.tasks[1].items[2].class_num_bytes);
  EXPECT_EQ(reader.layout().numerics, layout_.numerics);
  EXPECT_EQ(reader.layout().spec_text, layout_.spec_text);
  for (std::size_t i = 0; i < reader.ranges().size(); ++i) {
    const StoredRange& range = reader.ranges()[i];
    EXPECT_EQ(range.state, RangeState::kDone);
    EXPECT_EQ(range.owner_rank, static_cast<int>(i) % world_.size());
    EXPECT_EQ(range.seconds, 0.25);
    EXPECT_EQ(range.num_tokens_fed, 100 + range.range.first_item);
    EXPECT_GT(range.finished, 1.7e9);
  }
  world_.barrier();  // the lock is rank 0's
  EXPECT_THAT(names_in(folder_path_), testing::ElementsAre("study.h5"));
}

TEST_F(StoreWriter, a_resumed_sweep_finds_what_is_done_and_computes_the_rest) {
  const auto is_even = [](std::size_t i) { return i % 2 == 0; };
  {
    Writer writer = Writer::open(world_, path_, layout_);
    EXPECT_FALSE(writer.resumed());
    write_ranges(writer, is_even);
    writer.close();
  }
  Writer writer = Writer::open(world_, path_, layout_);
  EXPECT_TRUE(writer.resumed());
  for (std::size_t i = 0; i < writer.states().size(); ++i) {
    EXPECT_EQ(writer.states()[i], is_even(i) ? RangeState::kDone : RangeState::kPending);
  }
  write_ranges(writer, [&](std::size_t i) { return !is_even(i); });
  writer.close();
  EXPECT_EQ(tally(Reader(path_), layout_).right, num_items(layout_));
}

TEST_F(StoreWriter, every_run_that_wrote_is_told) {
  Layout layout = layout_;
  for (int run = 0; run < 2; ++run) {
    layout.provenance.host = "host-" + std::to_string(run);
    Writer writer = Writer::open(world_, path_, layout);
    write_ranges(writer, [&](std::size_t i) { return i == static_cast<std::size_t>(run); });
    if (run == 0) writer.close();  // the other is killed
    world_.barrier();
  }
  const Reader reader(path_);
  ASSERT_EQ(reader.runs().size(), 2);
  EXPECT_EQ(reader.runs()[0].host, "host-0");
  EXPECT_EQ(reader.runs()[1].host, "host-1");
  EXPECT_EQ(reader.runs()[0].num_ranks, world_.size());
  EXPECT_EQ(reader.runs()[0].catenary_version, "0.1.0");
  EXPECT_GT(reader.runs()[0].started, 1.7e9);
  EXPECT_GE(reader.runs()[0].finished, reader.runs()[0].started);
  EXPECT_TRUE(std::isnan(reader.runs()[1].finished));
  EXPECT_EQ(reader.ranges()[0].run_index, 0);
  EXPECT_EQ(reader.ranges()[1].run_index, 1);
  EXPECT_EQ(reader.ranges()[2].run_index, -1);
}

TEST_F(StoreWriter, a_store_is_read_while_the_sweep_writes) {
  Writer writer = Writer::open(world_, path_, layout_);
  write_ranges(writer, [](std::size_t i) { return i == 0; });
  world_.barrier();
  {
    const Reader reader(path_);
    EXPECT_EQ(reader.ranges()[0].state, RangeState::kDone);
    EXPECT_EQ(reader.ranges()[1].state, RangeState::kPending);
    EXPECT_EQ(tally(reader, layout_).right, 64);
    EXPECT_EQ(tally(reader, layout_).wrong, 0);
  }
  world_.barrier();
  writer.close();
}

TEST_F(StoreWriter, a_failed_range_is_tried_again_and_its_error_goes_when_it_succeeds) {
  const std::string reason = "out of memory: " + std::string(600, 'x');
  {
    Writer writer = Writer::open(world_, path_, layout_);
    if (world_.rank() == 0) {
      writer.write(0, failed_result(reason));
      writer.write(1, failed_result("second range"));
    }
    writer.close();
  }
  EXPECT_EQ(Reader(path_).errors()[0], reason.substr(0, 512));
  EXPECT_EQ(Reader(path_).errors()[1], "");

  Writer writer = Writer::open(world_, path_, layout_);
  EXPECT_EQ(writer.states()[0], RangeState::kFailed);
  if (world_.rank() == world_.size() - 1) writer.write(0, example_result(layout_, writer.ranges()[0]));
  world_.barrier();
  EXPECT_EQ(Reader(path_).errors()[0], "second range");
  world_.barrier();
  if (world_.rank() == 0) writer.write(1, example_result(layout_, writer.ranges()[1]));
  writer.close();
  EXPECT_EQ(Reader(path_).errors()[0], "");
}

TEST_F(StoreWriter, a_damaged_range_counts_as_pending_and_is_repaired) {
  write_all();
  if (world_.rank() == 0) {
    const double score = -std::sqrt(64.1);  // of item 64, class 0, unit 0
    std::string bytes = file_bytes(path_);
    const auto where = bytes.find(std::string(reinterpret_cast<const char*>(&score), sizeof(score)));
    ASSERT_NE(where, std::string::npos);
    bytes[where] = static_cast<char>(bytes[where] ^ 1);
    folder_->write("study.h5", bytes);
  }
  world_.barrier();
  EXPECT_THAT(Reader(path_).verify(), testing::ElementsAre(1));
  Writer writer = Writer::open(world_, path_, layout_);
  EXPECT_EQ(writer.states()[0], RangeState::kDone);
  EXPECT_EQ(writer.states()[1], RangeState::kPending);
  write_ranges(writer, [](std::size_t i) { return i == 1; });
  writer.close();
  EXPECT_EQ(tally(Reader(path_), layout_).right, num_items(layout_));
}

TEST_F(StoreWriter, damaged_tables_are_made_anew_by_the_sweep_that_made_them) {
  write_all();
  const std::string whole = file_bytes(path_);
  std::string damaged = whole;
  const auto where = damaged.find("größer");
  ASSERT_NE(where, std::string::npos);
  damaged[where] = 'k';
  world_.barrier();
  if (world_.rank() == 0) folder_->write("study.h5", damaged);
  world_.barrier();
  EXPECT_THROW(Reader reader(path_), StoreError);
  Layout other = layout_;
  other.models[0].path = "elsewhere";
  EXPECT_THAT(error_of_open(other), HasSubstr("its tables are damaged"));
  EXPECT_EQ(file_bytes(path_), damaged);
  world_.barrier();
  Writer writer = Writer::open(world_, path_, layout_);
  EXPECT_EQ(std::ranges::count(writer.states(), RangeState::kDone), std::ssize(writer.states()));
  writer.close();
  EXPECT_EQ(tally(Reader(path_), layout_).right, num_items(layout_));
  EXPECT_EQ(Reader(path_).runs().size(), 1);
}

TEST_F(StoreWriter, a_store_without_any_rows_is_written_and_read) {
  Layout nothing;
  Writer::open(world_, path_, nothing).close();
  EXPECT_TRUE(Reader(path_).ranges().empty());
  Writer writer = Writer::open(world_, path_, nothing);
  EXPECT_TRUE(writer.resumed());
  writer.close();
}

TEST_F(StoreWriter, a_task_without_items_is_written_and_read) {
  Layout layout = example_layout(0);
  Writer writer = Writer::open(world_, path_, layout);
  EXPECT_EQ(writer.ranges().size(), 4);  // those of the other task
  writer.close();
  EXPECT_TRUE(Reader(path_).read_unit(0).empty());
}

TEST_F(StoreWriter, another_sweep_is_refused_and_told_what_differs) {
  write_all();
  Layout layout = layout_;
  layout.numerics.threads_per_rank = 2;
  EXPECT_THROW(Writer::open(world_, path_, layout), SpecError);  // what the user gave is wrong, not the store
  EXPECT_THAT(refusal(layout), HasSubstr("threads a rank (--threads): '1' in the store, '2' in this run"));

  layout = layout_;
  layout.models[1].name = "other";
  const std::string message = refusal(layout);
  EXPECT_THAT(message, HasSubstr("the store has model 'größer', which the spec lacks"));
  EXPECT_THAT(message, HasSubstr("another -o"));

  layout = layout_;
  layout.tasks[0].fingerprint = "items-3";
  EXPECT_THAT(refusal(layout),
              HasSubstr("task 'negation', items' fingerprint: 'items-1' in the store, 'items-3' in this run"));

  layout = layout_;
  layout.models[0].training_tokens = 2e6;
  EXPECT_THAT(refusal(layout), HasSubstr("model 'small', training_tokens"));

  layout = layout_;
  layout.units[3].id = std::string(32, 'f');
  EXPECT_THAT(refusal(layout), HasSubstr("unit small x ragged x five, id"));

  layout = layout_;
  layout.conditions.pop_back();
  std::erase_if(layout.units, [](const spec::WorkUnit& unit) { return unit.condition_index == 1; });
  EXPECT_THAT(refusal(layout), HasSubstr("the store has condition 'five', which the spec lacks"));
}

TEST_F(StoreWriter, a_spec_that_has_more_extends_the_store) {
  // The store has the first condition; the sweep has one before it and one more model.
  Layout small = layout_;
  small.models.pop_back();
  small.conditions.erase(small.conditions.begin());
  std::erase_if(small.units, [](const spec::WorkUnit& u) { return u.model_index == 1 || u.condition_index == 0; });
  for (spec::WorkUnit& unit : small.units) unit.condition_index = 0;
  const auto results_of = [&](const Layout& layout, const spec::ItemRange& range) {
    const std::string& id = layout.units[static_cast<std::size_t>(range.unit_index)].id;
    const auto same = std::ranges::find(layout_.units, id, &spec::WorkUnit::id);
    return example_result(layout_,
                          {static_cast<std::int32_t>(same - layout_.units.begin()), range.first_item, range.num_items});
  };
  {
    Writer writer = Writer::open(world_, path_, small);
    for (std::size_t i = 0; i + 1 < writer.ranges().size(); ++i) {
      if (static_cast<int>(i) % world_.size() == world_.rank()) writer.write(i, results_of(small, writer.ranges()[i]));
    }
    writer.close();
  }
  double finished = 0;
  { finished = Reader(path_).ranges()[0].finished; }
  world_.barrier();
  Writer writer = Writer::open(world_, path_, layout_);
  EXPECT_TRUE(writer.resumed());
  // Units of model 0 with condition "five" are units 1 and 3: three ranges, of which all are done, and one.
  const auto num_done = std::ranges::count(writer.states(), RangeState::kDone);
  EXPECT_EQ(num_done, 3);
  EXPECT_EQ(tally(Reader(path_), layout_).right, 150);
  EXPECT_EQ(tally(Reader(path_), layout_).wrong, 0);
  EXPECT_EQ(Reader(path_).ranges()[3].finished, finished);
  EXPECT_EQ(Reader(path_).ranges()[3].run_index, 0);
  world_.barrier();
  write_ranges(writer, [&](std::size_t i) { return writer.states()[i] != RangeState::kDone; });
  writer.close();
  EXPECT_EQ(tally(Reader(path_), layout_).right, num_items(layout_));
  EXPECT_EQ(Reader(path_).runs().size(), 2);
  world_.barrier();  // the lock is rank 0's
  EXPECT_THAT(names_in(folder_path_), testing::ElementsAre("study.h5"));
}

TEST_F(StoreWriter, units_of_other_stores_are_reused) {
  write_all();
  const auto other = folder_path_ / "other.h5";
  Layout layout = layout_;
  layout.units[2].id = std::string(32, 'f');  // this one has changed
  Writer writer = Writer::open(world_, other, layout, {.durability = Durability::kRange, .reuse = {path_}});
  EXPECT_FALSE(writer.resumed());
  for (std::size_t i = 0; i < writer.ranges().size(); ++i) {
    EXPECT_EQ(writer.states()[i] == RangeState::kDone, writer.ranges()[i].unit_index != 2) << i;
  }
  world_.barrier();
  write_ranges(writer, [&](std::size_t i) { return writer.states()[i] != RangeState::kDone; });
  writer.close();
  EXPECT_EQ(tally(Reader(other), layout_).right, num_items(layout_));
  EXPECT_TRUE(Reader(other).verify().empty());
}

TEST_F(StoreWriter, moved_files_and_another_host_do_not_matter) {
  write_all();
  Layout layout = layout_;
  layout.models[0].path = "/elsewhere";
  layout.provenance.host = "another";
  Writer writer = Writer::open(world_, path_, layout);
  EXPECT_TRUE(writer.resumed());
  writer.close();
}

TEST_F(StoreWriter, a_file_that_is_not_a_store_is_refused) {
  if (world_.rank() == 0) folder_->write("study.h5", "not an HDF5 file at all");
  world_.barrier();
  EXPECT_THAT(refusal(layout_), HasSubstr("study.h5: not an HDF5 file"));

  if (world_.rank() == 0) folder_->write("study.h5", "");
  world_.barrier();
  EXPECT_THAT(refusal(layout_), HasSubstr("not an HDF5 file"));

  if (world_.rank() == 0) create_store(path_, layout_, {}, {}, {.format = "another program's"});
  world_.barrier();
  EXPECT_THAT(refusal(layout_), HasSubstr("an HDF5 file, but not a Catenary store"));
}

TEST_F(StoreWriter, a_store_cut_into_other_ranges_is_refused) {
  if (world_.rank() == 0) {
    std::vector<spec::ItemRange> halves;
    for (const spec::ItemRange& whole : cut_into_ranges(layout_)) {
      const std::int64_t half = whole.num_items / 2;
      halves.push_back({whole.unit_index, whole.first_item, half});
      halves.push_back({whole.unit_index, whole.first_item + half, whole.num_items - half});
    }
    create_store(path_, layout_, halves);
    EXPECT_EQ(Reader(path_).ranges().size(), halves.size());
  }
  world_.barrier();
  EXPECT_THAT(refusal(layout_), HasSubstr("its items are cut into other ranges than this Catenary's (64 items)"));
}

TEST_F(StoreWriter, a_newer_schema_is_refused) {
  if (world_.rank() == 0) create_store(path_, layout_, {}, {}, {.schema_version = kSchemaVersion + 1});
  world_.barrier();
  EXPECT_THAT(refusal(layout_), HasSubstr("has schema version 5, but this Catenary reads 4; use a newer"));
}

TEST_F(StoreWriter, a_truncated_store_is_refused) {
  write_all();
  if (world_.rank() == 0) std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 1);
  world_.barrier();
  EXPECT_THAT(refusal(layout_), HasSubstr("cut short, "));
}

TEST_F(StoreWriter, a_second_sweep_on_the_same_store_is_refused) {
  Writer writer = Writer::open(world_, path_, layout_);
  EXPECT_THAT(error_of_open(layout_), HasSubstr("another sweep is writing this store"));
  EXPECT_TRUE(world_.failed_together());  // so that one rank says it
  world_.barrier();
  EXPECT_TRUE(std::filesystem::exists(path_.string() + ".lock"));
  write_ranges(writer, [](std::size_t) { return true; });
  writer.close();
  EXPECT_EQ(tally(Reader(path_), layout_).right, num_items(layout_));
}

TEST_F(StoreWriter, ranks_with_different_sweeps_are_refused) {
  if (world_.size() == 1) GTEST_SKIP() << "needs another rank";
  Layout layout = layout_;
  if (world_.rank() == 1) layout.conditions[1].k = 6;
  EXPECT_THAT(error_of_open(layout), HasSubstr("study.h5: another sweep than rank 0 was given"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_path_));
}

TEST_F(StoreWriter, a_store_that_one_rank_does_not_see_is_refused) {
  if (world_.size() == 1) GTEST_SKIP() << "needs another rank";
  const std::string end = "; the store must lie on a file system that all ranks share";
  const std::string told_by_rank_1 = world_.rank() == 1 ? "" : "rank 1: ";
  path_ = folder_path_ / (world_.rank() == 1 ? "elsewhere.h5" : "study.h5");
  const auto elsewhere = (folder_path_ / "elsewhere.h5").string();
  EXPECT_EQ(error_of_open(layout_), told_by_rank_1 + elsewhere + " is not seen" + end);
  if (world_.rank() == 0) {
    Layout other = layout_;
    other.provenance.created = "another time";
    create_store(elsewhere, other, {});
  }
  world_.barrier();
  EXPECT_EQ(error_of_open(layout_), told_by_rank_1 + elsewhere + " is another store than rank 0 sees" + end);
  world_.barrier();
  if (world_.rank() == 0) folder_->write("elsewhere.h5", "not a store");
  world_.barrier();
  EXPECT_THAT(error_of_open(layout_), HasSubstr("elsewhere.h5: not an HDF5 file"));
}

TEST_F(StoreWriter, a_folder_that_is_not_there_is_an_error_on_all_ranks) {
  path_ = folder_path_ / "missing" / "study.h5";
  EXPECT_THAT(error_of_open(layout_),
              HasSubstr("missing/study.h5: the folder " + path_.parent_path().string() + " does not exist"));
  path_ = folder_path_;
  EXPECT_THAT(error_of_open(layout_), HasSubstr("not a regular file"));
}

TEST_F(StoreWriter, a_folder_without_permission_is_an_error_on_all_ranks) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  std::filesystem::permissions(folder_path_, std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  EXPECT_THAT(error_of_open(layout_), HasSubstr("Permission denied"));
  world_.barrier();
  std::filesystem::permissions(folder_path_, std::filesystem::perms::owner_all);
}

TEST_F(StoreWriter, a_result_of_the_wrong_shape_is_a_mistake_of_ours) {
  Writer writer = Writer::open(world_, path_, layout_);
  spec::RangeResult result = example_result(layout_, writer.ranges()[0]);
  result.items[3].num_tokens.pop_back();
  EXPECT_THROW(writer.write(0, result), std::logic_error);
  result = example_result(layout_, writer.ranges()[0]);
  result.items.pop_back();
  EXPECT_THROW(writer.write(0, result), std::logic_error);
  writer.close();
}

TEST_F(StoreWriter, a_store_that_is_not_closed_does_not_hang) {
  {
    Writer writer = Writer::open(world_, path_, layout_);
    write_ranges(writer, [](std::size_t) { return true; });
    world_.barrier();
  }
  EXPECT_EQ(tally(Reader(path_), layout_).right, num_items(layout_));
}

}  // namespace
}  // namespace catenary::store
