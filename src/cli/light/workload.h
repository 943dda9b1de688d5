#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "catenary/scheduler/cost.h"
#include "catenary/scheduler/policy.h"
#include "catenary/spec/sweep_spec.h"
#include "catenary/weights/model_config.h"

namespace catenary::cli {

/// A sweep in numbers, for the simulator: what it costs, without models or tasks.
struct Workload {
  std::string name;
  spec::DType dtype = spec::DType::kBFloat16;
  std::vector<std::string> model_names;
  std::vector<scheduler::ModelCost> models;
  std::vector<scheduler::PendingUnit> units;  // cost in FLOPs
};

/// The architecture of one entry of "shapes", as far as costs depend on it.
struct Shape {
  std::string name;
  weights::ModelConfig config;
};

/// Whether a file is a workload: it has "shapes" where a sweep spec has "models".
bool is_workload(const std::filesystem::path& path);

/// Reads a workload (docs/scheduler.md). Throws SpecError that lists every problem with file, JSON pointer and what was
/// expected.
std::vector<Shape> read_shapes(const std::filesystem::path& path);
Workload read_workload(const std::filesystem::path& path);

}  // namespace catenary::cli
