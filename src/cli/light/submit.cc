#include "cli/light/submit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/base/printable.h"
#include "cli/counted.h"
#include "cli/exit_code.h"
#include "cli/light/json.h"
#include "cli/light/write_file.h"
#include "cli/shell_quoted.h"
#include "cli/slurm/batch_script.h"
#include "cli/slurm/job_size.h"
#include "cli/slurm/process.h"
#include "cli/slurm/site.h"
#include "cli/study.h"

namespace catenary::cli {
namespace {

namespace fs = std::filesystem;

// From the signal to the time limit: a range is finished, the store is closed.
constexpr int kGraceSeconds = 120;

std::string this_program() {
  return fs::read_symlink("/proc/self/exe").string();
}

std::string beside(const fs::path& store, std::string_view extension) {
  return fs::path(store).replace_extension(extension).string();
}

void add_site_options(BatchScript& script, const Site& site) {
  if (!site.partition.empty()) script.options.emplace_back("partition", site.partition);
  if (!site.account.empty()) script.options.emplace_back("account", site.account);
  script.raw_options = site.sbatch;
  script.modules = site.modules;
  script.environment.assign(site.environment.begin(), site.environment.end());
}

BatchScript sweep_script(const SubmitArgs& args, const Site& site, const JobSize& size, const std::string& name,
                         const fs::path& spec, const fs::path& store) {
  BatchScript script;
  script.options = {{"job-name", name},
                    {"nodes", std::to_string(size.num_nodes + args.num_spare)},
                    {"ntasks-per-node", std::to_string(size.ranks_per_node)},
                    {"cpus-per-task", std::to_string(size.cpus_per_rank)},
                    {"time", slurm_time(size.limit_seconds)},
                    {"signal", fmt::format("B:USR1@{}", kGraceSeconds)},
                    {"output", output_pattern(beside(store, ".log"))},
                    {"open-mode", "append"},
                    {"no-kill", ""},
                    {site.requeue ? "requeue" : "no-requeue", ""}};
  if (size.gpus_per_node > 0) script.options.emplace_back("gpus-per-node", std::to_string(size.gpus_per_node));
  if (size.mib_per_node > 0) script.options.emplace_back("mem", fmt::format("{}M", size.mib_per_node));
  add_site_options(script, site);

  auto& command = script.command;
  command = {this_program(), "supervise", fmt::format("--grace={}", kGraceSeconds)};
  if (site.requeue) command.emplace_back("--requeue");
  if (args.num_spare > 0) command.push_back(fmt::format("--spare={}", args.num_spare));
  for (const std::string& word : site.launcher) command.push_back("--launcher=" + word);
  command.insert(command.end(), {"--", spec.string(), "-o", store.string(), "--device",
                                 size.gpus_per_node > 0          ? "cuda"
                                 : args.compute.device == "auto" ? "cpu"
                                                                 : args.compute.device});
  if (args.compute.num_threads > 0)
    command.insert(command.end(), {"--threads", std::to_string(args.compute.num_threads)});
  if (args.compute.memory_budget_bytes) {
    command.insert(command.end(), {"--memory-budget", std::to_string(*args.compute.memory_budget_bytes) + "B"});
  }
  return script;
}

// A job of one task after the sweep's last job has ended.
BatchScript fit_script(const Site& site, const std::string& name, const fs::path& store) {
  BatchScript script;
  script.options = {{"job-name", name + " fit"},
                    {"nodes", "1"},
                    {"ntasks", "1"},
                    {"time", "30"},
                    {"output", output_pattern(beside(store, ".fit.log"))}};
  add_site_options(script, site);
  script.command = {this_program(), "fit", store.string(), "-o", beside(store, "")};
  return script;
}

std::string run_sbatch(const std::vector<std::string>& options, const std::string& script) {
  std::vector<std::string> command{"sbatch", "--parsable"};
  command.insert(command.end(), options.begin(), options.end());
  command.push_back(script);
  const CommandResult result = run_command(command);
  const std::size_t line = result.output.find_last_of('\n', result.output.size() - 2);
  const std::string last = result.output.substr(line == std::string::npos ? 0 : line + 1);
  const std::string job_id = last.substr(0, last.find_first_not_of("0123456789"));
  if (result.exit_code != 0 || job_id.empty()) {
    const std::string said = result.all();
    throw Error(fmt::format("sbatch {}: {}", script, said.substr(0, said.find_last_not_of('\n') + 1)));
  }
  return job_id;
}

// Slurm's ids of the jobs.
struct Submitted {
  std::vector<std::string> sweep;  // each goes on with what the one before it left undone
  std::string fit;                 // empty: none asked for
};

// What a job leaves undone the next one does: after the time limit where jobs are not requeued, and always after the
// death of the node on which the batch script ran. A job that finished takes those after it out of the queue.
int number_of_jobs(const SubmitArgs& args, const Site& site, const JobSize& size) {
  return args.num_jobs > 0 ? args.num_jobs : 1 + (site.requeue ? 1 : size.num_jobs);
}

// Two jobs of one store are no harm, but the later one finds it locked and fails.
void warn_of_jobs_with(const std::string& script) {
  const CommandResult queue = run_command({"squeue", "--me", "--noheader", "--format=%i %o"});
  std::istringstream lines(queue.exit_code == 0 ? queue.output : "");
  std::vector<std::string> jobs;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t space = line.find(' ');
    if (space != std::string::npos && line.substr(space + 1) == script) jobs.push_back(line.substr(0, space));
  }
  if (jobs.empty()) return;
  log::warning(fmt::format("in the queue already for this store: job {}; while one writes it, another fails",
                           fmt::join(jobs, " ")));
}

Submitted hand_in(const fs::path& store, int num_jobs, bool fit) {
  Submitted result;
  warn_of_jobs_with(beside(store, ".sbatch"));
  try {
    for (int i = 0; i < num_jobs; ++i) {
      std::vector<std::string> options;
      if (i > 0) options = {"--dependency=afternotok:" + result.sweep.back(), "--kill-on-invalid-dep=yes"};
      result.sweep.push_back(run_sbatch(options, beside(store, ".sbatch")));
    }
    if (fit) result.fit = run_sbatch({"--dependency=afterany:" + result.sweep.back()}, beside(store, ".fit.sbatch"));
  } catch (const Error& e) {
    if (result.sweep.empty()) throw;
    throw Error(fmt::format("{}\nin the queue already: job {}", e.what(), fmt::join(result.sweep, " ")));
  }
  return result;
}

void log_predictions(const JobSize& size) {
  for (const Prediction& on : size.predictions) {
    log::info(fmt::format("{} x {}, predicted: {:.0f} min, {:.1f} node-hours, ranks busy {:.0f} %",
                          counted(on.num_nodes, "node"), counted(size.ranks_per_node, "rank"),
                          std::ceil(on.seconds / 60), on.seconds / 3600 * on.num_nodes, 100 * on.utilization));
  }
}

void print_text(const Submitted& submitted, const fs::path& store) {
  const std::vector<std::string>& sweep = submitted.sweep;
  std::vector<std::string> all = sweep;
  fmt::print("\njob {}\n", sweep.front());
  if (sweep.size() > 1) {
    fmt::print("to go on if it does not finish: {}\n", fmt::join(sweep.begin() + 1, sweep.end(), " "));
  }
  if (!submitted.fit.empty()) {
    fmt::print("then catenary fit: {}\n", submitted.fit);
    all.push_back(submitted.fit);
  }
  fmt::print("watch: tail -F {}\n       {} status {}\n       squeue -j {}\nstop:  scancel {}\n",
             printable(shell_quoted(beside(store, ".log"))), this_program(), printable(shell_quoted(store.string())),
             fmt::join(all, ","), fmt::join(all, " "));
}

Json to_json(const JobSize& size, const Submitted& submitted, const std::string& script, const fs::path& store) {
  Json predictions = Json::array();
  for (const Prediction& on : size.predictions) {
    predictions.push_back({{"nodes", on.num_nodes},
                           {"makespan_seconds", on.seconds},
                           {"utilization", on.utilization},
                           {"node_hours", on.seconds / 3600 * on.num_nodes}});
  }
  return {{"jobs", submitted.sweep},
          {"fit_job", submitted.fit.empty() ? Json() : Json(submitted.fit)},
          {"store", store.string()},
          {"log", beside(store, ".log")},
          {"script", script},
          {"nodes", size.num_nodes},
          {"ranks_per_node", size.ranks_per_node},
          {"cpus_per_rank", size.cpus_per_rank},
          {"gpus_per_node", size.gpus_per_node},
          {"limit_seconds", size.limit_seconds},
          {"predictions", std::move(predictions)}};
}

}  // namespace

int submit(const SubmitArgs& args) {
  Site site = read_site();
  if (args.partition) site.partition = *args.partition;
  if (args.account) site.account = *args.account;
  const std::string time = args.time.value_or(site.time);
  const auto limit_seconds = parse_slurm_time(time.empty() ? "0" : time);
  if (!limit_seconds || (args.time && *limit_seconds <= kGraceSeconds)) {
    throw SpecError(
        fmt::format("--time \"{}\": expected more than {} seconds, such as 90 (minutes), 12:00:00 or 2-00:00:00", time,
                    kGraceSeconds));
  }
  const Study study = read_study(args.spec);
  const fs::path spec = fs::absolute(args.spec);
  const fs::path store = fs::absolute(args.store.value_or(args.spec.filename().replace_extension(".h5")));
  const JobSize size = size_job(work_of(study), find_partition(site), site,
                                {.num_nodes = args.num_nodes,
                                 .num_spare = args.num_spare,
                                 .ranks_per_node = args.ranks_per_node,
                                 .threads_per_rank = args.compute.num_threads,
                                 .use_gpus = args.compute.device != "cpu",
                                 .limit_seconds = *limit_seconds});
  const std::string script = sweep_script(args, site, size, study.spec.name, spec, store).text();
  if (!args.json) {
    fmt::print("{}", printable_lines(script));
    log_predictions(size);
  }
  Submitted submitted;
  if (!args.dry_run) {
    write_file(beside(store, ".sbatch"), script);
    if (args.fit) write_file(beside(store, ".fit.sbatch"), fit_script(site, study.spec.name, store).text());
    submitted = hand_in(store, number_of_jobs(args, site, size), args.fit);
  }
  if (args.json) {
    print_json(to_json(size, submitted, script, store));
  } else if (!args.dry_run) {
    print_text(submitted, store);
  }
  return kExitDone;
}

}  // namespace catenary::cli
