// The sweep whose disk fails in failing_disk_test.cc.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "catenary/store/writer.h"
#include "store/example.h"

namespace catenary::store {
namespace {

void write_what_is_pending(const parallel::Communicator& world, const char* path) {
  Layout layout = example_layout();
  if (std::getenv("CATENARY_FAILING_SMALL") != nullptr) {  // the first model alone
    layout.models.pop_back();
    std::erase_if(layout.units, [](const spec::WorkUnit& unit) { return unit.model_index == 1; });
  }
  WriterOptions options;
  if (std::getenv("CATENARY_FAILING_SYNCS") != nullptr) options.durability = Durability::kRange;
  Writer writer = Writer::open(world, path, layout, options);
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
    ADD_FAILURE();
  }
}

}  // namespace
}  // namespace catenary::store
