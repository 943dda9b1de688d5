#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/slurm/site.h"
#include "cli/study.h"

namespace catenary::cli {

/// What a study asks of a machine.
struct Work {
  double flops = 0;
  std::int64_t largest_model_bytes = 0;  // of weights, in the dtype that it is computed in
  std::int64_t total_model_bytes = 0;
};

/// Tokens are counted, each distinct prefix of a unit once, as `catenary plan` counts them.
Work work_of(const Study& study);

/// A partition's nodes.
struct Partition {
  int num_nodes = 1;
  int cpus_per_node = 1;
  int gpus_per_node = 0;
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

struct JobSize {
  int num_nodes = 1;
  int ranks_per_node = 1;
  int cpus_per_rank = 1;
  int gpus_per_node = 0;
  std::int64_t mib_per_node = 0;  // 0: not asked for
  std::int64_t limit_seconds = 0;
  double predicted_seconds = 0;
  int num_jobs = 1;  // that resume one another, if none may go back into the queue
};

/// A rank for each GPU; without GPUs a rank for each 8 cores, or as many as the threads given allow. Without a number
/// of nodes: the fewest, doubled from 1, that finish within half an hour or, if the partition is too small for that,
/// all. Twice the predicted time is asked for, and ten minutes more.
/// Throws SpecError for more than the partition has.
JobSize size_job(const Work& work, const Partition& partition, const Site& site, const Wishes& wishes);

}  // namespace catenary::cli
