#pragma once

#include <mpi.h>

#include <cstddef>
#include <exception>
#include <source_location>
#include <string>

namespace catenary::parallel {

/// Throws CommError with MPI's own words, the place of the call and the world rank unless `status` is MPI_SUCCESS.
void mpi_check(int status, std::source_location where = std::source_location::current());

/// A size as MPI counts; more than it can count is a mistake of the caller.
int to_count(std::size_t size);

/// What an exception says, never nothing; "" for none.
std::string message_of(const std::exception_ptr& exception);

}  // namespace catenary::parallel
