#pragma once

#include <mpi.h>

#include <source_location>

namespace catenary::parallel {

/// Throws CommError with MPI's own words, the place of the call and the world rank unless `status` is MPI_SUCCESS.
void mpi_check(int status, std::source_location where = std::source_location::current());

}  // namespace catenary::parallel
