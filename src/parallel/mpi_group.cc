// Ranks of a group send one another messages, and each looks for those of all others, rather than wait in MPI's
// collective calls: there a rank could not be told that another one gave up. Messages of two ranks stay in order, so a
// last one with its own tag tells the receiver that nothing more of this attempt follows.
#include "parallel/mpi_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "catenary/base/check.h"
#include "parallel/communicator_state.h"
#include "parallel/mpi_check.h"

namespace catenary::parallel {
namespace {

constexpr int kDataTag = 1, kTextTag = 2, kLastTag = 3, kUnexpected = -1;

// A rank that waits within a layer waits for microseconds: it looks again and again, and lets others have the core. If
// it takes longer, the other rank is still loading, say.
class Waiting {
 public:
  void pause() {
    if (std::chrono::steady_clock::now() - since_ < std::chrono::milliseconds(20)) {
      std::this_thread::yield();
    } else {
      backoff_.sleep();
    }
  }

 private:
  std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
  Backoff backoff_;
};

// "" where another rank is at fault.
std::string own_problem_of(const std::exception_ptr& exception) {
  if (!exception) return "";
  try {
    std::rethrow_exception(exception);
  } catch (const PeerFailed&) {
    return "";
  } catch (...) {
    return message_of(exception);
  }
}

}  // namespace

MpiGroup::MpiGroup(const Communicator& communicator, int first_rank, int num_ranks)
    : comm_(communicator.state_->raw),
      first_rank_(first_rank),
      rank_(communicator.rank() - first_rank),
      size_(num_ranks),
      has_ended_(static_cast<std::size_t>(num_ranks)) {
  check(rank_ >= 0 && rank_ < size_, "a rank makes the groups that it belongs to");
  for (int peer = 0; peer < size_; ++peer) {
    if (peer != rank_) peers_.push_back(peer);
  }
}

// The tag of a message that is there, once it was received; nothing if there is none.
std::optional<int> MpiGroup::try_receive(int peer, int expected_tag, const Place& place) const {
  int found = 0, size = 0;
  MPI_Message message = MPI_MESSAGE_NULL;
  MPI_Status status;
  mpi_check(MPI_Improbe(world_rank(peer), MPI_ANY_TAG, comm_, &found, &message, &status));
  if (found == 0) return std::nullopt;
  mpi_check(MPI_Get_count(&status, MPI_BYTE, &size));
  std::vector<std::byte> unwanted;
  std::span<std::byte> to;
  if (status.MPI_TAG == expected_tag) to = place(peer, static_cast<std::size_t>(size));
  const bool fits = status.MPI_TAG == expected_tag && std::cmp_equal(to.size(), size);
  if (!fits) {
    unwanted.resize(static_cast<std::size_t>(size));
    to = unwanted;
  }
  mpi_check(MPI_Mrecv(to.data(), size, MPI_BYTE, &message, &status));
  return fits || status.MPI_TAG == kLastTag ? status.MPI_TAG : kUnexpected;
}

void MpiGroup::send(int peer, int tag, std::span<const std::byte> bytes) {
  mpi_check(
      MPI_Isend(bytes.data(), to_count(bytes.size()), MPI_BYTE, world_rank(peer), tag, comm_, &sends_.emplace_back()));
}

void MpiGroup::finish_sends() {
  mpi_check(MPI_Waitall(to_count(sends_.size()), sends_.data(), MPI_STATUSES_IGNORE));
  sends_.clear();
}

void MpiGroup::exchange(int tag, const std::function<std::span<const std::byte>(int)>& to_send, const Place& place) {
  for (const int peer : peers_) send(peer, tag, to_send(peer));
  std::vector<int> awaited = peers_;
  Waiting waiting;
  while (!awaited.empty()) {
    const std::size_t num_before = awaited.size();
    std::erase_if(awaited, [&](int peer) {
      const auto received = try_receive(peer, tag, place);
      if (received == kLastTag) {
        has_ended_[static_cast<std::size_t>(peer)] = true;
        give_up();
        throw PeerFailed();
      }
      if (received == kUnexpected) {
        give_up();
        throw CommError(
            fmt::format("ranks {} and {} of a group are not at the same point", world_rank(rank_), world_rank(peer)));
      }
      return received.has_value();
    });
    if (awaited.size() == num_before) waiting.pause();
  }
  finish_sends();
}

// What others sent before they learn of it is received and thrown away: so their sends end, and the next attempt finds
// nothing of this one.
void MpiGroup::give_up() {
  if (gave_up_.exchange(true)) return;
  for (const int peer : peers_) send(peer, kLastTag, {});
  Waiting waiting;
  for (const int peer : peers_) {
    while (!has_ended_[static_cast<std::size_t>(peer)]) {
      const auto tag = try_receive(peer, kLastTag, [](int, std::size_t) { return std::span<std::byte>(); });
      if (tag == kLastTag) has_ended_[static_cast<std::size_t>(peer)] = true;
      if (!tag) waiting.pause();
    }
  }
  finish_sends();
}

bool MpiGroup::peer_gave_up() const {
  return !gave_up_ && std::ranges::any_of(peers_, [&](int peer) {
    int found = 0;
    mpi_check(MPI_Iprobe(world_rank(peer), kLastTag, comm_, &found, MPI_STATUS_IGNORE));
    return found != 0;
  });
}

std::vector<std::string> MpiGroup::all_gather(const std::string& text) {
  std::vector<std::string> texts(static_cast<std::size_t>(size_));
  texts[static_cast<std::size_t>(rank_)] = text;
  exchange(
      kTextTag, [&](int) { return std::as_bytes(std::span(text)); },
      [&](int peer, std::size_t size) {
        std::string& to = texts[static_cast<std::size_t>(peer)];
        to.resize(size);
        return std::as_writable_bytes(std::span(to));
      });
  return texts;
}

void MpiGroup::settle(std::exception_ptr own) {
  if (own) give_up();
  if (!gave_up_) {
    try {
      all_gather("");
      return;
    } catch (const CommError&) {
      own = std::current_exception();
    }
  }
  const std::string own_problem = own_problem_of(own);
  const std::vector<std::string> problems = all_gather(own_problem);
  gave_up_ = false;
  has_ended_.assign(has_ended_.size(), false);
  if (!own_problem.empty()) std::rethrow_exception(own);
  const auto first = std::ranges::find_if_not(problems, &std::string::empty);
  check(first != problems.end(), "a rank that gives up says why");
  throw CommError(fmt::format("rank {}: {}", world_rank(static_cast<int>(first - problems.begin())), *first));
}

// Each rank reduces its part of the elements, in the order of ranks, and sends it to all. So all have the same bits,
// and a rank sends and receives twice the elements, however many ranks there are.
void MpiGroup::all_reduce(const Elements& elements, Reduction reduction) {
  check(elements.type == Elements::Type::kFloat32, "on the CPU ranks reduce float32");
  if (gave_up_) throw PeerFailed();
  const auto size = static_cast<std::size_t>(size_);
  const std::span all(static_cast<float*>(elements.data), elements.count);
  const auto part_of = [&](int rank) {
    const std::size_t begin = all.size() * static_cast<std::size_t>(rank) / size;
    return all.subspan(begin, all.size() * static_cast<std::size_t>(rank + 1) / size - begin);
  };
  const std::span own = part_of(rank_);
  contributions_.resize(size * own.size());
  const auto contribution_of = [&](int rank) {
    return std::span(contributions_).subspan(static_cast<std::size_t>(rank) * own.size(), own.size());
  };
  std::ranges::copy(own, contribution_of(rank_).begin());
  exchange(
      kDataTag, [&](int peer) { return std::as_bytes(part_of(peer)); },
      [&](int peer, std::size_t) { return std::as_writable_bytes(contribution_of(peer)); });
  std::ranges::copy(contribution_of(0), own.begin());
  for (int rank = 1; rank < size_; ++rank) {
    const std::span other = contribution_of(rank);
    if (reduction == Reduction::kSum) {
      for (std::size_t i = 0; i < own.size(); ++i) own[i] += other[i];
    } else {
      for (std::size_t i = 0; i < own.size(); ++i) own[i] = std::max(own[i], other[i]);
    }
  }
  exchange(
      kDataTag, [&](int) { return std::as_bytes(own); },
      [&](int peer, std::size_t) { return std::as_writable_bytes(part_of(peer)); });
}

std::unique_ptr<TensorParallelGroup> make_mpi_group(const Communicator& communicator, int first_rank, int num_ranks) {
  return std::make_unique<MpiGroup>(communicator, first_rank, num_ranks);
}

}  // namespace catenary::parallel
