#pragma once

#include <optional>
#include <string>
#include <vector>

namespace catenary::cli {

/// The Slurm job that this process is the batch script of.
struct Allocation {
  std::string job_id;
  int ranks_per_node = 1;
  int cpus_per_rank = 1;
  int num_restarts = 0;  // how often Slurm has begun it anew

  /// From Slurm's variables; nothing outside a job. Throws SpecError for a variable that is not a number.
  static std::optional<Allocation> find();

  /// The nodes that the job has now and that Slurm thinks are well. Empty if Slurm does not answer.
  std::vector<std::string> healthy_nodes() const;

  /// Of these nodes, the ones on which a program can be started.
  std::vector<std::string> responding_nodes(const std::vector<std::string>& nodes) const;

  /// What Slurm calls the job's state: RUNNING, CANCELLED, …; empty if it does not answer.
  std::string state() const;

  /// Puts the job back into the queue; Slurm ends this process. False if Slurm refuses.
  bool requeue() const;
};

/// The command line that starts `command` once for each rank, on these nodes. `launcher` is srun or mpirun with the
/// options that the site needs. The ranks of a node get its cores in their order, as many CPUs each as Slurm gave them,
/// so that the first ranks share a socket with the first GPUs.
std::vector<std::string> launch_command(const Allocation& allocation, const std::vector<std::string>& launcher,
                                        const std::vector<std::string>& nodes, const std::vector<std::string>& command);

/// Which ranks ended a step, from what srun or mpirun says, line by line. One that dies takes the others along, and so
/// does Slurm when it ends the step; the first line tells.
class FirstDeath {
 public:
  void read(const std::string& line);
  /// Those that died of a signal; empty if the step ended otherwise.
  const std::vector<int>& ranks() const { return ranks_; }
  /// Where they were.
  const std::string& node() const { return node_; }
  /// A rank has died or failed, so the others wait for it in vain.
  bool has_happened() const { return has_happened_; }

 private:
  bool known_ = false;
  bool has_happened_ = false;
  std::vector<int> ranks_;
  std::string node_;
};

}  // namespace catenary::cli
