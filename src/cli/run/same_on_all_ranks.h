#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "catenary/cli/args.h"
#include "catenary/parallel/communicator.h"
#include "catenary/store/schema.h"
#include "cli/study.h"

namespace catenary::cli {

/// What all ranks of a sweep must have alike before they share a store. All of it is collective.

struct Compute {
  at::Device device;
  store::Numerics numerics;
};

/// Chooses this rank's device and sets its threads. Throws SpecError where a rank reads other files than rank 0, from a
/// folder of the same name on another host: it would lay out another store; and where a rank would compute with other
/// numerics than rank 0: stored values must not depend on who computed them.
Compute set_up(const parallel::Communicator& world, const Study& study, const ComputeArgs& args);

/// Each rank reads its part of the ladder; all get all. Nothing if somebody was asked to stop meanwhile.
std::optional<std::vector<ModelFingerprint>> fingerprint_together(const parallel::Communicator& world,
                                                                  const std::vector<weights::Checkpoint>& checkpoints);

store::Provenance provenance_of_rank_0(const parallel::Communicator& world);

}  // namespace catenary::cli
