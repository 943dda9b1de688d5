#pragma once

#include <string>
#include <vector>

namespace catenary::cli {

/// Which of the GPUs that it sees each rank of a host takes, so that each has one of its own: the first that no rank
/// before it has taken. Ranks may all see the same GPUs, or each its own (srun --gpus-per-task).
///   visible   by rank: names of the GPUs that it sees, the same for the same GPU on all ranks
/// Returns positions in those lists. Throws SpecError that tells every rank without a GPU of its own.
std::vector<int> gpu_of_each_rank(const std::string& host, const std::vector<std::vector<std::string>>& visible);

}  // namespace catenary::cli
