#include "catenary/store/reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <random>
#include <set>

#include "catenary/base/error.h"
#include "store/checksums.h"
#include "store/serial_store.h"
#include "support/temporary_folder.h"

namespace catenary::store {
namespace {

using testing::HasSubstr;

class StoreReader : public testing::Test {
 protected:
  StoreReader() { write_example_store(path_, layout_); }

  std::string error_of_open() {
    return test::message_of<Error>([&] { Reader reader(path_); });
  }

  const test::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "study.h5";
  const Layout layout_ = example_layout();
};

TEST_F(StoreReader, done_failed_and_pending_ranges_are_told_apart) {
  const Reader reader(path_);
  ASSERT_EQ(reader.ranges().size(), 16);
  EXPECT_EQ(reader.ranges()[0].state, RangeState::kDone);
  EXPECT_EQ(reader.ranges()[0].owner_rank, 3);
  EXPECT_EQ(reader.ranges()[6].state, RangeState::kFailed);
  EXPECT_EQ(reader.ranges()[7].state, RangeState::kPending);
  EXPECT_EQ(reader.ranges()[7].owner_rank, -1);
  const auto failed_unit = static_cast<std::size_t>(reader.ranges()[6].range.unit_index);
  EXPECT_EQ(reader.errors()[failed_unit], "out of memory");
  EXPECT_EQ(tally(reader, layout_).wrong, 0);
  EXPECT_GT(tally(reader, layout_).right, 0);
  EXPECT_GT(tally(reader, layout_).absent, 0);
  EXPECT_TRUE(reader.verify().empty());
}

TEST_F(StoreReader, texts_share_a_range_s_room_and_the_end_of_what_does_not_fit_is_cut) {
  Layout layout;
  layout.models = {layout_.models[0]};
  layout.tasks = {{"numbers", "numbers.jsonl", "numeric", "items", {}}};
  for (int i = 0; i < 4; ++i) layout.tasks[0].items.push_back({i, 0, {}, 42.0 + i, std::nan("")});
  layout.conditions = {layout_.conditions[0]};
  layout.units = {{.id = "unit", .num_texts_per_item = 1, .num_bytes_per_text = 10}};
  spec::RangeResult result;
  result.items.resize(4);
  result.items[0].texts = {{"four", 4}};                 // leaves 6 bytes of its 10
  result.items[1].texts = {{"fourteen bytes", 14}};      // takes 4 of them
  result.items[2].texts = {{"zwölf Bytes ü\xff.", 16}};  // 17 bytes, of the other 12
  result.items[3].texts = {{"", 0}};
  result.items[3].is_truncated = true;
  const auto path = folder_.path() / "texts.h5";
  create_store(path, layout, cut_into_ranges(layout));
  const RangeWriter writer(path, tables_of(layout, cut_into_ranges(layout)));
  writer.write(0, result, {});

  EXPECT_EQ(Reader(path).layout().tasks[0].items[2].true_answer, 44);
  EXPECT_TRUE(Reader(path).verify().empty());
  const auto scores = Reader(path).read_unit(0);
  const auto expect_text = [&](std::size_t item, const char* text, int num_tokens, bool is_cut) {
    ASSERT_TRUE(scores[item]);
    EXPECT_TRUE(scores[item]->log_likelihoods.empty());
    const spec::GeneratedText& found = scores[item]->texts.at(0);
    EXPECT_EQ(found.text, text);
    EXPECT_EQ(found.num_tokens, num_tokens);
    EXPECT_EQ(found.is_cut, is_cut) << text;
  };
  expect_text(0, "four", 4, false);
  expect_text(1, "fourteen bytes", 14, false);
  expect_text(2, "zwölf Bytes ü?.", 16, false);
  expect_text(3, "", 0, false);
  EXPECT_TRUE(scores[3]->is_truncated);
  EXPECT_FALSE(scores[0]->is_truncated);

  result.items[3].texts = {{"eight by", 8}};  // now 6 + 2 bytes are left, and 4 + 7 are wanted
  writer.write(0, result, {});
  const auto again = Reader(path).read_unit(0);
  EXPECT_EQ(again[2]->texts[0].text, "zwölf Bytes ");  // 14 bytes would end within the ü
  EXPECT_TRUE(again[2]->texts[0].is_cut);
  EXPECT_EQ(again[3]->texts[0].text, "eight by");
}

TEST_F(StoreReader, a_store_cut_short_anywhere_is_refused) {
  const std::string whole = file_bytes(path_);
  std::mt19937_64 random(1);
  std::set<std::size_t> lengths{0, 1, 7, 8, 47, 48, 49, 95, 96, whole.size() - 1, whole.size() - 8};
  while (lengths.size() < 200) lengths.insert(random() % whole.size());
  for (const std::size_t length : lengths) {
    folder_.write("study.h5", std::string_view(whole).substr(0, length));
    EXPECT_THAT(error_of_open(), HasSubstr("study.h5")) << "cut to " << length;
  }
}

/// A flipped byte either makes the store unreadable, or a range's loss is noticed, or it hits what nobody reads.
TEST_F(StoreReader, a_flipped_byte_never_gives_a_wrong_number) {
  const std::string whole = file_bytes(path_);
  const std::string layout_as_written = layout_hash(layout_, tables_of(layout_, cut_into_ranges(layout_)));
  const char* wanted = std::getenv("CATENARY_BYTE_FLIPS");
  const int num_flips = wanted == nullptr ? 1000 : std::atoi(wanted);
  std::mt19937_64 random(20261122);
  int num_refused = 0;
  int num_noticed = 0;
  for (int i = 0; i < num_flips; ++i) {
    std::string damaged = whole;
    const std::size_t where = random() % whole.size();
    damaged[where] = static_cast<char>(damaged[where] ^ static_cast<char>(1 + random() % 255));
    folder_.write("study.h5", damaged);
    try {
      const Reader reader(path_);
      EXPECT_EQ(layout_hash(reader.layout(), tables_of(reader.layout(), cut_into_ranges(reader.layout()))),
                layout_as_written);
      const Tally found = tally(reader, layout_);
      EXPECT_EQ(found.wrong, 0) << "byte " << where;
      for (const StoredRange& range : reader.ranges()) {
        if (range.state != RangeState::kDone) continue;
        EXPECT_EQ(range.seconds, 0.25) << "byte " << where;
        EXPECT_EQ(range.flops, 1e9) << "byte " << where;
        EXPECT_EQ(range.num_tokens_fed, 100 + range.range.first_item) << "byte " << where;
      }
      const auto num_done = std::ranges::count(reader.ranges(), RangeState::kDone, &StoredRange::state);
      // A range that became pending is told, but for a state that was flipped to just that.
      if (num_done < 12) EXPECT_FALSE(reader.verify().empty()) << "byte " << where;
      if (num_done < 12 || !reader.verify().empty()) ++num_noticed;
    } catch (const StoreError&) {
      ++num_refused;
    }
    if (HasFailure()) break;
  }
  RecordProperty("refused", num_refused);
  RecordProperty("noticed", num_noticed);
  EXPECT_GT(num_refused, num_flips / 10);
  EXPECT_GT(num_noticed, num_flips / 10);
}

TEST_F(StoreReader, what_a_new_store_takes_over_reads_as_before) {
  const auto ranges = cut_into_ranges(layout_);
  const std::filesystem::path renewed = folder_.path() / "new.h5";
  {
    std::vector<Reader> sources;
    sources.emplace_back(path_);
    create_store(renewed, layout_, ranges, sources);
  }
  const Reader before(path_), after(renewed);
  ASSERT_EQ(after.ranges().size(), ranges.size());
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    EXPECT_EQ(after.ranges()[i].state, before.ranges()[i].state) << i;
    EXPECT_EQ(after.ranges()[i].owner_rank, before.ranges()[i].owner_rank) << i;
  }
  EXPECT_EQ(after.errors(), before.errors());  // "out of memory" among them
  EXPECT_EQ(tally(after, layout_).right, tally(before, layout_).right);
  EXPECT_EQ(tally(after, layout_).wrong, 0);
}

TEST_F(StoreReader, what_is_not_a_store_is_refused) {
  folder_.write("study.h5", "");
  EXPECT_THAT(error_of_open(), HasSubstr("not an HDF5 file"));
  std::filesystem::remove(path_);
  EXPECT_THAT(error_of_open(), HasSubstr("o such file"));
  std::filesystem::create_directory(path_);
  EXPECT_THAT(error_of_open(), HasSubstr("not a regular file"));
  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THAT(error_of_open(), HasSubstr("not a regular file"));
  std::filesystem::remove(path_);
  create_store(path_, layout_, {}, {}, {.format = "another program's"});
  EXPECT_THAT(error_of_open(), HasSubstr("not a Catenary store"));
  create_store(path_, layout_, {}, {}, {.schema_version = 5});
  EXPECT_THAT(error_of_open(), HasSubstr("schema version 5, but this Catenary reads 4; use a newer Catenary"));
  create_store(path_, layout_, {}, {}, {.schema_version = 3});
  EXPECT_THAT(error_of_open(), HasSubstr("schema version 3, but this Catenary reads 4; made by an earlier build: run"));
}

TEST_F(StoreReader, a_disk_that_is_too_small_is_an_error_and_leaves_nothing_behind) {
  // A limit on the file's size stands for the disk: the same failing write, EFBIG instead of ENOSPC.
  const auto other = folder_.path() / "other.h5";
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  for (const rlim_t limit : {rlim_t{0}, rlim_t{1000}, rlim_t{20000}}) {
    rlimit small = before;
    small.rlim_cur = limit;
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    std::string message;
    try {
      create_store(other, layout_, cut_into_ranges(layout_));
    } catch (const StoreError& e) {
      message = e.what();
    }
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    EXPECT_THAT(message, testing::MatchesRegex(".*/other.h5: File too large: the store needs [0-9]+ bytes")) << limit;
    EXPECT_THAT(names_in(folder_.path()), testing::ElementsAre("study.h5"));
  }
  ::signal(SIGXFSZ, handler);
  write_example_store(other, layout_);
  EXPECT_TRUE(Reader(other).verify().empty());
}

}  // namespace
}  // namespace catenary::store
