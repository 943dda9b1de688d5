// The sweep that kill_test.cc kills: four ranks write ranges in random order with pauses between them.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "catenary/store/writer.h"
#include "store/example.h"

namespace catenary::store {
namespace {

TEST(KillWorker, writes_what_is_pending) {
  const char* path = std::getenv("CATENARY_KILL_STORE");
  if (path == nullptr) GTEST_SKIP() << "started by kill_test only";
  const auto world = parallel::Communicator::world();
  const Layout layout = example_layout(kKillTestItems);
  Writer writer = Writer::open(world, path, layout);
  std::vector<std::size_t> mine;
  for (std::size_t i = 0; i < writer.states().size(); ++i) {
    const bool is_wanted = writer.states()[i] != RangeState::kDone;
    if (is_wanted && static_cast<int>(i) % world.size() == world.rank()) mine.push_back(i);
  }
  std::mt19937_64 random(static_cast<unsigned long>(::getpid()));
  std::ranges::shuffle(mine, random);
  for (const std::size_t i : mine) {
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
    if (writer.states()[i] == RangeState::kPending && random() % 8 == 0) writer.write(i, failed_result("tried once"));
    writer.write(i, example_result(layout, writer.ranges()[i]));
  }
  writer.close();
}

}  // namespace
}  // namespace catenary::store
