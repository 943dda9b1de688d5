#include "cli/run/rank_device.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/model/device.h"
#include "cli/environment.h"
#include "cli/gpu_of_rank.h"
#include "cli/run/host.h"

namespace catenary::cli {
namespace {

// A sweep that computes on processors because its GPUs are hidden wastes them.
void refuse_hidden_gpus() {
  const std::string_view given = environment("SLURM_STEP_GPUS");
  if (given.empty()) return;
  throw SpecError(
      fmt::format("--device auto: Slurm gives this step the GPUs {} of its node, and none can be used: this build has "
                  "no CUDA, or the driver does not answer, or CUDA_VISIBLE_DEVICES (\"{}\") hides them; `catenary "
                  "doctor` tells more. Use --device cpu if processors are meant",
                  given, environment("CUDA_VISIBLE_DEVICES")));
}

}  // namespace

at::Device device_of_rank(std::string_view word, const parallel::Communicator& world) {
  const auto gpus = word == "cpu" ? std::vector<std::string>() : model::visible_gpus();
  // A line with the host, then one for each GPU.
  const auto all = world.all_gather(fmt::format("{}\n{}", host_name(), fmt::join(gpus, "\n")));
  if (gpus.empty()) {
    if (word == "auto") refuse_hidden_gpus();
    return model::choose_device(word, 0);
  }
  std::vector<std::vector<std::string>> visible;  // by rank of this host
  std::size_t own = 0;
  std::set<std::string> different;
  for (int rank = 0; rank < world.size(); ++rank) {
    std::istringstream lines(all[static_cast<std::size_t>(rank)]);
    std::string line;
    std::getline(lines, line);
    if (line != host_name()) continue;
    if (rank == world.rank()) own = visible.size();
    visible.emplace_back();
    while (std::getline(lines, line)) visible.back().push_back(line);
    different.insert(visible.back().begin(), visible.back().end());
  }
  const auto chosen = gpu_of_each_rank(host_name(), visible);
  if (own == 0 && different.size() > visible.size()) {
    log::warning(fmt::format("{}: {} of {} GPUs have no rank and stay idle", host_name(),
                             different.size() - visible.size(), different.size()));
  }
  return model::choose_device(word, chosen[own]);
}

}  // namespace catenary::cli
