#include "store/create.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <utility>
#include <vector>

#include "catenary/base/error.h"
#include "store/serial_store.h"
#include "store/store_lock.h"
#include "support/temporary_folder.h"

namespace catenary::store {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class StoreCreate : public testing::Test {
 protected:
  std::string error_of_create(const Layout& layout) {
    return test::message_of<StoreError>([&] { create_store(path_, layout, cut_into_ranges(layout)); });
  }

  const test::TemporaryFolder folder_;
  const std::filesystem::path path_ = folder_.path() / "study.h5";
};

TEST_F(StoreCreate, a_text_with_a_zero_byte_is_refused_and_nothing_is_made) {
  const std::string text("a\0b", 3);
  const std::vector<std::pair<std::string, std::function<void(Layout&)>>> places{
      {"attribute sweep_name", [&](Layout& layout) { layout.sweep_name = text; }},
      {"attribute host", [&](Layout& layout) { layout.provenance.host = text; }},
      {"dataset /models/path, row 1", [&](Layout& layout) { layout.models[1].path = text; }},
      {"dataset /models/family, row 0", [&](Layout& layout) { layout.models[0].family = text; }},
      {"dataset /tasks/path, row 0", [&](Layout& layout) { layout.tasks[0].path = text; }},
      {"dataset /conditions/separator, row 1", [](Layout& layout) { layout.conditions[1].separator.push_back('\0'); }},
      {"dataset /spec, row 0", [&](Layout& layout) { layout.spec_text = text; }},
  };
  for (const auto& [place, change] : places) {
    Layout layout = example_layout();
    change(layout);
    EXPECT_THAT(error_of_create(layout), AllOf(HasSubstr("study.h5: " + place + ": "), HasSubstr("NUL")));
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path())) << place;
  }
}

TEST_F(StoreCreate, texts_of_any_length_come_back) {
  Layout layout = example_layout();
  layout.spec_text = std::string(1'000'000, 's');
  layout.models[0].path = std::string(200'000, 'p');
  layout.models[1].family = std::string(65'536, 'f');
  layout.conditions[1].separator = std::string(70'000, '\n');
  layout.sweep_name = std::string(60'000, 'n');
  write_example_store(path_, layout);
  const Reader reader(path_);
  EXPECT_EQ(reader.layout().spec_text, layout.spec_text);
  EXPECT_EQ(reader.layout().models[0].path, layout.models[0].path);
  EXPECT_EQ(reader.layout().models[1].family, layout.models[1].family);
  EXPECT_EQ(reader.layout().conditions[1].separator, layout.conditions[1].separator);
  EXPECT_EQ(reader.layout().sweep_name, layout.sweep_name);
  EXPECT_EQ(tally(reader, layout).wrong, 0);
  EXPECT_TRUE(reader.verify().empty());
}

TEST_F(StoreCreate, a_sweep_name_that_no_attribute_can_hold_is_refused) {
  Layout layout = example_layout();
  layout.sweep_name = std::string(70'000, 'n');
  EXPECT_THAT(error_of_create(layout),
              HasSubstr("study.h5: attribute sweep_name: its text has 70000 bytes, but a store "
                        "can hold 60000 there"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(StoreCreate, files_beside_the_store_are_left_alone) {
  for (const char* name : {"study.h5.tmp", "study.h5.tmp-1", "study.h5.tmp-2", "study.h5.lock"}) {
    folder_.write(name, "the user's");
  }
  create_store(path_, example_layout(), {});
  EXPECT_THAT(names_in(folder_.path()),
              ElementsAre("study.h5", "study.h5.lock", "study.h5.tmp", "study.h5.tmp-1", "study.h5.tmp-2"));
  EXPECT_THAT(test::message_of<StoreError>([&] { StoreLock lock(path_); }),
              HasSubstr("study.h5.lock is not a lock of Catenary's"));
  for (const char* name : {"study.h5.tmp", "study.h5.tmp-1", "study.h5.tmp-2", "study.h5.lock"}) {
    EXPECT_EQ(file_bytes(folder_.path() / name), "the user's");
  }
}

TEST_F(StoreCreate, only_an_empty_file_is_a_lock) {
  const auto lock_path = folder_.path() / "study.h5.lock";
  ASSERT_EQ(::mkfifo(lock_path.c_str(), 0600), 0);
  EXPECT_THROW(StoreLock lock(path_), StoreError);
  std::filesystem::remove(lock_path);
  std::filesystem::create_symlink(folder_.write("empty", ""), lock_path);
  EXPECT_THROW(StoreLock lock(path_), StoreError);
  EXPECT_TRUE(std::filesystem::is_symlink(lock_path));
  std::filesystem::remove(lock_path);
  folder_.write("study.h5.lock", "");  // as a killed sweep leaves it
  { const StoreLock lock(path_); }
  EXPECT_FALSE(std::filesystem::exists(lock_path));
}

/// See range_writer.cc.
TEST_F(StoreCreate, who_writes_holds_a_lock_that_others_can_share_and_else_writes_synchronously) {
  const Layout layout = example_layout();
  create_store(path_, layout, cut_into_ranges(layout));
  const Descriptor other(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  const auto try_lock = [&other](short type) {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    return ::fcntl(other.get(), F_OFD_SETLK, &lock) == 0;
  };
  const auto writes_synchronously = [&] {
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
      std::error_code ignored;
      if (std::filesystem::read_symlink(entry.path(), ignored) != std::filesystem::canonical(path_)) continue;
      const int flags = ::fcntl(std::stoi(entry.path().filename()), F_GETFL);
      if ((flags & O_ACCMODE) == O_WRONLY) return (flags & O_DSYNC) != 0;
    }
    throw std::logic_error("nobody writes the store");
  };
  {
    const RangeWriter one(path_, tables_of(layout, cut_into_ranges(layout)));
    const RangeWriter two(path_, tables_of(layout, cut_into_ranges(layout)));
    EXPECT_FALSE(try_lock(F_WRLCK));
    EXPECT_TRUE(try_lock(F_RDLCK));
    EXPECT_FALSE(writes_synchronously());
  }
  EXPECT_TRUE(try_lock(F_WRLCK));
  const RangeWriter without_lock(path_, tables_of(layout, cut_into_ranges(layout)));
  EXPECT_TRUE(writes_synchronously());
}

TEST_F(StoreCreate, the_store_has_the_rights_that_the_umask_leaves) {
  const mode_t before = ::umask(027);
  create_store(path_, example_layout(), {});
  ::umask(before);
  EXPECT_EQ(std::filesystem::status(path_).permissions(), std::filesystem::perms(0640));
}

TEST_F(StoreCreate, a_path_where_no_file_can_be_is_told_in_words) {
  const auto error_at = [](const std::filesystem::path& path) {
    const std::string lock_error = test::message_of<StoreError>([&] { StoreLock lock(path); });
    EXPECT_EQ(test::message_of<StoreError>([&] { create_store(path, example_layout(), {}); }), lock_error);
    return lock_error;
  };
  EXPECT_EQ(error_at("nope/x.h5"), "nope/x.h5: the folder nope does not exist");
  EXPECT_EQ(error_at(""), "the store's path is empty");
  EXPECT_EQ(error_at("study/"), "study/: a folder, not a file's name");
  const std::string file = folder_.write("file", "").string();
  EXPECT_EQ(error_at(file + "/x.h5"), file + "/x.h5: " + file + " is not a folder");
  const std::string folder = folder_.path().string();
  const std::string long_path = folder + "/" + std::string(300, 'x');
  EXPECT_THAT(test::message_of<StoreError>([&] { create_store(long_path, example_layout(), {}); }),
              AllOf(StartsWith(long_path + ": "), HasSubstr("File name too long")));
}

}  // namespace
}  // namespace catenary::store
