#include "cli/gpu_of_rank.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "catenary/base/error.h"

namespace catenary::cli {

std::vector<int> gpu_of_each_rank(const std::string& host, const std::vector<std::vector<std::string>>& visible) {
  std::set<std::string> taken;
  std::vector<int> chosen;
  Problems problems;
  for (std::size_t rank = 0; rank < visible.size(); ++rank) {
    const auto& gpus = visible[rank];
    const auto own = std::ranges::find_if(gpus, [&](const std::string& gpu) { return taken.insert(gpu).second; });
    chosen.push_back(static_cast<int>(own - gpus.begin()));
    if (own != gpus.end()) continue;
    problems.add(fmt::format(
        "{}: rank {} of {} there needs a GPU of its own, and {}; start as many ranks a node as it has GPUs, or use "
        "--device cpu",
        host, rank, visible.size(),
        gpus.empty() ? "sees none" : fmt::format("the {} that it sees are taken by ranks before it", gpus.size())));
  }
  problems.throw_if_any<SpecError>();
  return chosen;
}

}  // namespace catenary::cli
