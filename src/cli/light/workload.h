#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "catenary/scheduler/cost.h"
#include "catenary/scheduler/policy.h"
#include "catenary/spec/sweep_spec.h"

namespace catenary::cli {

/// A sweep in numbers, for the simulator: what it costs, without models or tasks.
struct Workload {
  std::string name;
  spec::DType dtype = spec::DType::kBFloat16;
  std::vector<std::string> model_names;
  std::vector<scheduler::ModelCost> models;
  std::vector<scheduler::PendingUnit> units;  // cost in FLOPs
};

/// Whether a file is a workload: it has "shapes" where a sweep spec has "models".
bool is_workload(const std::filesystem::path& path);

/// Reads a workload (docs/scheduler.md). Throws SpecError that lists every problem with file, JSON pointer and what was
/// expected.
Workload read_workload(const std::filesystem::path& path);

}  // namespace catenary::cli
