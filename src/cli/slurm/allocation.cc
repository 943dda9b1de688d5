#include "cli/slurm/allocation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <regex>
#include <sstream>

#include "catenary/base/error.h"
#include "catenary/base/to_number.h"
#include "cli/environment.h"
#include "cli/slurm/process.h"

namespace catenary::cli {
namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

int number_of(const char* variable, int if_absent) {
  const std::string_view text = environment(variable);
  if (text.empty()) return if_absent;
  const auto value = to_number<int>(text);
  if (!value || *value < 0) {
    throw SpecError(fmt::format("{}: expected a whole number, found \"{}\"", variable, text));
  }
  return *value;
}

bool is_well(std::string_view state) {
  for (const std::string_view bad : {"down", "fail", "unk", "power", "reboot"}) {
    if (state.starts_with(bad)) return false;
  }
  return !state.ends_with('*');  // does not respond
}

}  // namespace

std::optional<Allocation> Allocation::find() {
  const char* job_id = std::getenv("SLURM_JOB_ID");
  if (job_id == nullptr) return std::nullopt;
  return Allocation{.job_id = job_id,
                    .ranks_per_node = std::max(1, number_of("SLURM_NTASKS_PER_NODE", 1)),
                    .cpus_per_rank = std::max(1, number_of("SLURM_CPUS_PER_TASK", 1)),
                    .num_restarts = number_of("SLURM_RESTART_COUNT", 0)};
}

std::vector<std::string> Allocation::healthy_nodes() const {
  // The list of a job that lost a node (--no-kill) has shrunk; SLURM_JOB_NODELIST has not.
  const auto list = words_of(run_command({"squeue", "-h", "-j", job_id, "-o", "%N"}).output);
  if (list.size() != 1) return {};
  const auto lines = words_of(run_command({"sinfo", "-h", "-a", "-N", "-n", list[0], "-o", "%N=%T"}).output);
  std::vector<std::string> nodes;
  for (const std::string& line : lines) {
    const std::size_t equals = line.find('=');
    if (equals != std::string::npos && is_well(std::string_view(line).substr(equals + 1)))
      nodes.push_back(line.substr(0, equals));
  }
  std::ranges::sort(nodes);
  const auto repeated = std::ranges::unique(nodes);  // a node of two partitions stands there twice
  nodes.erase(repeated.begin(), repeated.end());
  return nodes;
}

std::vector<std::string> Allocation::responding_nodes(const std::vector<std::string>& nodes) const {
  constexpr std::size_t kAtOnce = 64;
  std::vector<std::string> responding;
  for (std::size_t begin = 0; begin < nodes.size(); begin += kAtOnce) {
    const std::size_t end = std::min(nodes.size(), begin + kAtOnce);
    std::vector<std::unique_ptr<Child>> probes;
    for (std::size_t i = begin; i < end; ++i) {
      probes.push_back(std::make_unique<Child>(
          std::vector<std::string>{"srun", "--jobid=" + job_id, "--overlap", "--mpi=none", "--gres=none", "--mem=0",
                                   "--nodes=1", "--ntasks=1", "--nodelist=" + nodes[i], "true"}));
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (std::size_t i = begin; i < end; ++i) {
      Child& probe = *probes[i - begin];
      bool runs = true;
      while (runs && std::chrono::steady_clock::now() < deadline) {
        runs = probe.poll(std::chrono::milliseconds(200), [](std::string_view) {});
      }
      if (!runs && probe.exit_code() == 0) responding.push_back(nodes[i]);
    }
  }
  return responding;
}

std::string Allocation::state() const {
  const auto words = words_of(run_command({"squeue", "-h", "-j", job_id, "-o", "%T"}).output);
  return words.size() == 1 ? words[0] : "";
}

bool Allocation::requeue() const {
  return run_command({"scontrol", "requeue", job_id}).exit_code == 0;
}

std::vector<std::string> launch_command(const Allocation& allocation, const std::vector<std::string>& launcher,
                                        const std::vector<std::string>& nodes,
                                        const std::vector<std::string>& command) {
  const std::size_t num_ranks = nodes.size() * static_cast<std::size_t>(allocation.ranks_per_node);
  std::vector<std::string> argv{launcher.front()};
  if (launcher.front().ends_with("mpirun") || launcher.front().ends_with("mpiexec")) {
    const int ranks = allocation.ranks_per_node;
    argv.insert(argv.end(),
                {"-n", std::to_string(num_ranks), "--host",
                 fmt::format("{}:{}", fmt::join(nodes, fmt::format(":{},", ranks)), ranks), "--use-hwthread-cpus",
                 "--map-by", fmt::format("ppr:{}:node:PE={}", ranks, allocation.cpus_per_rank)});
  } else {
    // A rank whose node is gone leaves the others waiting, so unlike the job the step is not to outlive a node. A rank
    // that ends with 3 or 75 is no reason to kill the others; when one dies, MPI does that.
    argv.insert(argv.end(), {fmt::format("--nodes={}", nodes.size()), fmt::format("--ntasks={}", num_ranks),
                             fmt::format("--ntasks-per-node={}", allocation.ranks_per_node),
                             fmt::format("--cpus-per-task={}", allocation.cpus_per_rank),
                             fmt::format("--nodelist={}", fmt::join(nodes, ",")), "--no-kill=off",
                             "--kill-on-bad-exit=0", "--unbuffered", "--cpu-bind=cores", "--distribution=block:block"});
  }
  argv.insert(argv.end(), launcher.begin() + 1, launcher.end());  // the site has the last word
  argv.insert(argv.end(), command.begin(), command.end());
  return argv;
}

void FirstDeath::read(const std::string& line) {
  // srun: error: n2: tasks 1,4-5: Killed        mpirun: ... process rank 1 with PID 12 on node n2 exited on signal 9
  static const std::regex srun(R"(^srun: error: (\S+): tasks? ([0-9,-]+): (?!Exited))");
  static const std::regex failed(R"(^srun: error: \S+: tasks? [0-9,-]+: Exited with exit code (?!(3|75)$))");
  static const std::regex mpirun(R"(process rank ([0-9]+) with PID [0-9]+ on node (\S+) exited on signal)");
  static const std::regex slurm(
      R"(Node failure on|Terminating StepId|STEP \S+ ON \S+ CANCELLED|JOB \S+ ON \S+ CANCELLED)");
  std::smatch match;
  const bool told_by_srun = std::regex_search(line, match, srun);
  const bool died = told_by_srun || std::regex_search(line, match, mpirun);
  if (died || std::regex_search(line, failed)) has_happened_ = true;
  if (known_) return;
  known_ = has_happened_ || std::regex_search(line, slurm);
  if (!died) return;
  node_ = match[told_by_srun ? 1 : 2];
  std::istringstream parts(match[told_by_srun ? 2 : 1].str());
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t dash = part.find('-');
    const auto first = to_number<int>(part.substr(0, dash));
    const auto last = dash == std::string::npos ? first : to_number<int>(part.substr(dash + 1));
    if (!first || !last) continue;  // "1-2-3", "-": nothing that srun writes
    for (int rank = *first; rank <= *last; ++rank) ranks_.push_back(rank);
  }
}

}  // namespace catenary::cli
