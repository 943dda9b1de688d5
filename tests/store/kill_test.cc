// Kills a sweep of four ranks at random moments, from its launch on. After each kill the store must open, every range
// that is marked done must be right, and the same command must go on from there to the undisturbed result.
//
// CATENARY_KILLS says how many (default 5).
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <thread>

#include "store/example.h"
#include "support/temporary_folder.h"

namespace catenary::store {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

/// mpirun and its ranks, with everything they leave behind in one folder.
class Sweep {
 public:
  Sweep(const std::filesystem::path& folder, const std::filesystem::path& store) {
    const auto worker = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "store_mpi_test";
    const std::string log = (folder / "log.txt").string();
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::setenv("CATENARY_KILL_STORE", store.c_str(), 1);
    ::setenv("TMPDIR", folder.c_str(), 1);
    ::setenv("OMPI_MCA_btl_vader_backing_directory", folder.c_str(), 1);
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
    ::setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 1);
    ::setenv("OMPI_MCA_hwloc_base_binding_policy", "none", 1);
    ::setenv("OMPI_MCA_mpi_yield_when_idle", "1", 1);
    const int output = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    ::execlp("mpirun", "mpirun", "-n", "4", worker.c_str(), "--gtest_filter=KillWorker.*", nullptr);
    ::_exit(127);
  }
  ~Sweep() { kill_all(); }
  Sweep(const Sweep&) = delete;
  Sweep& operator=(const Sweep&) = delete;

  bool has_ended() {
    if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
    return pid_ < 0;
  }
  /// The exit status once it has ended, -1 if a signal ended it or the time ran out.
  int wait(milliseconds longest) {
    const auto end = std::chrono::steady_clock::now() + longest;
    while (!has_ended() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(milliseconds(5));
    return has_ended() && WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
  }

  void kill_all() {
    if (has_ended()) return;
    auto processes = descendants(pid_);
    ::kill(pid_, SIGKILL);
    for (const pid_t rank : processes) ::kill(rank, SIGKILL);
    wait(milliseconds(5000));
    wait_until_gone(processes);
  }
  void kill_mpirun() {
    const auto processes = descendants(pid_);
    ::kill(pid_, SIGKILL);
    wait(milliseconds(5000));
    wait_until_gone(processes);
  }
  void kill_one_rank(std::mt19937_64& random) {
    const auto processes = descendants(pid_);
    if (!processes.empty()) ::kill(processes[random() % processes.size()], SIGKILL);
    wait(milliseconds(10000));
    kill_all();
  }

 private:
  static std::vector<pid_t> descendants(pid_t ancestor) {
    std::multimap<pid_t, pid_t> children;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      std::ifstream file(entry.path() / "stat");
      std::string stat((std::istreambuf_iterator<char>(file)), {});
      const auto end_of_name = stat.rfind(')');
      if (end_of_name == std::string::npos) continue;
      std::istringstream fields(stat.substr(end_of_name + 1));
      char state = ' ';
      pid_t parent = 0;
      fields >> state >> parent;
      children.emplace(parent, std::stoi(name));
    }
    std::vector<pid_t> found;
    std::vector<pid_t> to_visit{ancestor};
    while (!to_visit.empty()) {
      const auto [first, last] = children.equal_range(to_visit.back());
      to_visit.pop_back();
      for (auto child = first; child != last; ++child) {
        found.push_back(child->second);
        to_visit.push_back(child->second);
      }
    }
    return found;
  }

  /// Ranks that outlive mpirun become this process's children; one that does so for long is killed.
  static void wait_until_gone(const std::vector<pid_t>& processes) {
    const auto is_alive = [](pid_t process) {
      ::waitpid(process, nullptr, WNOHANG);
      return ::kill(process, 0) == 0;
    };
    const auto patience = std::chrono::steady_clock::now() + milliseconds(5000);
    while (std::ranges::any_of(processes, is_alive)) {
      std::this_thread::sleep_for(milliseconds(5));
      if (std::chrono::steady_clock::now() < patience) continue;
      for (const pid_t process : processes) {
        if (is_alive(process)) ::kill(process, SIGKILL);
      }
    }
  }

  pid_t pid_ = -1;
  int status_ = 0;
};

/// What was done before a resume must not be done again: the times at which ranges were finished.
std::map<std::size_t, double> finished_ranges(const Reader& reader) {
  std::map<std::size_t, double> finished;
  for (std::size_t i = 0; i < reader.ranges().size(); ++i) {
    if (reader.ranges()[i].state == RangeState::kDone) finished[i] = reader.ranges()[i].finished;
  }
  return finished;
}

TEST(Kill, a_store_survives_a_kill_at_any_moment) {
  if (!std::filesystem::exists(std::filesystem::read_symlink("/proc/self/exe").parent_path() / "store_mpi_test")) {
    GTEST_SKIP() << "store_mpi_test is not built";
  }
  if (std::system("mpirun --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "there is no mpirun";
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  const char* wanted = std::getenv("CATENARY_KILLS");
  const int num_kills = wanted == nullptr ? 5 : std::atoi(wanted);
  const Layout layout = example_layout(kKillTestItems);
  const unsigned long seed = std::random_device{}();
  std::mt19937_64 random(seed);
  std::map<std::string, int> outcomes;

  for (int i = 0; i < num_kills && !HasFailure(); ++i) {
    const test::TemporaryFolder folder;
    const auto store = folder.path() / "study.h5";
    const auto exists = [&](const char* suffix) { return std::filesystem::exists(store.string() + suffix); };
    const std::string context = fmt::format("seed {}, kill {}", seed, i);
    {
      Sweep sweep(folder.path(), store);
      // A third each: at any time from launch, around the creation of the file, and while results are written.
      const int moment = i % 3;
      while (moment > 0 && !sweep.has_ended() && !exists(moment == 1 ? ".lock" : "")) {
        std::this_thread::sleep_for(microseconds(200));
      }
      const int longest_microseconds = moment == 0 ? 1'200'000 : moment == 1 ? 60'000 : 350'000;
      std::this_thread::sleep_for(microseconds(random() % static_cast<unsigned>(longest_microseconds)));
      switch (sweep.has_ended() ? 3 : random() % 3) {
        case 0:
          sweep.kill_all();
          break;
        case 1:
          sweep.kill_mpirun();
          break;
        case 2:
          sweep.kill_one_rank(random);
          break;
        default:
          break;
      }
    }

    std::map<std::size_t, double> finished;
    if (!exists("")) {
      ++outcomes[names_in(folder.path()).contains("study.h5.tmp-1") ? "during creation" : "before creation"];
    } else {
      const Reader reader(store);
      finished = finished_ranges(reader);
      EXPECT_TRUE(reader.verify().empty()) << context;
      EXPECT_EQ(tally(reader, layout).wrong, 0) << context;
      const bool is_complete = finished.size() == reader.ranges().size();
      ++outcomes[finished.empty() ? "before the first range" : is_complete ? "after the last range" : "while writing"];
    }

    Sweep resumed(folder.path(), store);
    ASSERT_EQ(resumed.wait(milliseconds(60'000)), 0) << context << ": " << file_bytes(folder.path() / "log.txt");
    const Reader reader(store);
    EXPECT_EQ(tally(reader, layout).right, num_items(layout)) << context;
    EXPECT_TRUE(reader.verify().empty()) << context;
    for (const auto& [range, when] : finished) {
      EXPECT_EQ(reader.ranges()[range].finished, when) << context << ": range " << range << " was computed again";
    }
    EXPECT_FALSE(exists(".lock")) << context;
  }
  for (const auto& [outcome, count] : outcomes) fmt::print("killed {}: {}\n", outcome, count);
}

}  // namespace
}  // namespace catenary::store
