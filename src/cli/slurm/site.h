#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace catenary::cli {

/// What a cluster's jobs need, from the site file (docs/slurm.md has an example); all of it may be absent.
struct Site {
  std::filesystem::path path;  // of the file; empty where there is none
  std::string partition;
  std::string account;
  std::string time;                   // the longest job, as Slurm writes it: 12:00:00, 2-00:00:00, minutes
  std::vector<std::string> launcher;  // srun or mpirun with its options
  std::vector<std::string> modules;   // to be loaded, in this order
  std::map<std::string, std::string> environment;
  std::vector<std::string> sbatch;  // further options, such as --qos=long
  bool requeue = true;              // jobs may go back into the queue
  // Of a node; default: what sinfo says of the partition.
  std::optional<int> cpus_per_node, gpus_per_node;
  std::optional<std::int64_t> mib_per_node;
  std::optional<int> max_nodes;
  std::optional<double> flops_per_rank;  // a second, reached in scoring
};

/// Reads CATENARY_SITE, or the first that exists of site.json in $XDG_CONFIG_HOME/catenary (~/.config/catenary) and
/// /etc/catenary. Without any, an empty Site. Throws SpecError that lists every problem of the file.
Site read_site();

}  // namespace catenary::cli
