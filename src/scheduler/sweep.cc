#include "catenary/scheduler/sweep.h"

#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <type_traits>

#include "catenary/base/check.h"
#include "catenary/base/log.h"
#include "catenary/parallel/mpi_environment.h"

// Rank 0 sends orders: an assignment to all ranks of its group, kStop, and at last kEnd. The group's first rank reports
// that it begins an assignment, upon which the next one is sent while it computes, and how each range ended. In a group
// of several ranks the first one tells the others before each range whether it is still to be run: a stop reaches ranks
// at different moments.

namespace catenary::scheduler {
namespace {

using parallel::Communicator;

constexpr int kReportTag = 1;
constexpr int kOrderTag = 2;
constexpr int kGoOnTag = 3;

struct Order {
  enum class Kind : std::int32_t { kRun, kStop, kEnd };
  Kind kind = Kind::kEnd;
  std::int64_t id = 0;
  Assignment assignment;
};

struct Report {
  enum class Event : std::int32_t {
    kBegins,         // the assignment
    kDone,           // the range
    kFailed,         // for good: that is recorded
    kFailedHere,     // another group may try
    kDropped,        // the range, on a stop
    kCannotRecord,   // the range; ends the sweep
    kStopRequested,  // ends it, too
  };
  Event event = Event::kBegins;
  std::int64_t id = 0;  // of the assignment
  std::uint64_t range_index = 0;
  double seconds = 0;
  std::int64_t num_tokens_fed = 0;
  double flops = 0;
};

template <class T>
void send(const Communicator& communicator, int destination, int tag, const T& value) {
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

// Rank 0's thread.
class Service {
 public:
  Service(const Communicator& communicator, Policy& policy, const decltype(SweepActions::progress)& report)
      : communicator_(communicator), policy_(policy), report_(report), progress_{.num_ranges = policy.num_left()} {}

  // Until nothing is left, or nothing in hand after a stop.
  SweepProgress serve() {
    give_to_idle();
    while (!open_.empty()) take_in(unpack<Report>(communicator_.receive_any(kReportTag)));
    check(ending_ || policy_.num_left() == 0, "a sweep ends when nothing is left");
    send_to_all({.kind = Order::Kind::kEnd});
    return progress_;
  }

 private:
  struct Open {
    Assignment assignment;
    std::size_t num_ended = 0, num_computed = 0;
    double seconds = 0;
    std::vector<std::size_t> to_retry = {}, dropped = {};
  };

  void give(int first_rank) {
    if (ending_) return;
    for (const Assignment& assignment : policy_.assign(first_rank)) {
      const Order order{Order::Kind::kRun, next_id_++, assignment};
      open_[order.id] = {.assignment = assignment};
      const Group& group = assignment.group;
      for (int rank = group.first_rank; rank < group.first_rank + group.num_ranks; ++rank) {
        send(communicator_, rank, kOrderTag, order);
      }
    }
  }

  void give_to_idle() {
    for (const Group& group : policy_.take_idle()) give(group.first_rank);
  }

  void send_to_all(const Order& order) {
    for (int rank = 0; rank < communicator_.size(); ++rank) send(communicator_, rank, kOrderTag, order);
  }

  void take_in(const Report& report) {
    using enum Report::Event;
    if (report.event == kStopRequested) return stop();
    Open& open = open_.at(report.id);
    if (report.event == kBegins) return give(open.assignment.group.first_rank);
    if (report.event == kCannotRecord) stop();
    if (report.event == kDone) {
      ++progress_.num_done;
      ++open.num_computed;
      open.seconds += report.seconds;
      progress_.num_tokens_fed += report.num_tokens_fed;
      progress_.flops += report.flops;
    }
    if (report.event == kFailed) ++progress_.num_failed;
    if (report.event == kFailedHere) open.to_retry.push_back(report.range_index);
    if (report.event == kDropped) open.dropped.push_back(report.range_index);
    if (report_ && (report.event == kDone || report.event == kFailed)) report_(progress_, report.range_index);
    if (++open.num_ended == open.assignment.num_ranges) close(report.id);
  }

  void close(std::int64_t id) {
    const Open open = std::move(open_.extract(id).mapped());
    policy_.finish(open.assignment, open.num_computed, open.seconds);
    Assignment one = open.assignment;
    one.num_ranges = 1;
    for (const std::size_t range : open.to_retry) {
      one.first_range = range;
      policy_.retry(one);
    }
    for (const std::size_t range : open.dropped) {
      one.first_range = range;
      policy_.put_back(one);
    }
    if (policy_.num_left() > 0 && ending_) progress_.stopped = true;
    give_to_idle();
  }

  void stop() {
    if (ending_) return;
    ending_ = true;
    send_to_all({.kind = Order::Kind::kStop});
  }

  const Communicator& communicator_;
  Policy& policy_;
  const decltype(SweepActions::progress)& report_;
  SweepProgress progress_;
  std::map<std::int64_t, Open> open_;
  std::int64_t next_id_ = 0;
  bool ending_ = false;
};

// What rank 0 wants of this rank, received by a thread of its own, so that the next range is known while one is run.
class Inbox {
 public:
  Inbox(const Communicator& communicator, const SweepActions& actions)
      : communicator_(communicator), actions_(actions), thread_([this] { listen(); }) {}
  ~Inbox() { thread_.join(); }

  Order wait() {
    std::unique_lock lock(mutex_);
    is_waited_for_ = true;
    arrived_.wait(lock, [&] { return !orders_.empty(); });
    is_waited_for_ = false;
    const Order order = orders_.front();
    orders_.pop_front();
    return order;
  }

  bool stopped() const { return stopped_; }

 private:
  void listen() {
    try {
      parallel::Backoff backoff;
      bool told = false;
      while (true) {
        const auto message = communicator_.try_receive(0, kOrderTag);
        if (!message) {
          if (!told && actions_.stop_requested && actions_.stop_requested()) {
            send(communicator_, 0, kReportTag, Report{.event = Report::Event::kStopRequested});
            told = true;
          }
          backoff.sleep();
          continue;
        }
        backoff.reset();
        const auto order = unpack<Order>(*message);
        if (order.kind == Order::Kind::kStop) {
          stopped_ = true;
          continue;
        }
        bool is_ahead = false;
        {
          const std::scoped_lock lock(mutex_);
          is_ahead = !is_waited_for_;
          orders_.push_back(order);
        }
        arrived_.notify_one();
        if (order.kind == Order::Kind::kEnd) return;
        if (is_ahead && actions_.prepare) actions_.prepare(order.assignment.first_range);
      }
    } catch (const std::exception& e) {  // rank 0 waits for reports that will not come
      log::error(e.what());
      parallel::MpiEnvironment::abort(1);
    }
  }

  const Communicator& communicator_;
  const SweepActions& actions_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Order> orders_;
  bool is_waited_for_ = false;
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

// A rank at work.
class Worker {
 public:
  Worker(const Communicator& communicator, const SweepActions& actions)
      : communicator_(communicator), actions_(actions), inbox_(communicator, actions) {}

  // Until rank 0 says that this is the end. What `record` threw, if it did.
  std::exception_ptr work() {
    while (true) {
      const Order order = inbox_.wait();
      if (order.kind == Order::Kind::kEnd) return record_problem_;
      run(order);
    }
  }

 private:
  void run(const Order& order) {
    const Assignment& assignment = order.assignment;
    const bool leads = assignment.group.first_rank == communicator_.rank();
    if (leads) report({.event = Report::Event::kBegins, .id = order.id});
    const std::size_t end = assignment.first_range + assignment.num_ranges;
    for (std::size_t range = assignment.first_range; range < end; ++range) {
      if (!goes_on(assignment.group, leads)) {
        for (; leads && range < end; ++range) {
          report({.event = Report::Event::kDropped, .id = order.id, .range_index = range});
        }
        return;
      }
      if (range + 1 < end && actions_.prepare) actions_.prepare(range + 1);
      const spec::RangeResult result = run_guarded(range, assignment.group);
      if (!leads) continue;
      report({.event = kept(range, result, assignment.is_final),
              .id = order.id,
              .range_index = range,
              .seconds = result.seconds,
              .num_tokens_fed = result.num_tokens_fed,
              .flops = result.flops});
    }
  }

  bool goes_on(const Group& group, bool leads) {
    if (!leads) return unpack<bool>(communicator_.receive(group.first_rank, kGoOnTag));
    const bool yes = !inbox_.stopped() && !record_problem_;
    for (int i = 1; i < group.num_ranks; ++i) send(communicator_, group.first_rank + i, kGoOnTag, yes);
    return yes;
  }

  spec::RangeResult run_guarded(std::size_t range_index, const Group& group) {
    spec::RangeResult failed;
    try {
      return actions_.run(range_index, group);
    } catch (const std::exception& e) {
      failed.error = e.what();
    } catch (...) {
      failed.error = "unknown error";
    }
    if (failed.error.empty()) failed.error = "error without a message";
    return failed;
  }

  Report::Event kept(std::size_t range_index, const spec::RangeResult& result, bool is_final) {
    if (!result.error.empty() && !is_final) {
      if (result.error != last_warning_) log::warning(fmt::format("another rank is to try again: {}", result.error));
      last_warning_ = result.error;
      return Report::Event::kFailedHere;
    }
    try {
      actions_.record(range_index, result);
      return result.error.empty() ? Report::Event::kDone : Report::Event::kFailed;
    } catch (...) {
      record_problem_ = std::current_exception();
      return Report::Event::kCannotRecord;
    }
  }

  void report(const Report& report) { send(communicator_, 0, kReportTag, report); }

  const Communicator& communicator_;
  const SweepActions& actions_;
  Inbox inbox_;
  std::string last_warning_;
  std::exception_ptr record_problem_;
};

}  // namespace

SweepProgress run_sweep(const Communicator& communicator, const Work& work, const SweepActions& actions) {
  std::optional<Policy> policy;
  parallel::agree(communicator, [&] {
    if (communicator.rank() != 0) return;
    check(std::ssize(work.ranks) == communicator.size(), "each rank has a place");
    policy.emplace(work);
  });
  SweepProgress progress;
  std::thread service;
  if (policy) {
    service = std::thread([&] {
      try {
        progress = Service(communicator, *policy, actions.progress).serve();
      } catch (const std::exception& e) {  // ranks are waiting for orders that will not come
        log::error(e.what());
        parallel::MpiEnvironment::abort(1);
      }
    });
  }
  const std::exception_ptr record_problem = Worker(communicator, actions).work();
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
