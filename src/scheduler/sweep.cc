#include "catenary/scheduler/sweep.h"

#include <cstring>
#include <exception>
#include <map>
#include <optional>
#include <span>
#include <thread>
#include <type_traits>

#include "catenary/base/check.h"
#include "catenary/base/log.h"
#include "catenary/parallel/mpi_environment.h"

// A rank says how its last range ended and asks for another, in one message; rank 0 answers with a range or with
// kNothing, and that is the last message between the two.

namespace catenary::scheduler {
namespace {

constexpr int kAskTag = 1;
constexpr int kAnswerTag = 2;
constexpr std::int64_t kNothing = -1;

enum class Event : std::int32_t { kStart, kDone, kFailed, kCannotRecord };

struct Ask {
  std::int64_t range_index = kNothing;  // the one that ended
  Event event = Event::kStart;
  std::int32_t stop_requested = 0;
};

template <class T>
void send(const parallel::Communicator& communicator, int destination, int tag, const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  communicator.send(destination, tag, std::as_bytes(std::span(&value, 1)));
}

template <class T>
T unpack(const parallel::Message& message) {
  T value;
  check(message.bytes.size() == sizeof value, "a message of the sweep has the size of its type");
  std::memcpy(&value, message.bytes.data(), sizeof value);
  return value;
}

// Rank 0's service thread: until every rank has been told that there is nothing more.
SweepProgress hand_out(const parallel::Communicator& communicator, const std::vector<PendingRange>& pending,
                       const decltype(SweepActions::progress)& report) {
  WorkQueue queue(pending);
  std::map<std::size_t, std::int32_t> model_of_range;
  for (const PendingRange& range : pending) model_of_range[range.range_index] = range.model_index;
  std::map<int, std::int32_t> held_model;  // by rank
  SweepProgress progress{.num_ranges = pending.size()};
  bool ending = false;
  for (int num_active = communicator.size(); num_active > 0;) {
    const parallel::Message message = communicator.receive_any(kAskTag);
    const Ask ask = unpack<Ask>(message);
    if (ask.event == Event::kDone) ++progress.num_done;
    if (ask.event == Event::kFailed) ++progress.num_failed;
    if (ask.stop_requested != 0 && queue.num_left() > 0) progress.stopped = true;
    if (ask.stop_requested != 0 || ask.event == Event::kCannotRecord) ending = true;
    if (ask.event != Event::kStart && report) report(progress, static_cast<std::size_t>(ask.range_index));

    std::int64_t answer = kNothing;
    if (!ending) {
      const auto held = held_model.find(message.source);
      const auto range = queue.take(held == held_model.end() ? std::nullopt : std::optional(held->second));
      if (range) {
        answer = static_cast<std::int64_t>(*range);
        held_model[message.source] = model_of_range.at(*range);
      }
    }
    if (answer == kNothing) --num_active;
    send(communicator, message.source, kAnswerTag, answer);
  }
  return progress;
}

spec::RangeResult run_guarded(const SweepActions& actions, std::size_t range_index) {
  spec::RangeResult failed;
  try {
    return actions.run(range_index);
  } catch (const std::exception& e) {
    failed.error = e.what();
  } catch (...) {
    failed.error = "unknown error";
  }
  if (failed.error.empty()) failed.error = "error without a message";
  return failed;
}

}  // namespace

SweepProgress run_sweep(const parallel::Communicator& communicator, const std::vector<PendingRange>& pending,
                        const SweepActions& actions) {
  SweepProgress progress;
  std::thread service;
  if (communicator.rank() == 0) {
    service = std::thread([&] {
      try {
        progress = hand_out(communicator, pending, actions.progress);
      } catch (const std::exception& e) {  // ranks are waiting for answers that will not come
        log::error(e.what());
        parallel::MpiEnvironment::abort(1);
      }
    });
  }

  std::exception_ptr record_problem;
  Ask ask;
  while (true) {
    ask.stop_requested = actions.stop_requested && actions.stop_requested() ? 1 : 0;
    send(communicator, 0, kAskTag, ask);
    const auto answer = unpack<std::int64_t>(communicator.receive(0, kAnswerTag));
    if (answer == kNothing) break;
    const auto range_index = static_cast<std::size_t>(answer);
    ask.range_index = answer;
    const spec::RangeResult result = run_guarded(actions, range_index);
    try {
      actions.record(range_index, result);
      ask.event = result.error.empty() ? Event::kDone : Event::kFailed;
    } catch (...) {
      record_problem = std::current_exception();
      ask.event = Event::kCannotRecord;
    }
  }

  if (service.joinable()) service.join();
  parallel::agree(communicator, [&] {
    if (record_problem) std::rethrow_exception(record_problem);
  });
  progress.num_ranges = static_cast<std::size_t>(communicator.sum(static_cast<long long>(progress.num_ranges)));
  progress.num_done = static_cast<std::size_t>(communicator.sum(static_cast<long long>(progress.num_done)));
  progress.num_failed = static_cast<std::size_t>(communicator.sum(static_cast<long long>(progress.num_failed)));
  progress.stopped = communicator.sum(progress.stopped ? 1 : 0) > 0;
  return progress;
}

}  // namespace catenary::scheduler
