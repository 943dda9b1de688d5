#include "parallel/mpi_check.h"

#include <fmt/format.h>

#include <climits>

#include "catenary/base/check.h"
#include "catenary/base/error.h"

namespace catenary::parallel {

void mpi_check(int status, std::source_location where) {
  if (status == MPI_SUCCESS) return;
  std::string text(MPI_MAX_ERROR_STRING, '\0');
  int length = 0;
  MPI_Error_string(status, text.data(), &length);
  text.resize(static_cast<std::size_t>(length));
  int rank = -1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  throw CommError(fmt::format("MPI on rank {}: {} (in {})", rank, text, where.function_name()));
}

int to_count(std::size_t size) {
  check(size <= INT_MAX, "a message is larger than MPI can count");
  return static_cast<int>(size);
}

std::string message_of(const std::exception_ptr& exception) {
  if (!exception) return "";
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& e) {
    return e.what()[0] == '\0' ? "error without a message" : e.what();
  } catch (...) {
    return "unknown error";
  }
}

}  // namespace catenary::parallel
