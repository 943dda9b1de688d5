#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace catenary::parallel {

class Communicator;

namespace detail {
/// Collective. Rethrows `own` if there is one, else throws CommError if another rank reports a failure.
void settle(const Communicator& communicator, std::exception_ptr own);
}  // namespace detail

/// A message that arrived.
struct Message {
  int source = 0;
  std::vector<std::byte> bytes;
};

/// Between looks for something that may take microseconds or minutes: sleeps longer each time, a millisecond at most.
class Backoff {
 public:
  void sleep();
  void reset() { next_ = kShortest; }

 private:
  static constexpr std::chrono::microseconds kShortest{10}, kLongest{1000};
  std::chrono::microseconds next_ = kShortest;
};

/// The ranks of a sweep. Move-only; owns a duplicate of MPI_COMM_WORLD, so messages never mix with other users of MPI.
/// All calls throw CommError naming the operation and the rank. Thread-safe as far as MPI_THREAD_MULTIPLE is:
/// collective calls from one thread at a time.
class Communicator {
 public:
  /// Collective over all ranks. Needs a living MpiEnvironment.
  static Communicator world();
  Communicator(Communicator&&) noexcept;
  Communicator& operator=(Communicator&&) noexcept;
  ~Communicator();

  int rank() const;
  int size() const;
  /// True once `agree` has thrown on all ranks: then all know of the failure, and nobody waits for anybody.
  bool failed_together() const;

  /// Collective.
  void barrier() const;
  /// Collective: every rank gets the root's text.
  std::string broadcast(std::string_view text, int root = 0) const;
  /// Collective: everybody's text, by rank.
  std::vector<std::string> all_gather(std::string_view text) const;
  /// Collective: the sum over ranks.
  long long sum(long long value) const;

  /// Independent. Blocks until the bytes are on their way.
  void send(int destination, int tag, std::span<const std::byte> bytes) const;
  /// Independent. A message if one is there.
  std::optional<Message> try_receive(int source, int tag) const;
  /// Independent. Sleeps between looks rather than burning a core; the longest sleep is a millisecond.
  Message receive(int source, int tag) const;
  Message receive_any(int tag) const;

 private:
  friend void detail::settle(const Communicator& communicator, std::exception_ptr own);
  friend class MpiGroup;
  struct State;
  explicit Communicator(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Collective. Runs `act` on this rank and lets the ranks agree that all went well. If one threw, every rank throws:
/// the one at fault its own exception, the others a CommError with the first failing rank's message, or a SpecError if
/// that rank's is one or a DataError, so that a program ends with one exit code. To be used around anything that can
/// fail on one rank before a collective call, so that one rank's exception is never another's hang.
template <class Act>
void agree(const Communicator& communicator, Act act);

template <class Act>
void agree(const Communicator& communicator, Act act) {
  std::exception_ptr own;
  try {
    act();
  } catch (...) {
    own = std::current_exception();
  }
  detail::settle(communicator, own);
}

}  // namespace catenary::parallel
