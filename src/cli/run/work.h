#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "catenary/parallel/communicator.h"
#include "catenary/scheduler/sweep.h"
#include "catenary/store/writer.h"
#include "cli/study.h"

namespace catenary::cli {

/// How many ranks hold each model together: as the spec says, else as the store has it (`stored`, by model), for its
/// values are those of so many ranks, else the fewest GPUs that can. On the CPU, where ranks share the host's memory,
/// it is one, and on too few GPUs, too: it streams what does not fit. Throws SpecError that lists the models for which
/// spec or store ask for what this run does not have.
std::vector<int> tensor_parallel_sizes(const Study& study, const std::filesystem::path& store_path,
                                       const std::map<std::string, std::int32_t>& stored, at::Device device,
                                       std::int64_t memory_bytes, int num_ranks);

/// What is left to do, by which models and on which hosts. Costs are FLOPs, at a token for four bytes and as many
/// written as may be: the policy corrects them by what it measures. Collective.
scheduler::Work make_work(const parallel::Communicator& world, const Study& study, const store::Layout& layout,
                          const store::Writer& writer);

}  // namespace catenary::cli
