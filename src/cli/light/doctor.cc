#include "cli/light/doctor.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/printable.h"
#include "catenary/base/to_number.h"
#include "cli/environment.h"
#include "cli/exit_code.h"
#include "cli/light/json.h"
#include "cli/shell_quoted.h"
#include "cli/slurm/allocation.h"
#include "cli/slurm/job_size.h"
#include "cli/slurm/process.h"
#include "cli/slurm/site.h"

namespace catenary::cli {
namespace {

namespace fs = std::filesystem;

enum class Grade { kOk, kWarning, kWrong };

struct Finding {
  Grade grade;
  std::string what;
  std::string found;
  std::string to_do;  // empty where all is well
};

using Findings = std::vector<Finding>;

std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  const std::size_t newline = text.rfind('\n');
  return newline == std::string::npos ? text : text.substr(newline + 1);
}

std::string in_one_line(std::string text) {
  for (auto at = text.find('\n'); at != std::string::npos; at = text.find('\n')) text.replace(at, 1, "; ");
  return text;
}

void look_at_site(Findings& findings, Site& site) {
  try {
    site = read_site();
    findings.push_back({Grade::kOk, "site file", site.path.empty() ? "none, which is fine" : site.path.string(), ""});
  } catch (const SpecError& e) {
    findings.push_back(
        {Grade::kWrong, "site file", in_one_line(e.what()), "correct it; docs/slurm.md lists the settings"});
  }
}

// Whether Slurm answers.
bool look_at_slurm(Findings& findings, const Site& site) {
  const CommandResult version = run_command({"sinfo", "--version"});
  if (version.exit_code == 127) {
    findings.push_back(
        {Grade::kWarning, "Slurm", "not installed here", "`catenary run` works; `catenary submit` needs Slurm"});
    return false;
  }
  const CommandResult ping = run_command({"scontrol", "ping"});
  if (ping.exit_code != 0 || ping.output.find(" is UP") == std::string::npos) {
    findings.push_back(
        {Grade::kWrong, "Slurm", first_line(ping.all()), "its controller does not answer; ask the administrator"});
    return false;
  }
  findings.push_back({Grade::kOk, "Slurm", first_line(version.output) + ", its controller answers", ""});
  try {
    const Partition partition = find_partition(site);
    findings.push_back(
        {Grade::kOk, "partition",
         fmt::format("{} nodes of {} cores, {} GPUs, {} MiB; {}", partition.num_nodes, partition.cpus_per_node,
                     partition.gpus_per_node, partition.mib_per_node,
                     partition.limit_seconds > 0 ? "at most " + slurm_time(partition.limit_seconds) : "no time limit"),
         ""});
  } catch (const SpecError& e) {
    findings.push_back({Grade::kWrong, "partition", e.what(), "name one in the site file or with --partition"});
  }
  return true;
}

void look_at_launcher(Findings& findings, const Site& site, bool slurm_answers) {
  const std::vector<std::string> launcher = site.launcher.empty() ? SuperviseArgs().launcher : site.launcher;
  if (launcher[0] == "srun" && slurm_answers) {
    const CommandResult list = run_command({"srun", "--mpi=list"});
    const bool has_pmix = list.all().find("pmix") != std::string::npos;
    findings.push_back(
        {has_pmix ? Grade::kOk : Grade::kWrong, "srun --mpi=pmix", has_pmix ? "srun knows it" : "srun has no PMIx",
         has_pmix ? "" : "set \"launcher\": [\"mpirun\"] in the site file, or a plugin of `srun --mpi=list`"});
  }
  const CommandResult mpirun = run_command({"mpirun", "--version"});
  if (mpirun.exit_code == 0) {
    findings.push_back({Grade::kOk, "mpirun", first_line(mpirun.output), ""});
  } else {
    findings.push_back({launcher[0] == "srun" ? Grade::kWarning : Grade::kWrong, "mpirun", "not found",
                        "load the MPI module that Catenary was built with"});
  }
}

void look_at_gpus(Findings& findings) {
  const CommandResult smi =
      run_command({"nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"});
  if (smi.exit_code == 127) {
    findings.push_back({Grade::kOk, "GPUs", "none here (there is no nvidia-smi)", ""});
  } else if (smi.exit_code != 0) {
    findings.push_back(
        {Grade::kWrong, "GPUs", "nvidia-smi: " + first_line(smi.all()), "the driver does not answer; drain this node"});
  } else {
    const auto num_gpus = std::ranges::count(smi.output, '\n');
    findings.push_back({Grade::kOk, "GPUs", fmt::format("{} x {}", num_gpus, first_line(smi.output)), ""});
  }
}

void look_at_limits(Findings& findings, const fs::path& folder) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  const int num_cores = ::sched_getaffinity(0, sizeof mask, &mask) == 0 ? CPU_COUNT(&mask) : 0;
  const std::string_view threads = environment("OMP_NUM_THREADS");
  const bool too_many = to_number<int>(threads).value_or(0) > num_cores;
  findings.push_back(
      {too_many ? Grade::kWarning : Grade::kOk, "cores",
       fmt::format("{} for this process, OMP_NUM_THREADS is {}", num_cores, threads.empty() ? "not set" : threads),
       too_many ? "more threads than cores; unset it, or use --threads" : ""});
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const bool few = files.rlim_cur < 1024;
  findings.push_back({few ? Grade::kWarning : Grade::kOk, "open files", fmt::format("at most {}", files.rlim_cur),
                      few ? "checkpoints in many shards need more; `ulimit -n 4096`" : ""});
  std::error_code failed;
  const auto space = fs::space(folder, failed);
  if (failed) {
    findings.push_back({Grade::kWrong, "free space", fmt::format("{}: {}", folder.string(), failed.message()),
                        "name a folder that is there"});
    return;
  }
  const double gib = static_cast<double>(space.available) / (1 << 30);
  findings.push_back(
      {gib < 1 ? Grade::kWarning : Grade::kOk, "free space", fmt::format("{:.1f} GiB in {}", gib, folder.string()),
       gib < 1 ? "a store takes some 60 bytes for an item and class; make room, or name another folder" : ""});
}

// A real store, written by all ranks of a job (of one process outside), read again.
void look_at_ranks(Findings& findings, const Site& site, const fs::path& folder) {
  const auto program = fs::read_symlink("/proc/self/exe").parent_path() / "catenary-run";
  if (!fs::exists(program)) {
    findings.push_back(
        {Grade::kWarning, "catenary-run", program.string() + " is not there",
         "this machine can plan, submit and fit, not compute; build it where libtorch is (cmake/setup.sh)"});
    return;
  }
  std::vector<std::string> command{program.string(), "probe", folder.string()};
  std::string where = "in one process";
  if (const auto allocation = Allocation::find()) {
    const auto nodes = allocation->healthy_nodes();
    if (nodes.empty()) {
      findings.push_back({Grade::kWrong, "nodes", "Slurm names no healthy node of this job", "ask for others"});
      return;
    }
    const auto launcher = site.launcher.empty() ? SuperviseArgs().launcher : site.launcher;
    command = launch_command(*allocation, launcher, nodes, command);
    where = fmt::format("on {} nodes", nodes.size());
  }
  const CommandResult probe = run_command(command, std::chrono::seconds(120));
  std::size_t num_told = 0;
  std::size_t begin = 0;
  for (std::size_t end; (end = probe.output.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const Json line = Json::parse(probe.output.substr(begin, end - begin), nullptr, false);
    if (!line.is_object() || !line.contains("found")) continue;
    findings.push_back({line.value("ok", false) ? Grade::kOk : Grade::kWrong, line.value("what", ""),
                        line.value("found", ""), line.value("to_do", "")});
    ++num_told;
  }
  if (probe.exit_code == 0 && num_told > 0) return;
  std::string by_hand;
  for (const std::string& word : command) by_hand += (by_hand.empty() ? "" : " ") + shell_quoted(word);
  findings.push_back({Grade::kWrong, "ranks",
                      probe.exit_code == 124
                          ? fmt::format("nothing {} within two minutes", where)
                          : fmt::format("ended with {} {}: {}", probe.exit_code, where, last_line(probe.all())),
                      "to see all it says: " + by_hand});
}

}  // namespace

int doctor(const DoctorArgs& args) {
  Findings findings;
  Site site;
  const fs::path folder = fs::absolute(args.folder).lexically_normal();
  look_at_site(findings, site);
  const bool slurm_answers = look_at_slurm(findings, site);
  look_at_launcher(findings, site, slurm_answers);
  look_at_gpus(findings);
  look_at_limits(findings, folder);
  look_at_ranks(findings, site, folder);

  constexpr std::array kWords{"ok", "warning", "wrong"};
  bool is_wrong = false;
  Json json{{"findings", Json::array()}};
  for (const Finding& finding : findings) {
    const char* grade = kWords[static_cast<std::size_t>(finding.grade)];
    is_wrong |= finding.grade == Grade::kWrong;
    json["findings"].push_back(
        {{"grade", grade}, {"what", finding.what}, {"found", finding.found}, {"to_do", finding.to_do}});
    if (args.json) continue;
    fmt::print("{:<8} {:<16} {}\n", grade, finding.what, printable(finding.found));
    if (!finding.to_do.empty()) fmt::print("{:25} -> {}\n", "", printable(finding.to_do));
  }
  if (args.json) print_json(json);
  return is_wrong ? kExitFailed : kExitDone;
}

}  // namespace catenary::cli
