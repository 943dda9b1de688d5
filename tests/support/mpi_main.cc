// main() of the tests that run under mpirun: MPI for the whole program; only rank 0 reports, but a failure on any rank
// fails all.
#include <gtest/gtest.h>

#include "catenary/parallel/communicator.h"
#include "catenary/parallel/mpi_environment.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const catenary::parallel::MpiEnvironment mpi;
  const auto world = catenary::parallel::Communicator::world();
  if (world.rank() != 0) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    testing::TestEventListener* printer = listeners.Release(listeners.default_result_printer());
    struct FailuresOnly : testing::EmptyTestEventListener {
      testing::TestEventListener* printer;
      void OnTestPartResult(const testing::TestPartResult& result) override {
        if (result.failed()) printer->OnTestPartResult(result);
      }
    };
    auto* failures = new FailuresOnly;
    failures->printer = printer;
    listeners.Append(failures);
  }
  return world.sum(RUN_ALL_TESTS()) == 0 ? 0 : 1;
}
