#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "catenary/parallel/communicator.h"

namespace catenary::parallel {

/// Numbers that lie one behind the other in the memory of the group's devices.
struct Elements {
  enum class Type { kFloat32, kFloat16, kBFloat16 };
  void* data = nullptr;
  std::size_t count = 0;
  Type type = Type::kFloat32;
  void* stream = nullptr;  // the CUDA stream that makes and uses them
};

enum class Reduction { kSum, kMax };

/// The ranks that hold one model together. All have the same calls in the same order. If one fails, all fail: whatever
/// is collective throws CommError once a rank of the group has given up, within `agree`, where it learns why; after
/// that the group is as good as new.
class TensorParallelGroup {
 public:
  virtual ~TensorParallelGroup() = default;
  virtual int rank() const = 0;  // within the group
  virtual int size() const = 0;

  /// Collective, among hosts: everybody's text, by rank.
  virtual std::vector<std::string> all_gather(const std::string& text) = 0;

  /// Collective. Every rank's elements become the reduction over ranks. The same bits on all of them, and on repeat.
  virtual void all_reduce(const Elements& elements, Reduction reduction) = 0;
  /// The same in two steps, between which the elements must not be touched. Several may be on their way; they end in
  /// the order in which they began.
  virtual void begin_all_reduce(const Elements& elements, Reduction reduction) { all_reduce(elements, reduction); }
  virtual void end_all_reduce() {}
  /// Whether it is worth computing between the two.
  virtual bool is_asynchronous() const { return false; }

 private:
  friend void agree(TensorParallelGroup& group, const std::function<void()>& act);
  /// Collective, the end of agree(): throws on all ranks if one of them brings an exception.
  virtual void settle(std::exception_ptr own) = 0;
};

/// Collective. Runs `act`, which may call the group, on all its ranks. If it threw on one, every rank throws: the one
/// at fault its own exception, the others a CommError with its message; ranks that wait for it in a collective call
/// learn of it there. So one rank's exception is never another's hang.
void agree(TensorParallelGroup& group, const std::function<void()>& act);

/// A rank by itself: nothing to do.
TensorParallelGroup& single_rank();

/// Ranks [first_rank, first_rank + num_ranks) of a communicator, of which this is one, on the CPU. Independent. Only
/// float32. Nobody else may send messages with this communicator; groups may share it that have no rank in common, or
/// of which one ends before the other begins. It must outlive the group.
std::unique_ptr<TensorParallelGroup> make_mpi_group(const Communicator& communicator, int first_rank, int num_ranks);

/// Whether this build has NCCL, which groups of GPUs need.
bool has_nccl();

/// The same with GPUs, the one that is current in the calling thread, through NCCL; float16 and bfloat16, too. Ranks
/// tell one another of failures through the communicator. Throws SpecError without NCCL.
std::unique_ptr<TensorParallelGroup> make_nccl_group(const Communicator& communicator, int first_rank, int num_ranks);

}  // namespace catenary::parallel
