#include "catenary/parallel/communicator.h"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>

#include "catenary/base/error.h"
#include "parallel/communicator_state.h"
#include "parallel/mpi_check.h"

namespace catenary::parallel {

void Backoff::sleep() {
  std::this_thread::sleep_for(next_);
  next_ = std::min(next_ * 2, kLongest);
}

Communicator::Communicator(std::unique_ptr<State> state) : state_(std::move(state)) {}
Communicator::Communicator(Communicator&&) noexcept = default;
Communicator& Communicator::operator=(Communicator&&) noexcept = default;
Communicator::~Communicator() = default;

Communicator Communicator::world() {
  auto state = std::make_unique<State>();
  MPI_Comm comm = MPI_COMM_NULL;
  mpi_check(MPI_Comm_dup(MPI_COMM_WORLD, &comm));
  state->comm = CommHandle(comm);
  state->raw = comm;
  mpi_check(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN));
  mpi_check(MPI_Comm_rank(comm, &state->rank));
  mpi_check(MPI_Comm_size(comm, &state->size));
  return Communicator(std::move(state));
}

int Communicator::rank() const {
  return state_->rank;
}
int Communicator::size() const {
  return state_->size;
}
bool Communicator::failed_together() const {
  return state_->failed_together;
}

void Communicator::barrier() const {
  mpi_check(MPI_Barrier(state_->comm.get()));
}

std::string Communicator::broadcast(std::string_view text, int root) const {
  unsigned long long size = text.size();
  mpi_check(MPI_Bcast(&size, 1, MPI_UNSIGNED_LONG_LONG, root, state_->comm.get()));
  std::string result = rank() == root ? std::string(text) : std::string(size, '\0');
  mpi_check(MPI_Bcast(result.data(), to_count(size), MPI_CHAR, root, state_->comm.get()));
  return result;
}

std::vector<std::string> Communicator::all_gather(std::string_view text) const {
  const auto num_ranks = static_cast<std::size_t>(size());
  const int own = to_count(text.size());
  std::vector<int> lengths(num_ranks);
  mpi_check(MPI_Allgather(&own, 1, MPI_INT, lengths.data(), 1, MPI_INT, state_->comm.get()));
  to_count(std::accumulate(lengths.begin(), lengths.end(), std::size_t{0}));
  std::vector<int> begins(num_ranks);
  std::exclusive_scan(lengths.begin(), lengths.end(), begins.begin(), 0);
  std::string all(static_cast<std::size_t>(begins.back() + lengths.back()), '\0');
  mpi_check(MPI_Allgatherv(text.data(), own, MPI_CHAR, all.data(), lengths.data(), begins.data(), MPI_CHAR,
                           state_->comm.get()));
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < num_ranks; ++i) {
    texts.push_back(all.substr(static_cast<std::size_t>(begins[i]), static_cast<std::size_t>(lengths[i])));
  }
  return texts;
}

long long Communicator::sum(long long value) const {
  long long total = 0;
  mpi_check(MPI_Allreduce(&value, &total, 1, MPI_LONG_LONG, MPI_SUM, state_->comm.get()));
  return total;
}

void Communicator::send(int destination, int tag, std::span<const std::byte> bytes) const {
  mpi_check(MPI_Send(bytes.data(), to_count(bytes.size()), MPI_BYTE, destination, tag, state_->comm.get()));
}

std::optional<Message> Communicator::try_receive(int source, int tag) const {
  int found = 0;
  MPI_Message message = MPI_MESSAGE_NULL;
  MPI_Status status;
  mpi_check(MPI_Improbe(source, tag, state_->comm.get(), &found, &message, &status));
  if (found == 0) return std::nullopt;
  int size = 0;
  mpi_check(MPI_Get_count(&status, MPI_BYTE, &size));
  Message received{status.MPI_SOURCE, std::vector<std::byte>(static_cast<std::size_t>(size))};
  mpi_check(MPI_Mrecv(received.bytes.data(), size, MPI_BYTE, &message, &status));
  return received;
}

Message Communicator::receive(int source, int tag) const {
  // A blocking MPI_Recv spins on a core that a scorer could use, so look and sleep.
  Backoff backoff;
  while (true) {
    if (auto message = try_receive(source, tag)) return std::move(*message);
    backoff.sleep();
  }
}

Message Communicator::receive_any(int tag) const {
  return receive(MPI_ANY_SOURCE, tag);
}

namespace detail {
namespace {

bool is_wrong_input(const std::exception_ptr& error) {
  if (!error) return false;
  try {
    std::rethrow_exception(error);
  } catch (const SpecError&) {
    return true;
  } catch (const DataError&) {
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace

void settle(const Communicator& communicator, std::exception_ptr own) {
  const std::vector<std::string> problems = communicator.all_gather(message_of(own));
  const auto first =
      std::find_if(problems.begin(), problems.end(), [](const std::string& text) { return !text.empty(); });
  if (first == problems.end()) return;
  communicator.state_->failed_together = true;
  const std::vector<std::string> inputs = communicator.all_gather(is_wrong_input(own) ? "input" : "");
  if (own) std::rethrow_exception(own);
  const auto rank = first - problems.begin();
  const std::string text = fmt::format("rank {}: {}", rank, *first);
  if (!inputs[static_cast<std::size_t>(rank)].empty()) throw SpecError(text);
  throw CommError(text);
}

}  // namespace detail
}  // namespace catenary::parallel
