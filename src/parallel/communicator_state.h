#pragma once

#include <mpi.h>

#include "catenary/base/log.h"
#include "catenary/base/unique_handle.h"
#include "catenary/parallel/communicator.h"

namespace catenary::parallel {

struct CommTraits {
  using Handle = MPI_Comm;
  static inline const MPI_Comm kInvalid = MPI_COMM_NULL;
  static void close(MPI_Comm comm) noexcept {
    if (MPI_Comm_free(&comm) != MPI_SUCCESS) log::warning("MPI_Comm_free failed");
  }
};
using CommHandle = UniqueHandle<CommTraits>;

struct Communicator::State {
  CommHandle comm;
  MPI_Comm raw = MPI_COMM_NULL;  // what `comm` owns
  int rank = 0;
  int size = 1;
  bool failed_together = false;
};

}  // namespace catenary::parallel
