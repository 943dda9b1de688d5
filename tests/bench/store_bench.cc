// store_bench FILE [MODELS TASKS CONDITIONS ITEMS | STORE]: what storing costs. Alone or under mpirun; makes FILE anew
// and removes it.
//
//   mpirun -n 8 build/bin/store_bench /tmp/bench.h5                   a million items, under each durability
//   build/bin/store_bench /tmp/bench.h5 100 100 10 1000               1e8 items: also how long opening takes
//   build/bin/store_bench /tmp/bench.h5 build/demo.h5                 everything that a sweep stored, once more
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <vector>

#include "catenary/base/hash.h"
#include "catenary/parallel/communicator.h"
#include "catenary/parallel/mpi_environment.h"
#include "catenary/store/reader.h"
#include "catenary/store/writer.h"

namespace {

using namespace catenary;
using Clock = std::chrono::steady_clock;

constexpr int kClasses = 2;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

store::Layout make_layout(int num_models, int num_tasks, int num_conditions, int num_items) {
  store::Layout layout{.sweep_name = "bench", .spec_text = "{}"};
  layout.numerics = {"float32", "cpu", 1};
  for (int i = 0; i < num_models; ++i) {
    layout.models.push_back({.name = fmt::format("model-{}", i), .num_parameters = 1000 + i});
  }
  for (int i = 0; i < num_tasks; ++i) {
    auto& task = layout.tasks.emplace_back();
    task.name = fmt::format("task-{}", i);
    task.format = "classification";
    for (int item = 0; item < num_items; ++item) task.items.push_back({item, item % kClasses, {5, 7}});
  }
  for (int i = 0; i < num_conditions; ++i) layout.conditions.push_back({.name = fmt::format("condition-{}", i)});
  for (std::int32_t m = 0; m < num_models; ++m) {
    for (std::int32_t t = 0; t < num_tasks; ++t) {
      for (std::int32_t c = 0; c < num_conditions; ++c) {
        const auto number = static_cast<std::uint64_t>((m * num_tasks + t) * num_conditions + c);
        layout.units.push_back({Hasher().add(number).hex(), m, t, c});
      }
    }
  }
  return layout;
}

/// Writes every range of the sweep, in turn by all ranks, and prints how fast.
void write(const parallel::Communicator& world, const std::filesystem::path& path, const store::Layout& layout,
           store::Durability durability, const char* name) {
  spec::RangeResult result;
  result.items.resize(spec::kItemsPerRange, {{-1.5, -2.5}, {3, 4}, {1, 0}});
  if (world.rank() == 0) std::filesystem::remove(path);
  world.barrier();
  const auto start = Clock::now();
  store::Writer writer = store::Writer::open(world, path, layout, {.durability = durability});
  world.barrier();
  const double opened = seconds_since(start);
  std::int64_t num_items = 0;
  const std::clock_t processor_start = std::clock();
  for (std::size_t i = 0; i < writer.ranges().size(); ++i) {
    num_items += writer.ranges()[i].num_items;
    if (static_cast<int>(i) % world.size() != world.rank()) continue;
    result.items.resize(static_cast<std::size_t>(writer.ranges()[i].num_items), {{-1.5, -2.5}, {3, 4}, {1, 0}});
    writer.write(i, result);
  }
  const auto processor =
      static_cast<double>(world.sum(std::clock() - processor_start)) / CLOCKS_PER_SEC;  // of all ranks
  const double written = seconds_since(start) - opened;
  const auto num_ranges = static_cast<double>(writer.ranges().size());
  writer.close();
  const double closed = seconds_since(start) - opened - written;
  if (world.rank() != 0) return;
  const auto num_bytes = static_cast<double>(std::filesystem::file_size(path));
  const double beyond = num_bytes / (static_cast<double>(num_items) * kClasses) - 13;  // 8 + 4 + 1 are the values
  fmt::print(
      "{:5}  {} ranks: {:.3g} items, made in {:.3f} s, written in {:.3f} s ({:.3g} items/s, {:.1f} us of processor "
      "time a range), closed in {:.3f} s; {:.1f} bytes an item and class beyond the values\n",
      name, world.size(), static_cast<double>(num_items), opened, written, static_cast<double>(num_items) / written,
      processor * 1e6 / num_ranges, closed, beyond);
}

void read(const std::filesystem::path& path) {
  for (int i = 0; i < 3; ++i) {
    const auto start = Clock::now();
    const store::Reader reader(path);
    fmt::print("opened in {:.3f} s", seconds_since(start));
    const auto opened = Clock::now();
    const std::size_t num_damaged = reader.verify().size();
    fmt::print(", every checksum compared in {:.3f} s, {} damaged\n", seconds_since(opened), num_damaged);
  }
}

/// Makes the store of a finished sweep anew, with all its results; prints the share of that sweep's time.
void write_again(const parallel::Communicator& world, const std::filesystem::path& path,
                 const std::filesystem::path& swept) {
  const store::Reader sweep(swept);
  const store::Run& run = sweep.runs().back();
  std::vector<spec::RangeResult> results;
  for (std::size_t i = 0; i < sweep.ranges().size(); ++i) results.push_back(sweep.read_range(i).value());
  double best = 1e9, best_of_processor = 1e9;
  for (int turn = 0; turn < 10; ++turn) {
    std::filesystem::remove(path);
    const auto start = Clock::now();
    const std::clock_t processor_start = std::clock();
    store::Writer writer = store::Writer::open(world, path, sweep.layout());
    for (std::size_t i = 0; i < results.size(); ++i) writer.write(i, results[i]);
    writer.close();
    best = std::min(best, seconds_since(start));
    best_of_processor =
        std::min(best_of_processor, static_cast<double>(std::clock() - processor_start) / CLOCKS_PER_SEC);
  }
  const double seconds = run.finished - run.started;
  fmt::print(
      "{} ranges made, written and closed in {:.1f} ms, {:.1f} ms of them processor time (best of 10): {:.2f} % of "
      "the {:.2f} s that {} ranks took\n",
      results.size(), best * 1e3, best_of_processor * 1e3, 100 * best / seconds, seconds, run.num_ranks);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3 && argc != 6) {
    fmt::print(stderr, "usage: store_bench FILE [MODELS TASKS CONDITIONS ITEMS | STORE]\n");
    return 2;
  }
  const std::filesystem::path path = argv[1];
  const parallel::MpiEnvironment mpi;
  const auto world = parallel::Communicator::world();
  if (argc == 3) {
    write_again(world, path, argv[2]);
    std::filesystem::remove(path);
    return 0;
  }
  const auto number = [&](int i, int otherwise) { return argc == 6 ? std::atoi(argv[i]) : otherwise; };
  const auto layout = make_layout(number(2, 10), number(3, 10), number(4, 10), number(5, 1000));
  if (argc == 2) {
    write(world, path, layout, store::Durability::kNone, "none");
    write(world, path, layout, store::Durability::kRange, "range");
  }
  write(world, path, layout, store::Durability::kEnd, "end");
  if (world.rank() == 0) read(path);
  world.barrier();
  if (world.rank() == 0 && std::getenv("CATENARY_BENCH_KEEP") == nullptr) std::filesystem::remove(path);
  return 0;
}
