#pragma once

#include <ATen/Parallel.h>
#include <c10/core/Event.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <omp.h>

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <utility>

namespace catenary::model {

/// Loads one thing while the device computes with the one before. On a GPU copies have a stream of their own; two
/// things are in its memory at a time.
class Prefetcher {
 public:
  explicit Prefetcher(at::Device device) : device_(device) {
    if (!device.is_cpu()) copies_ = guard_impl().getStreamFromGlobalPool(device);
  }

  /// Calls f(load(i), i) for i = 0, …, count - 1; load(i + 1) runs in another thread meanwhile.
  template <typename Load, typename Function>
  void run(std::int64_t count, const Load& load, const Function& f) {
    auto next = start(load, 0);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto [current, copied] = next.get();
      if (copied) copied->block(computing());
      if (i + 1 < count) next = start(load, i + 1);
      f(current, i);
      if (copies_) computed_ = record(computing());
    }
  }

 private:
  using Moment = std::shared_ptr<c10::Event>;

  c10::impl::VirtualGuardImpl guard_impl() const { return c10::impl::VirtualGuardImpl(device_.type()); }
  c10::Stream computing() const { return guard_impl().getStream(device_); }
  Moment record(const c10::Stream& stream) const {
    auto moment = std::make_shared<c10::Event>(device_.type());
    moment->record(stream);
    return moment;
  }

  template <typename Load>
  auto start(const Load& load, std::int64_t i) const {
    return std::async(std::launch::async, [this, &load, i, computed = computed_] {
      const c10::InferenceMode inference;
      if (!copies_) {
        // Parallel loops alone, so that they do not take the cores of those that compute. ATen sets a thread's number
        // of threads when the thread first asks, so ask before it is set to 1.
        at::internal::lazy_init_num_threads();
        at::get_num_threads();
        omp_set_num_threads(1);
        return std::pair(load(i), Moment());
      }
      const c10::StreamGuard guard(*copies_);  // first: a new thread is on GPU 0 and would make a context there
      // What was computed with is gone: its memory, which the copies' stream gives out, may be written to again.
      if (computed) computed->synchronize();
      auto loaded = load(i);
      return std::pair(std::move(loaded), record(*copies_));
    });
  }

  at::Device device_;
  std::optional<c10::Stream> copies_;  // on a GPU
  Moment computed_;                    // all that was queued for the things so far
};

}  // namespace catenary::model
