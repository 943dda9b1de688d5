#include "cli/run/probe.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "catenary/base/error.h"
#include "catenary/model/device.h"
#include "catenary/parallel/communicator.h"
#include "catenary/parallel/mpi_environment.h"
#include "catenary/parallel/tensor_parallel_group.h"
#include "catenary/store/reader.h"
#include "catenary/store/writer.h"
#include "cli/counted.h"
#include "cli/exit_code.h"
#include "cli/guard.h"
#include "cli/run/host.h"
#include "cli/run/rank_device.h"

namespace catenary::cli {
namespace {

using parallel::Communicator;

constexpr std::int64_t kItemsOfRank = spec::kItemsPerRange;

void tell(const Communicator& world, std::string_view what, bool ok, const std::string& found,
          const std::string& to_do) {
  if (world.rank() != 0) return;
  std::puts(nlohmann::json{{"what", what}, {"ok", ok}, {"found", found}, {"to_do", ok ? "" : to_do}}.dump().c_str());
  std::fflush(stdout);
}

// A study of one unit with a range for each rank.
store::Layout layout_for(const Communicator& world) {
  store::Layout layout{.sweep_name = "doctor", .spec_text = "{}"};
  layout.models.push_back({.name = "m", .weights_fingerprint = "w", .tokenizer_fingerprint = "t"});
  layout.conditions.push_back({.name = "zero_shot", .kind = "zero_shot", .definition = "{}"});
  store::TaskRow task{.name = "t", .format = "classification", .fingerprint = "f"};
  for (std::int64_t i = 0; i < kItemsOfRank * world.size(); ++i) task.items.push_back({i, 0, {1, 1}});
  layout.tasks.push_back(task);
  layout.units.push_back({std::string(32, '0'), 0, 0, 0});
  layout.numerics = {.dtype = "float32", .device_kind = "none"};
  return layout;
}

double value_of(std::int64_t item) {
  return -0.5 - static_cast<double>(item);
}

void try_store(const Communicator& world, const std::filesystem::path& folder) {
  const auto path = folder / world.broadcast(fmt::format(".catenary-doctor-{}-{}.h5", host_name(), ::getpid()));
  const store::Layout layout = layout_for(world);
  {
    store::Writer writer = store::Writer::open(world, path, layout);
    parallel::agree(world, [&] {
      const auto index = static_cast<std::size_t>(world.rank());
      spec::RangeResult result;
      for (std::int64_t i = 0; i < writer.ranges()[index].num_items; ++i) {
        const double value = value_of(writer.ranges()[index].first_item + i);
        result.items.push_back({.log_likelihoods = {value, value}, .num_tokens = {1, 1}, .is_greedy = {0, 0}});
      }
      writer.write(index, result);
    });
    writer.close();
  }
  // Every rank reads what the others have written, as it would on another night.
  parallel::agree(world, [&] {
    const store::Reader reader(path);
    const auto items = reader.read_unit(0);
    for (std::size_t i = 0; i < items.size(); ++i) {
      const double expected = value_of(static_cast<std::int64_t>(i));
      if (!items[i] || items[i]->log_likelihoods != std::vector<double>{expected, expected}) {
        throw StoreError(fmt::format("{}: item {}, which rank {} wrote, is not as it was written", path.string(), i,
                                     static_cast<std::int64_t>(i) / kItemsOfRank));
      }
    }
  });
  world.barrier();
  if (world.rank() == 0) std::filesystem::remove(path);
}

// Of numbers in the memory of the ranks' devices, as ranks that hold one model together do it.
void try_all_reduce(const Communicator& world, at::Device device) {
  constexpr std::int64_t kCount = 1 << 20;
  const auto make = device.is_cuda() ? parallel::make_nccl_group : parallel::make_mpi_group;
  const auto group = make(world, 0, world.size());
  parallel::agree(*group, [&] {
    const at::Tensor x = at::full({kCount}, world.rank() + 1, at::TensorOptions(device).dtype(at::kFloat));
    group->all_reduce({.data = x.mutable_data_ptr(), .count = kCount}, parallel::Reduction::kSum);
    const int expected = world.size() * (world.size() + 1) / 2;
    const auto num_wrong = x.ne(expected).sum().item<std::int64_t>();
    if (num_wrong > 0) {
      throw CommError(
          fmt::format("{} of {} sums over the ranks' devices are wrong on rank {}", num_wrong, kCount, world.rank()));
    }
  });
}

int probe_on_all_ranks(const Communicator& world, const std::filesystem::path& folder) {
  const auto hosts = world.all_gather(host_name());
  const std::set<std::string> distinct_hosts(hosts.begin(), hosts.end());
  const long long sum = world.sum(world.rank() + 1);
  const long long expected = static_cast<long long>(world.size()) * (world.size() + 1) / 2;
  tell(world, "MPI", sum == expected,
       fmt::format("{} on {}, threads granted, a sum over all of them is {}", counted(world.size(), "rank"),
                   counted(std::ssize(distinct_hosts), "host"), sum == expected ? "right" : "wrong"),
       "MPI's messages do not arrive as sent; ask the administrator");

  const model::CudaVersions cuda = model::cuda_versions();
  const auto version_text = [](int version) {
    return version == 0 ? "none" : fmt::format("{}.{}", version / 1000, version % 1000 / 10);
  };
  tell(world, "CUDA", cuda.driver == 0 || cuda.driver / 1000 >= cuda.build / 1000,
       fmt::format("of this build: {}; of the driver: {}", version_text(cuda.build), version_text(cuda.driver)),
       "a driver for this version, or a build for the driver's (CATENARY_CUDA, cmake/setup.sh)");

  std::string own;
  std::optional<at::Device> device;
  try {
    device = device_of_rank("auto", world);
    own = model::device_kind(*device);
  } catch (const Error& e) {
    own = e.what();
  }
  const auto devices = world.all_gather(own);
  const bool alike = std::ranges::all_of(devices, [&](const std::string& other) { return other == devices[0]; });
  tell(world, "devices", alike && device,
       alike ? fmt::format("{}{}", device ? "every rank has " : "", own)
             : fmt::format("rank 0 has {}, another {}", devices[0],
                           *std::ranges::find_if(devices, [&](const auto& d) { return d != devices[0]; })),
       "ask for one GPU a rank, or use --device cpu");

  std::string problem;
  if (alike && device) {
    try {
      try_all_reduce(world, *device);
    } catch (const std::exception& e) {
      problem = e.what();
    }
    tell(world, "all-reduce", problem.empty(),
         problem.empty()
             ? fmt::format("right over {}, by {}", counted(world.size(), "rank"), device->is_cuda() ? "NCCL" : "MPI")
             : problem,
         "models on several ranks need it; NCCL_DEBUG=INFO tells more where it is NCCL");
  }

  problem.clear();
  try {
    try_store(world, folder);
  } catch (const Error& e) {
    problem = e.what();
  }
  tell(world, "store", problem.empty(),
       problem.empty() ? fmt::format("written and read by {} in {}", counted(world.size(), "rank"), folder.string())
                       : problem,
       "name a folder that all nodes share and that can be written");
  return kExitDone;
}

}  // namespace

int probe(const std::filesystem::path& folder) {
  return guard([&] {
    const parallel::MpiEnvironment mpi;
    const Communicator world = Communicator::world();
    return probe_on_all_ranks(world, folder);
  });
}

}  // namespace catenary::cli
