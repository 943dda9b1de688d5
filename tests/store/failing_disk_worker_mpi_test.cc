// The sweep whose disk fails in failing_disk_test.cc. It ends as writer.h asks of a program.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "catenary/parallel/mpi_environment.h"
#include "catenary/store/writer.h"
#include "store/example.h"

namespace catenary::store {
namespace {

void write_what_is_pending(const parallel::Communicator& world, const char* path) {
  const Layout layout = example_layout();
  Writer writer = Writer::open(world, path, layout);
  parallel::agree(world, [&] {
    for (std::size_t i = 0; i < writer.ranges().size(); ++i) {
      if (writer.states()[i] == RangeState::kDone || static_cast<int>(i) % world.size() != world.rank()) continue;
      writer.write(i, example_result(layout, writer.ranges()[i]));
    }
  });
  writer.close();
}

TEST(FailingDiskWorker, writes_what_is_pending) {
  const char* path = std::getenv("CATENARY_FAILING_STORE");
  if (path == nullptr) GTEST_SKIP() << "started by failing_disk_test only";
  const auto world = parallel::Communicator::world();
  try {
    write_what_is_pending(world, path);
  } catch (const std::exception& e) {
    if (world.rank() == 0) fmt::print("rank 0 says: {}\n", e.what());
    std::fflush(nullptr);
    if (!Writer::is_any_open()) std::_Exit(kNothingOpenExitCode);
    if (world.size() == 1) std::_Exit(kFailingDiskExitCode);
    if (world.rank() != 0) std::this_thread::sleep_for(std::chrono::seconds(2));  // an abort would cut rank 0 short
    parallel::MpiEnvironment::abort(kFailingDiskExitCode);
  }
  EXPECT_FALSE(Writer::is_any_open());
}

}  // namespace
}  // namespace catenary::store
