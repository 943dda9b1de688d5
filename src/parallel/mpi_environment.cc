#include "catenary/parallel/mpi_environment.h"

#include <mpi.h>

#include <cstdlib>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "parallel/mpi_check.h"

namespace catenary::parallel {

MpiEnvironment::MpiEnvironment() {
  int provided = MPI_THREAD_SINGLE;
  mpi_check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided));
  if (provided < MPI_THREAD_MULTIPLE) {
    MPI_Finalize();
    throw CommError(
        "this MPI does not grant MPI_THREAD_MULTIPLE, which the sweep needs; use an MPI built with thread support");
  }
}

MpiEnvironment::~MpiEnvironment() {
  if (MPI_Finalize() != MPI_SUCCESS) log::warning("MPI_Finalize failed");
}

void MpiEnvironment::abort(int exit_code) {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::abort();  // MPI_Abort does not return; the compiler does not know it
}

}  // namespace catenary::parallel
