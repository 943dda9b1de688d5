// A disk that fails during a sweep or when it is closed: the sweep must end with its error, not with a hang or a
// signal, and the store must hold what was done before.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <set>

#include "store/example.h"
#include "support/temporary_folder.h"

namespace catenary::store {
namespace {

using testing::HasSubstr;

class FailingDisk : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(program_)) GTEST_SKIP() << "store_mpi_test is not built";
    if (std::system("mpirun --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "there is no mpirun";
  }

  /// Runs the sweep on `num_ranks` (1: without mpirun); returns its exit code. After a minute it is ended, and returns
  /// 124.
  int run(int num_ranks, const std::string& failing_settings) {
    std::string settings =
        fmt::format("TMPDIR={0} CATENARY_FAILING_STORE={1} ", folder_.path().string(), path_.string());
    for (const char* setting :
         {"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "OMPI_MCA_rmaps_base_oversubscribe=1",
          "OMPI_MCA_hwloc_base_binding_policy=none", "OMPI_MCA_mpi_yield_when_idle=1"}) {
      settings += fmt::format("{} ", setting);
    }
    std::string preload;
    if (!failing_settings.empty()) {
      settings += fmt::format("CATENARY_FAILING_FILE={} {} ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0 ",
                              path_.string(), failing_settings);
      preload = fmt::format("LD_PRELOAD={}", CATENARY_FAILING_DISK);
    }
    const std::string launch = num_ranks == 1 ? "" : fmt::format("mpirun -n {} ", num_ranks);
    const std::string command =
        fmt::format("env {} timeout -k 5 60 {}env {} {} --gtest_filter='FailingDiskWorker.*' > {} 2>&1", settings,
                    launch, preload, program_.string(), log_.string());
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::set<std::string> files() const {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      if (entry.is_regular_file()) names.insert(entry.path().filename().string());
    }
    return names;
  }

  void expect_error_exit(int num_ranks, const std::string& failing_settings) {
    const std::string context = fmt::format("{} ranks, {}", num_ranks, failing_settings);
    std::filesystem::remove(path_);
    EXPECT_EQ(run(num_ranks, failing_settings), 1) << context << ": " << file_bytes(log_);
    EXPECT_THAT(file_bytes(log_), HasSubstr("rank 0 says: ")) << context;
    EXPECT_THAT(file_bytes(log_), HasSubstr("Input/output error")) << context;
    const Layout layout = example_layout();
    {
      const Reader reader(path_);
      EXPECT_EQ(tally(reader, layout).wrong, 0) << context;
      EXPECT_GT(tally(reader, layout).right, 0) << context;
    }
    ASSERT_EQ(run(num_ranks, ""), 0) << context << ": " << file_bytes(log_);
    EXPECT_EQ(tally(Reader(path_), layout).right, num_items(layout)) << context;
  }

  const std::filesystem::path program_ =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "store_mpi_test";
  const test::TemporaryFolder folder_;
  const std::filesystem::path path_ = std::filesystem::canonical(folder_.path()) / "study.h5";
  const std::filesystem::path log_ = folder_.path() / "log.txt";
};

TEST_F(FailingDisk, a_write_that_fails_ends_the_sweep_with_its_error) {
  const std::string settings = "CATENARY_FAILING_CALL=write CATENARY_FAILING_AFTER=30 CATENARY_FAILING_RANK=";
  expect_error_exit(1, settings + "all");
  for (const char* rank : {"0", "1", "all"}) expect_error_exit(2, settings + rank);
}

TEST_F(FailingDisk, a_disk_that_fails_when_the_store_is_closed_is_told) {
  const std::string settings = "CATENARY_FAILING_CALL=fsync CATENARY_FAILING_AFTER=0 CATENARY_FAILING_RANK=";
  expect_error_exit(1, settings + "all");
  for (const char* rank : {"0", "1", "all"}) expect_error_exit(2, settings + rank);
}

TEST_F(FailingDisk, what_the_disk_did_not_take_does_not_count_as_done) {
  const std::string settings =
      "CATENARY_FAILING_SYNCS=1 CATENARY_FAILING_CALL=fsync CATENARY_FAILING_AFTER=3 CATENARY_FAILING_RANK=all";
  ASSERT_EQ(run(1, settings), 1) << file_bytes(log_);
  EXPECT_THAT(file_bytes(log_), HasSubstr("study.h5: cannot be put on the disk: Input/output error"));
  const Reader reader(path_);
  EXPECT_EQ(std::ranges::count(reader.ranges(), RangeState::kDone, &StoredRange::state), 3);
  EXPECT_EQ(std::ranges::count(reader.ranges(), RangeState::kPending, &StoredRange::state),
            std::ssize(reader.ranges()) - 3);
}

TEST_F(FailingDisk, a_store_that_cannot_grow_stays_as_it_is) {
  ASSERT_EQ(run(1, "CATENARY_FAILING_SMALL=1 CATENARY_FAILING_RANK=none"), 0) << file_bytes(log_);
  const std::string before = file_bytes(path_);
  const std::string settings =
      fmt::format("CATENARY_FAILING_FILE={}.tmp-1 CATENARY_FAILING_RANK=all CATENARY_FAILING_CALL=", path_.string());
  // When the new file is made; when results are carried over; when it is put on the disk.
  for (const char* failing :
       {"write CATENARY_FAILING_AFTER=0", "write CATENARY_FAILING_AFTER=200", "fsync CATENARY_FAILING_AFTER=0"}) {
    EXPECT_EQ(run(1, settings + failing), 1) << failing;
    EXPECT_THAT(file_bytes(log_), HasSubstr("Input/output error")) << failing;
    EXPECT_TRUE(file_bytes(path_) == before) << failing;  // not EXPECT_EQ, which would print them
    EXPECT_THAT(files(), testing::UnorderedElementsAre("study.h5", "log.txt")) << failing;
  }
  ASSERT_EQ(run(1, ""), 0) << file_bytes(log_);
  EXPECT_THAT(file_bytes(log_), HasSubstr("item ranges taken over"));
  EXPECT_EQ(tally(Reader(path_), example_layout()).right, num_items(example_layout()));
}

}  // namespace
}  // namespace catenary::store
