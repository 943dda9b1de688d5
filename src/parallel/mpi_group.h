#pragma once

#include <mpi.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/parallel/tensor_parallel_group.h"

namespace catenary::parallel {

/// Another rank of the group gave up; why, settle() says.
class PeerFailed : public CommError {
 public:
  PeerFailed() : CommError("another rank of the group failed") {}
};

/// Messages among the ranks of a group, and all-reduce made of them.
class MpiGroup : public TensorParallelGroup {
 public:
  MpiGroup(const Communicator& communicator, int first_rank, int num_ranks);

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::vector<std::string> all_gather(const std::string& text) override;
  void all_reduce(const Elements& elements, Reduction reduction) override;
  void settle(std::exception_ptr own) override;

  /// Collective. This rank gives up: the others are told, and what they sent is thrown away. Nothing if it has done so
  /// since settle().
  void give_up();
  /// Independent, from any thread. Whether another rank gave up and this one did not yet.
  bool peer_gave_up() const;

 private:
  /// Where so many bytes from a rank are to go; not of that size if they are not expected.
  using Place = std::function<std::span<std::byte>(int peer, std::size_t size)>;

  /// Collective: bytes to each other rank, and from each.
  void exchange(int tag, const std::function<std::span<const std::byte>(int peer)>& to_send, const Place& place);
  std::optional<int> try_receive(int peer, int expected_tag, const Place& place) const;
  void send(int peer, int tag, std::span<const std::byte> bytes);
  void finish_sends();
  int world_rank(int rank) const { return first_rank_ + rank; }

  MPI_Comm comm_;
  int first_rank_, rank_, size_;
  std::vector<int> peers_;            // the other ranks
  std::vector<MPI_Request> sends_;    // on their way
  std::vector<float> contributions_;  // of all ranks to what this one reduces
  std::atomic<bool> gave_up_ = false;
  std::vector<bool> has_ended_;  // by rank: its last message was received
};

}  // namespace catenary::parallel
