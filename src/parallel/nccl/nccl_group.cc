// NCCL's kernels wait on the GPU for the other ranks, and the host, which waits for the GPU, could not be told that one
// of them failed. So a thread watches: for errors that NCCL meets later, for another rank's giving up (a message on the
// host, see mpi_group.h), and for a reduction that takes too long. Then it aborts NCCL's communicator, which ends the
// kernels; what they left is thrown away, for agree() throws on all ranks. The next reduction makes another one.
//
// NCCL has a stream of its own, so that the GPU computes while ranks exchange.
#include <cuda_runtime_api.h>
#include <fmt/format.h>
#include <nccl.h>

#include <chrono>
#include <cstring>
#include <deque>
#include <mutex>
#include <source_location>
#include <string>
#include <thread>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/base/unique_handle.h"
#include "parallel/mpi_group.h"

namespace catenary::parallel {
namespace {

using Clock = std::chrono::steady_clock;

// No reduction takes as long, not even with all that the GPU has to compute before.
constexpr std::chrono::minutes kLongestReduction{10};

void cuda_check(cudaError_t status, std::source_location where = std::source_location::current()) {
  if (status == cudaSuccess) return;
  throw CommError(fmt::format("CUDA: {} (in {})", cudaGetErrorString(status), where.function_name()));
}

void nccl_check(ncclResult_t status, std::source_location where = std::source_location::current()) {
  if (status == ncclSuccess || status == ncclInProgress) return;
  throw CommError(fmt::format("NCCL: {} (in {})", ncclGetErrorString(status), where.function_name()));
}

struct EventTraits {
  using Handle = cudaEvent_t;
  static constexpr cudaEvent_t kInvalid = nullptr;
  static void close(cudaEvent_t event) noexcept { cudaEventDestroy(event); }
};
using Event = UniqueHandle<EventTraits>;

struct StreamTraits {
  using Handle = cudaStream_t;
  static constexpr cudaStream_t kInvalid = nullptr;
  static void close(cudaStream_t stream) noexcept { cudaStreamDestroy(stream); }
};
using Stream = UniqueHandle<StreamTraits>;

Event record(cudaStream_t stream) {
  cudaEvent_t event = nullptr;
  cuda_check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  Event owned(event);
  cuda_check(cudaEventRecord(event, stream));
  return owned;
}

ncclDataType_t type_of(const Elements& elements) {
  switch (elements.type) {
    case Elements::Type::kFloat32:
      return ncclFloat32;
    case Elements::Type::kFloat16:
      return ncclFloat16;
    case Elements::Type::kBFloat16:
      return ncclBfloat16;
  }
  return ncclFloat32;
}

class NcclGroup : public TensorParallelGroup {
 public:
  NcclGroup(const Communicator& communicator, int first_rank, int num_ranks)
      : ranks_(communicator, first_rank, num_ranks) {
    cuda_check(cudaGetDevice(&device_));
    cudaStream_t stream = nullptr;
    cuda_check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    stream_ = Stream(stream);
    watcher_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
  }

  ~NcclGroup() override {
    watcher_.request_stop();
    watcher_.join();
    abort();
  }

  int rank() const override { return ranks_.rank(); }
  int size() const override { return ranks_.size(); }
  bool is_asynchronous() const override { return true; }
  std::vector<std::string> all_gather(const std::string& text) override { return ranks_.all_gather(text); }

  void all_reduce(const Elements& elements, Reduction reduction) override {
    begin_all_reduce(elements, reduction);
    cuda_check(cudaStreamWaitEvent(reductions_.back().waiting, reductions_.back().done.get()));
    reductions_.pop_back();  // the one that began last; others may be on their way
  }

  void begin_all_reduce(const Elements& elements, Reduction reduction) override {
    connect();
    const auto stream = static_cast<cudaStream_t>(elements.stream);
    const Event ready = record(stream);
    cuda_check(cudaStreamWaitEvent(stream_.get(), ready.get()));
    {
      const std::scoped_lock lock(mutex_);
      throw_if_failed();
      nccl_check(ncclAllReduce(elements.data, elements.data, elements.count, type_of(elements),
                               reduction == Reduction::kSum ? ncclSum : ncclMax, comm_, stream_.get()));
    }
    wait_for_nccl();
    reductions_.push_back({stream, record(stream_.get())});
    const std::scoped_lock lock(mutex_);
    newest_ = record(stream_.get());
    newest_since_ = Clock::now();
  }

  void end_all_reduce() override {
    cuda_check(cudaStreamWaitEvent(reductions_.front().waiting, reductions_.front().done.get()));
    reductions_.pop_front();
  }

 private:
  struct Reducing {
    cudaStream_t waiting;
    Event done;
  };

  void settle(std::exception_ptr own) override {
    if (!own) {
      const std::scoped_lock lock(mutex_);
      if (has_failed_) own = std::make_exception_ptr(CommError(problem_));
      if (has_failed_ && problem_.empty()) own = std::make_exception_ptr(PeerFailed());
    }
    if (own) abort();
    try {
      ranks_.settle(own);
    } catch (...) {
      abort();
      reductions_.clear();
      const std::scoped_lock lock(mutex_);
      has_failed_ = false;
      problem_.clear();
      throw;
    }
  }

  void abort() {
    const std::scoped_lock lock(mutex_);
    abort_locked();
  }
  void abort_locked() {
    newest_ = Event();
    if (comm_ == nullptr) return;
    if (const ncclResult_t status = ncclCommAbort(comm_); status != ncclSuccess) {
      log::warning(fmt::format("ncclCommAbort: {}", ncclGetErrorString(status)));
    }
    comm_ = nullptr;
  }

  // Collective, before the first reduction.
  void connect() {
    {
      const std::scoped_lock lock(mutex_);
      throw_if_failed();
      if (comm_ != nullptr) return;
    }
    ncclUniqueId id{};
    if (rank() == 0) nccl_check(ncclGetUniqueId(&id));
    const std::string from_first = ranks_.all_gather(std::string(id.internal, sizeof id.internal)).front();
    std::memcpy(id.internal, from_first.data(), sizeof id.internal);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;  // so that a rank whose peers failed is not caught in a call
    {
      const std::scoped_lock lock(mutex_);
      nccl_check(ncclCommInitRankConfig(&comm_, size(), id, rank(), &config));
    }
    wait_for_nccl();
  }

  // Until the last call is through.
  void wait_for_nccl() {
    for (const auto since = Clock::now();; std::this_thread::yield()) {
      const std::scoped_lock lock(mutex_);
      throw_if_failed();
      ncclResult_t state = ncclSuccess;
      nccl_check(ncclCommGetAsyncError(comm_, &state));
      nccl_check(state);
      if (state == ncclSuccess) return;
      if (Clock::now() - since > kLongestReduction) throw CommError("NCCL: the other ranks do not answer");
    }
  }

  void throw_if_failed() const {
    if (!has_failed_) return;
    if (problem_.empty()) throw PeerFailed();
    throw CommError(problem_);
  }

  void watch(const std::stop_token& stop) {
    cudaSetDevice(device_);
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      const std::scoped_lock lock(mutex_);
      if (comm_ == nullptr) continue;
      ncclResult_t state = ncclSuccess;
      if (ncclCommGetAsyncError(comm_, &state) != ncclSuccess || (state != ncclSuccess && state != ncclInProgress)) {
        fail(fmt::format("NCCL: {}, {}", ncclGetErrorString(state), ncclGetLastError(comm_)));
      } else if (ranks_.peer_gave_up()) {
        fail("");
      } else if (newest_.get() != nullptr && cudaEventQuery(newest_.get()) == cudaErrorNotReady &&
                 Clock::now() - newest_since_ > kLongestReduction) {
        fail(fmt::format("NCCL: a reduction over {} ranks has not ended for {} minutes", size(),
                         kLongestReduction.count()));
      }
    }
  }
  void fail(const std::string& problem) {
    has_failed_ = true;
    problem_ = problem;
    abort_locked();
  }

  MpiGroup ranks_;  // on the host
  int device_ = 0;
  Stream stream_;
  std::deque<Reducing> reductions_;  // on their way
  std::mutex mutex_;                 // of what follows
  ncclComm_t comm_ = nullptr;
  Event newest_;
  Clock::time_point newest_since_;
  bool has_failed_ = false;
  std::string problem_;  // empty: another rank's
  std::jthread watcher_;
};

}  // namespace

std::unique_ptr<TensorParallelGroup> make_nccl_group(const Communicator& communicator, int first_rank, int num_ranks) {
  return std::make_unique<NcclGroup>(communicator, first_rank, num_ranks);
}

}  // namespace catenary::parallel
