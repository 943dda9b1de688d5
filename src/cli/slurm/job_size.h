#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catenary/scheduler/policy.h"
#include "catenary/spec/sweep_spec.h"
#include "cli/slurm/site.h"
#include "cli/study.h"

namespace catenary::cli {

/// What a study asks of a machine.
struct Work {
  struct Model {
    std::int64_t bytes = 0;  // of weights, in the sweep's dtype
    int num_ranks = 1;       // that hold it together, as the spec says
  };
  spec::DType dtype = spec::DType::kFloat32;
  std::vector<Model> models;
  std::vector<scheduler::PendingUnit> units;  // costs are FLOPs
};

/// As `catenary plan` counts.
Work work_of(const Study& study);

/// A partition's nodes.
struct Partition {
  int num_nodes = 1;
  int cpus_per_node = 1;
  int sockets_per_node = 1;
  int gpus_per_node = 0;
  std::string gpu;  // what Slurm calls them; empty where it does not say
  std::int64_t mib_per_node = 0;
  std::int64_t limit_seconds = 0;  // 0: none
};

/// What sinfo says, with what the site file says instead. Throws SpecError where neither tells the number of CPUs.
Partition find_partition(const Site& site);

/// "90" (minutes), "1:30:00", "2-12:00:00", "UNLIMITED" (0) in seconds; nothing for other texts.
std::optional<std::int64_t> parse_slurm_time(const std::string& text);
std::string slurm_time(std::int64_t seconds);

/// What the user has decided; 0: nothing.
struct Wishes {
  int num_nodes = 0;
  int num_spare = 0;
  int ranks_per_node = 0;
  int threads_per_rank = 0;
  bool use_gpus = true;  // where there are any
  std::int64_t limit_seconds = 0;
};

/// What the simulator says of a number of nodes.
struct Prediction {
  int num_nodes = 1;
  double seconds = 0;
  double utilization = 0;  // of the ranks
};

struct JobSize {
  int num_nodes = 1;
  int ranks_per_node = 1;
  int cpus_per_rank = 1;
  int gpus_per_node = 0;
  std::int64_t mib_per_node = 0;  // 0: not asked for
  std::int64_t limit_seconds = 0;
  std::vector<Prediction> predictions;  // of all numbers of nodes that were looked at; the one taken is the last
  int num_jobs = 1;                     // that resume one another, if none may go back into the queue
};

/// A rank for each GPU; without GPUs a rank for each 8 cores of a socket, or as many as the threads given allow.
/// Without a number of nodes the simulator plays 1, 2, 4, … of them: the fewest that finish within half an hour, but no
/// more than shorten the sweep by a quarter at least, and than the partition has. Twice the predicted time is asked
/// for, and ten minutes more. Throws SpecError for more than the partition has, and for fewer ranks than a model needs.
JobSize size_job(const Work& work, const Partition& partition, const Site& site, const Wishes& wishes);

}  // namespace catenary::cli
