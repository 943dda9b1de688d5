// A disk that fails during a sweep or when it is closed: the sweep must end with its error, not with a hang or a
// signal, and the store must hold what was done before.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>

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
      settings += fmt::format("CATENARY_FAILING_FILE={} {} ASAN_OPTIONS=verify_asan_link_order=0 ", path_.string(),
                              failing_settings);
      preload = fmt::format("LD_PRELOAD={}", CATENARY_FAILING_DISK);
    }
    const std::string launch = num_ranks == 1 ? "" : fmt::format("mpirun -n {} ", num_ranks);
    const std::string command =
        fmt::format("env {} timeout -k 5 60 {}env {} {} --gtest_filter='FailingDiskWorker.*' > {} 2>&1", settings,
                    launch, preload, program_.string(), log_.string());
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
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

}  // namespace
}  // namespace catenary::store
