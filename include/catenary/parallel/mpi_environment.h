#pragma once

namespace catenary::parallel {

/// Initialises MPI with MPI_THREAD_MULTIPLE and finalises it. One per process, alive for all of main; works without
/// mpirun too (a world of one). Throws CommError if MPI grants a lower thread level.
class MpiEnvironment {
 public:
  MpiEnvironment();
  ~MpiEnvironment();
  MpiEnvironment(const MpiEnvironment&) = delete;
  MpiEnvironment& operator=(const MpiEnvironment&) = delete;

  /// Ends all ranks at once: for an error that the other ranks cannot learn of in any other way. Does not return.
  [[noreturn]] static void abort(int exit_code);
};

}  // namespace catenary::parallel
