#include "cli/run/host.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace catenary::cli {

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

int num_ranks_at(const std::string& place, const parallel::Communicator* communicator) {
  if (communicator == nullptr) return 1;
  const auto places = communicator->all_gather(place);
  return static_cast<int>(std::ranges::count(places, place));
}

}  // namespace catenary::cli
