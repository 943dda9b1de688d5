#include "cli/run/same_on_all_ranks.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "catenary/base/error.h"
#include "catenary/base/hash.h"
#include "catenary/model/device.h"
#include "cli/run/host.h"
#include "cli/run/rank_device.h"
#include "cli/run/stop_signal.h"
#include "cli/run/threads.h"
#include "cli/version.h"

namespace catenary::cli {

using parallel::Communicator;

namespace {

void check_same_inputs(const Communicator& world, const Study& study) {
  Hasher hasher;
  hasher.add(study.spec.text);
  for (const task::Task& task : study.tasks) hasher.add(task.fingerprint);
  for (const weights::Checkpoint& checkpoint : study.checkpoints) {
    hasher.add(static_cast<std::uint64_t>(checkpoint.num_parameters()));
  }
  const auto all = world.all_gather(hasher.hex());
  const auto other = std::find_if(all.begin(), all.end(), [&](const std::string& hash) { return hash != all[0]; });
  if (other == all.end()) return;
  throw SpecError(fmt::format(
      "rank {} reads another spec, task or model than rank 0; all must lie on a file system that all ranks share",
      other - all.begin()));
}

store::Numerics agreed_numerics(const Communicator& world, const Study& study, at::Device device, int num_threads) {
  const store::Numerics numerics{.dtype = std::string(to_string(study.spec.dtype)),
                                 .device_kind = model::device_kind(device),
                                 .threads_per_rank = num_threads};
  const std::string own = fmt::format("{} with {} threads", numerics.device_kind, num_threads);
  const auto all = world.all_gather(own);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    throw SpecError(
        fmt::format("all ranks must compute alike, but rank 0 has {} and rank {} has {}; use --device and --threads",
                    all[0], rank, all[rank]));
  }
  return numerics;
}

}  // namespace

Compute set_up(const Communicator& world, const Study& study, const ComputeArgs& args) {
  std::optional<at::Device> device;
  int num_threads = 1;
  store::Numerics numerics;
  parallel::agree(world, [&] { device = device_of_rank(args.device, world); });
  parallel::agree(world, [&] { num_threads = threads_per_rank(args.num_threads, &world); });
  parallel::agree(world, [&] {
    check_same_inputs(world, study);
    numerics = agreed_numerics(world, study, *device, num_threads);
  });
  model::set_num_threads(num_threads);
  return {*device, numerics};
}

std::optional<std::vector<ModelFingerprint>> fingerprint_together(const Communicator& world,
                                                                  const std::vector<weights::Checkpoint>& checkpoints) {
  const auto size = static_cast<std::size_t>(world.size());
  const auto rank = static_cast<std::size_t>(world.rank());
  std::string own;
  parallel::agree(world, [&] {
    for (std::size_t i = rank; i < checkpoints.size() && !stop_signal_received(); i += size) {
      const ModelFingerprint fingerprint = fingerprint_of(checkpoints[i]);
      own += fingerprint.weights + fingerprint.tokenizer;
    }
  });
  const auto all = world.all_gather(own);
  if (world.sum(stop_signal_received() ? 1 : 0) > 0) return std::nullopt;
  constexpr std::size_t kDigits = 32;
  std::vector<ModelFingerprint> fingerprints;
  for (std::size_t i = 0; i < checkpoints.size(); ++i) {
    const std::string& text = all[i % size];
    const std::size_t begin = i / size * 2 * kDigits;
    fingerprints.push_back({text.substr(begin, kDigits), text.substr(begin + kDigits, kDigits)});
  }
  return fingerprints;
}

store::Provenance provenance_of_rank_0(const Communicator& world) {
  const std::string created = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  return {.catenary_version = version(),
          .libtorch_version = model::libtorch_version(),
          .host = world.broadcast(host_name()),
          .created = world.broadcast(created)};
}

}  // namespace catenary::cli
