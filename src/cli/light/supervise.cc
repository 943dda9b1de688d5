#include "cli/light/supervise.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "catenary/base/error.h"
#include "catenary/base/printable.h"
#include "catenary/store/reader.h"
#include "cli/counted.h"
#include "cli/exit_code.h"
#include "cli/light/json.h"
#include "cli/light/write_file.h"
#include "cli/slurm/allocation.h"
#include "cli/slurm/process.h"
#include "cli/slurm/running_units.h"

// One MPI world cannot lose a rank and go on, so whatever dies ends the step. The step is started again in the same
// allocation on the nodes that are well, and the store says what is left to do.

namespace catenary::cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr int kDeathsOfAUnit = 2;       // then it is left out
constexpr seconds kLookAtNodes(15);     // while a step runs
constexpr seconds kForTheOthers(5);     // to end by themselves, when a rank has died
constexpr seconds kBeforeTheLimit(15);  // a step that has not stopped by then is left to Slurm

volatile std::sig_atomic_t stop_signal = 0;

void listen() {
  struct sigaction action {};
  action.sa_handler = [](int number) { stop_signal = number; };
  for (const int number : {SIGUSR1, SIGTERM, SIGINT}) ::sigaction(number, &action, nullptr);
}

// The job's log: every line with its time.
void say(std::string_view text) {
  fmt::print(stderr, "{:%Y-%m-%d %H:%M:%S}  {}\n", fmt::localtime(std::time(nullptr)), printable(text));
  std::fflush(stderr);
}

// What outlives the job: STORE.history, until the sweep is done without failures.
struct History {
  std::map<std::string, int> deaths;  // by unit id: ranks that died in it
  int num_starts_without_progress = 0;

  static std::filesystem::path path(const std::filesystem::path& store) { return store.string() + ".history"; }

  static History read(const std::filesystem::path& store) {
    History history;
    std::ifstream file(path(store));
    const Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) return history;
    try {
      history.deaths = json.at("deaths").get<std::map<std::string, int>>();
      history.num_starts_without_progress = json.at("starts_without_progress").get<int>();
    } catch (const Json::exception&) {
      throw Error(fmt::format("{}: not what catenary supervise writes; remove it", path(store).string()));
    }
    return history;
  }

  void write(const std::filesystem::path& store) const {
    write_file(path(store),
               to_text({{"deaths", deaths}, {"starts_without_progress", num_starts_without_progress}}) + "\n");
  }
};

// What the store says. Nothing is done while there is none.
struct Progress {
  std::int64_t num_recorded = 0;  // ranges that are done or failed
  double last_done = 0;           // when: seconds since 1970-01-01 UTC. A range that is done over counts, too
  double last_run = 0;            // when it began
  bool is_complete = false;
  std::map<std::string, std::string> unit_names;  // by id

  // By the step in between: what another job wrote, of which this one was told to wait, does not count.
  bool is_ahead_of(const Progress& earlier) const {
    return last_run != earlier.last_run && (num_recorded > earlier.num_recorded || last_done > earlier.last_done);
  }
};

Progress look_at(const std::filesystem::path& path) {
  Progress progress;
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return progress;
  try {
    const store::Reader store(path);
    const store::Layout& layout = store.layout();
    progress.is_complete = true;
    if (!store.runs().empty()) progress.last_run = store.runs().back().started;
    for (const store::StoredRange& range : store.ranges()) {
      if (range.state == store::RangeState::kPending) {
        progress.is_complete = false;
      } else {
        ++progress.num_recorded;
      }
      if (range.state == store::RangeState::kDone) progress.last_done = std::max(progress.last_done, range.finished);
    }
    for (const spec::WorkUnit& unit : layout.units) {
      progress.unit_names[unit.id] =
          fmt::format("{} x {} x {}", layout.models[static_cast<std::size_t>(unit.model_index)].name,
                      layout.tasks[static_cast<std::size_t>(unit.task_index)].name,
                      layout.conditions[static_cast<std::size_t>(unit.condition_index)].name);
    }
  } catch (const Error& e) {  // the sweep itself will say so, or it is just being made
    say(e.what());
  }
  return progress;
}

class Supervisor {
 public:
  Supervisor(const SuperviseArgs& args, Allocation allocation)
      : args_(args), allocation_(std::move(allocation)), history_(History::read(args.run.store)) {}

  int run() {
    if (allocation_.num_restarts == 0) {
      history_.num_starts_without_progress = 0;
    } else {
      say(fmt::format("job {}: begun anew by Slurm, time {}", allocation_.job_id, allocation_.num_restarts));
    }
    Progress progress = look_at(args_.run.store);
    // Of a store that was removed, or of another study's, nothing is known any more.
    std::erase_if(history_.deaths, [&](const auto& death) { return !progress.unit_names.contains(death.first); });
    std::optional<std::size_t> usual_num_nodes;
    for (bool probe = false;; probe = true) {
      int code = kExitStoppedEarly;
      if (stop_signal == 0) {
        std::vector<std::string> nodes = nodes_to_use(probe);
        if (!usual_num_nodes) {
          const auto num_spare = static_cast<std::size_t>(args_.num_spare);
          usual_num_nodes = nodes.size() > num_spare ? nodes.size() - num_spare : 1;
        }
        if (nodes.size() > *usual_num_nodes) nodes.resize(*usual_num_nodes);
        if (nodes.empty()) return without_nodes();
        blame(nodes, progress.unit_names);
        code = run_step(nodes);
      }
      const Progress before = std::exchange(progress, look_at(args_.run.store));
      if (code == kExitDone && !progress.is_complete) {  // srun may say 0 though it started no task
        say("the step ended with exit code 0, and not all items are done");
        code = kExitFailed;
      }
      if (code == kExitDone) {
        std::error_code ignored;
        std::filesystem::remove(History::path(args_.run.store), ignored);
      }
      if (code == kExitDone || code == kExitWithFailures || code == kExitWrongInput) return code;

      history_.num_starts_without_progress =
          progress.is_ahead_of(before) ? 0 : history_.num_starts_without_progress + 1;
      history_.write(args_.run.store);
      if (has_given_up()) return kExitFailed;
      if (code == kExitStoppedEarly || stop_signal != 0) return stopped();
      say(fmt::format("the step died with exit code {}; it is started again", code));
      pause();
    }
  }

 private:
  // A probe costs a job step a node, so it is left until something went wrong.
  std::vector<std::string> nodes_to_use(bool probe) {
    std::vector<std::string> nodes = allocation_.healthy_nodes();
    for (int i = 0; i < 5 && nodes.empty() && stop_signal == 0; ++i) {  // Slurm may be busy
      std::this_thread::sleep_for(seconds(2));
      nodes = allocation_.healthy_nodes();
    }
    if (probe && !nodes.empty()) nodes = allocation_.responding_nodes(nodes);
    for (const std::string& node : known_nodes_) {
      if (!std::ranges::count(nodes, node))
        say(fmt::format("node {} is left out: it is down or does not respond", node));
    }
    known_nodes_ = nodes;
    return nodes;
  }

  std::vector<std::string> command() const {
    std::vector<std::string> command{std::filesystem::read_symlink("/proc/self/exe").string(), "run"};
    command.insert(command.end(), args_.run_words.begin(), args_.run_words.end());
    for (const auto& [unit, deaths] : history_.deaths) {
      if (deaths >= kDeathsOfAUnit) command.insert(command.end(), {"--leave-out", unit});
    }
    return command;
  }

  int run_step(const std::vector<std::string>& nodes) {
    RunningUnits::remove(args_.run.store);
    first_death_ = {};
    step_nodes_ = nodes;
    say(fmt::format("job {}: a step of {} on {}", allocation_.job_id,
                    counted(nodes.size() * static_cast<std::size_t>(allocation_.ranks_per_node), "rank"),
                    fmt::join(nodes, " ")));
    Child step(launch_command(allocation_, args_.launcher, nodes, command()));
    std::optional<Clock::time_point> last_moment, patience_ends;
    int num_looks_with_a_node_missing = 0;
    auto next_look = Clock::now() + kLookAtNodes;
    while (step.poll(std::chrono::milliseconds(200), [&](std::string_view line) { relay(line); })) {
      const auto now = Clock::now();
      if (stop_signal != 0 && !last_moment) {
        last_moment = now + seconds(args_.grace_seconds) - kBeforeTheLimit;
        say(fmt::format("{}: the ranges in hand are finished, then the step stops",
                        stop_signal == SIGUSR1 ? "SIGUSR1" : "asked to end"));
        step.signal(SIGUSR1);
      }
      if (first_death_.has_happened() && !patience_ends) patience_ends = now + kForTheOthers;
      if (patience_ends && now > *patience_ends) {
        step.signal(SIGTERM);
        patience_ends = now + kForTheOthers;
      }
      if (last_moment && now > *last_moment) {
        say("the step did not stop in time; its ranges in hand will be computed again");
        step.signal(SIGTERM);
        last_moment = now + seconds(3600);
      }
      if (now < next_look) continue;
      next_look = now + kLookAtNodes;
      // Slurm ends a step that lost a node. In case that goes wrong, too:
      const auto healthy = allocation_.healthy_nodes();
      const bool is_missing = !healthy.empty() && std::ranges::any_of(nodes, [&](const std::string& node) {
        return !std::ranges::count(healthy, node);
      });
      num_looks_with_a_node_missing = is_missing ? num_looks_with_a_node_missing + 1 : 0;
      if (num_looks_with_a_node_missing == 3) {
        say("a node of the step is gone and the step is still there; it is ended");
        step.signal(SIGTERM);
      }
      if (num_looks_with_a_node_missing == 4) step.signal(SIGKILL);
    }
    return step.exit_code();
  }

  void relay(std::string_view line) {
    say(line);
    first_death_.read(std::string(line));
  }

  // Notes a death for the unit in which a rank of the last step died. Where its node is gone, or several ranks died at
  // once, it was the node.
  void blame(const std::vector<std::string>& nodes, const std::map<std::string, std::string>& unit_names) {
    const auto has_its_node = [&](const std::vector<std::string>& of) {
      return std::ranges::count(of, first_death_.node()) > 0;  // mpirun may call it otherwise
    };
    if (has_its_node(step_nodes_) && !has_its_node(nodes)) return;
    const auto running = RunningUnits::read(args_.run.store);
    std::set<std::string> suspects;
    for (const int rank : first_death_.ranks()) {
      if (const auto unit = running.find(rank); unit != running.end()) suspects.insert(unit->second);
    }
    if (suspects.size() != 1) return;
    const std::string& unit = *suspects.begin();
    const int deaths = ++history_.deaths[unit];
    const auto name = unit_names.find(unit);
    say(fmt::format("rank {} died in {}{}", first_death_.ranks().front(),
                    name == unit_names.end() ? unit : name->second,
                    deaths < kDeathsOfAUnit ? "" : ", for the second time: this unit is recorded as failed"));
    history_.write(args_.run.store);
  }

  bool has_given_up() const {
    if (history_.num_starts_without_progress < args_.max_tries) return false;
    say(fmt::format("gave up: {} starts in a row got nothing done; the lines above say why", args_.max_tries));
    return true;
  }

  // Longer each time: a lock of the step that died, say, may take a while to go.
  void pause() const {
    seconds length(2);
    for (int i = 1; i < history_.num_starts_without_progress && length < seconds(60); ++i) length *= 3;
    const auto end = Clock::now() + length;
    while (stop_signal == 0 && Clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }

  int without_nodes() {
    say("no node of the job is left");
    ++history_.num_starts_without_progress;
    history_.write(args_.run.store);
    return has_given_up() ? kExitFailed : requeue_or(kExitFailed);
  }

  int stopped() const {
    // SIGTERM is scancel, preemption or our own requeue: Slurm knows what follows.
    if (stop_signal == SIGTERM || stop_signal == SIGINT) {
      say("stopped; submit the same script again to go on");
      return kExitStoppedEarly;
    }
    return requeue_or(kExitStoppedEarly);
  }

  int requeue_or(int code) const {
    if (!args_.requeue) {
      say("stopped; the next job goes on");
      return code;
    }
    const std::string state = allocation_.state();
    if (state != "RUNNING") {
      say(fmt::format("stopped; the job is not put back into the queue, as it is {}", state.empty() ? "gone" : state));
      return code;
    }
    say("stopped; the job goes back into the queue");
    if (!allocation_.requeue()) say("Slurm refuses to requeue the job; submit the same script again to go on");
    return code;
  }

  const SuperviseArgs& args_;
  Allocation allocation_;
  History history_;
  std::vector<std::string> known_nodes_;
  std::vector<std::string> step_nodes_;
  FirstDeath first_death_;  // of that step
};

}  // namespace

int supervise(const SuperviseArgs& args) {
  auto allocation = Allocation::find();
  if (!allocation) {
    throw SpecError("supervise: SLURM_JOB_ID is not set; it is for a batch script (`catenary submit` writes one)");
  }
  listen();
  return Supervisor(args, std::move(*allocation)).run();
}

}  // namespace catenary::cli
