#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "catenary/parallel/communicator.h"

namespace catenary::cli {

/// Collective. The device that `word` (auto, cpu, cuda) means for this rank: the processor, or a GPU that no other rank
/// of its host has. Throws SpecError if there is none, also where Slurm gave this step GPUs and none can be used.
at::Device device_of_rank(std::string_view word, const parallel::Communicator& world);

}  // namespace catenary::cli
