#include "cli/slurm/allocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace catenary::cli {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const Allocation kAllocation{.job_id = "7", .ranks_per_node = 2, .cpus_per_rank = 3, .num_restarts = 0};

FirstDeath death_told_by(const std::vector<std::string>& lines) {
  FirstDeath death;
  for (const std::string& line : lines) death.read(line);
  return death;
}

TEST(Allocation, srun_starts_the_ranks_of_a_node_on_its_cores_in_order) {
  EXPECT_THAT(launch_command(kAllocation, {"srun", "--mpi=pmix"}, {"n1", "n3"}, {"catenary", "run"}),
              ElementsAre("srun", "--nodes=2", "--ntasks=4", "--ntasks-per-node=2", "--cpus-per-task=3",
                          "--nodelist=n1,n3", "--no-kill=off", "--kill-on-bad-exit=0", "--unbuffered",
                          "--cpu-bind=cores", "--distribution=block:block", "--mpi=pmix", "catenary", "run"));
}

TEST(Allocation, mpirun_does_the_same) {
  EXPECT_THAT(launch_command(kAllocation, {"mpirun", "--bind-to", "none"}, {"n1", "n3"}, {"catenary", "run"}),
              ElementsAre("mpirun", "-n", "4", "--host", "n1:2,n3:2", "--use-hwthread-cpus", "--map-by",
                          "ppr:2:node:PE=3", "--bind-to", "none", "catenary", "run"));
}

// Lines as Slurm 22.05 and Open MPI 4.1 write them.
TEST(FirstDeath, a_killed_rank_is_told_apart_from_those_that_it_takes_along) {
  const FirstDeath death =
      death_told_by({"srun: error: n3: task 2: Killed", "srun: forcing job termination",
                     "slurmstepd-n1: error: *** STEP 20.0 ON n1 CANCELLED AT 2026-11-22T15:49:43 ***",
                     "srun: error: n2: task 1: Killed"});
  EXPECT_TRUE(death.has_happened());
  EXPECT_THAT(death.ranks(), ElementsAre(2));
  EXPECT_EQ(death.node(), "n3");
}

TEST(FirstDeath, ranks_that_died_at_once_are_all_told) {
  EXPECT_THAT(death_told_by({"srun: error: n3: tasks 1,4-6: Segmentation fault"}).ranks(), ElementsAre(1, 4, 5, 6));
}

TEST(FirstDeath, mpirun_tells_the_rank_in_its_own_words) {
  const FirstDeath death =
      death_told_by({"mpirun noticed that process rank 1 with PID 4242 on node n2 exited on signal 9 (Killed)."});
  EXPECT_THAT(death.ranks(), ElementsAre(1));
  EXPECT_EQ(death.node(), "n2");
}

TEST(FirstDeath, ranks_that_slurm_ends_with_their_node_are_not_blamed) {
  const FirstDeath death = death_told_by({"srun: error: Node failure on n2", "srun: error: n1: task 0: Killed"});
  EXPECT_TRUE(death.has_happened());
  EXPECT_THAT(death.ranks(), IsEmpty());
}

TEST(FirstDeath, a_rank_that_stops_early_or_ends_with_failures_has_not_died) {
  EXPECT_FALSE(death_told_by({"srun: error: n1: tasks 0-3: Exited with exit code 75"}).has_happened());
  EXPECT_FALSE(death_told_by({"srun: error: n1: task 0: Exited with exit code 3"}).has_happened());
  EXPECT_TRUE(death_told_by({"srun: error: n1: task 0: Exited with exit code 1"}).has_happened());
}

}  // namespace
}  // namespace catenary::cli
