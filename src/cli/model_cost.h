#pragma once

#include "catenary/scheduler/cost.h"
#include "catenary/spec/sweep_spec.h"
#include "catenary/weights/model_config.h"

namespace catenary::cli {

/// A model as the scheduler's cost model sees it, computed in `dtype`: weights/cost.h in plain numbers.
scheduler::ModelCost cost_of(const weights::ModelConfig& config, spec::DType dtype);

}  // namespace catenary::cli
