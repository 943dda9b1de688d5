#pragma once

#include "catenary/parallel/communicator.h"

namespace catenary::cli {

inline constexpr int kMostThreads = 1024;

/// Threads for this rank: `requested` if above 0, else OMP_NUM_THREADS, else its share of the cores that it may run on:
/// ranks of a host with the same affinity mask divide that mask's cores. Collective if there is a communicator; without
/// one this process is alone.
int threads_per_rank(int requested, const parallel::Communicator* communicator);

}  // namespace catenary::cli
