#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "catenary/analysis/regression.h"
#include "catenary/analysis/report.h"
#include "catenary/spec/sweep_spec.h"
#include "catenary/store/writer.h"

namespace catenary::cli {

/// Where a command computes.
struct ComputeArgs {
  std::string device = "auto";                      // auto, cpu, cuda
  int num_threads = 0;                              // per rank; 0: OMP_NUM_THREADS, else the rank's share of the cores
  std::optional<std::int64_t> memory_budget_bytes;  // per rank; default: the rank's share of what is free
};

/// catenary run SWEEP.json -o STORE.h5
struct RunArgs {
  std::filesystem::path spec;
  std::filesystem::path store;
  std::vector<std::string> left_out;  // ids of units that are recorded as failed instead of computed
  int part_index = 1, num_parts = 1;  // a part of the models, for arrays of jobs
  ComputeArgs compute;
  store::WriterOptions writing;
};

/// catenary supervise [options] -- SWEEP.json -o STORE.h5 [options of run]
struct SuperviseArgs {
  std::vector<std::string> run_words;  // what `catenary run` is given
  RunArgs run;                         // the same, parsed
  std::vector<std::string> launcher{"srun", "--mpi=pmix"};
  int num_spare = 0;        // nodes that wait for others to die
  bool requeue = false;     // put the job back into the queue when it is stopped
  int grace_seconds = 120;  // from the signal to the time limit
  int max_tries = 5;        // starts in a row without progress
};

/// catenary submit SWEEP.json
struct SubmitArgs {
  std::filesystem::path spec;
  std::optional<std::filesystem::path> store;  // default: the spec's name with .h5, in this folder
  int num_nodes = 0;                           // 0: from the plan
  int ranks_per_node = 0;                      // 0: one a GPU, or one for some cores
  int num_spare = 0;
  int num_jobs = 0;  // 0: one and one to go on, or as many as the time limit asks for
  std::optional<std::string> time, partition, account;
  ComputeArgs compute;
  bool fit = false;
  bool dry_run = false;
  bool json = false;
};

/// catenary nightly SWEEP.json -o FOLDER -- [options of run]
struct NightlyArgs {
  std::filesystem::path spec;
  std::filesystem::path folder;
  int num_kept = 30;
  double threshold = 0;
  std::vector<std::string> run_words;
};

/// catenary doctor [FOLDER]
struct DoctorArgs {
  std::filesystem::path folder = ".";  // where stores will be written
  bool json = false;
};

/// catenary-run probe FOLDER: what doctor starts on every rank.
struct ProbeArgs {
  std::filesystem::path folder;
};

/// catenary score MODEL TASK.jsonl
struct ScoreArgs {
  std::filesystem::path model;
  spec::TaskSpec task;
  spec::ConditionSpec condition;
  spec::DType dtype = spec::DType::kFloat32;
  ComputeArgs compute;
};

/// catenary status STORE.h5
struct StatusArgs {
  std::filesystem::path store;
  bool verify = false;
  bool watch = false;  // again and again until nothing is pending
  bool json = false;
};

/// catenary export STORE.h5
struct ExportArgs {
  std::filesystem::path store;
  std::string format = "csv";                   // csv, jsonl, lm-eval
  std::optional<std::filesystem::path> output;  // default: standard output
};

/// catenary merge A.h5 B.h5 … -o C.h5
struct MergeArgs {
  std::vector<std::filesystem::path> stores;
  std::filesystem::path output;
};

/// catenary fit STORE.h5|TABLE.csv|FOLDER
struct FitArgs {
  std::filesystem::path source;
  std::optional<std::filesystem::path> models;  // sizes of the models of a folder of results
  analysis::Scale scale = analysis::Scale::kParameters;
  std::vector<std::string> metrics;          // empty: accuracy and loss where they are, else all
  std::vector<std::string> lower_is_better;  // metrics whose direction the user knows better
  std::vector<std::string> compare;          // "condition:A,B", "family:A,B", "task:A,B"
  analysis::ReportOptions report;
  std::optional<std::filesystem::path> output;  // folder for points.csv, fit.csv, fit.json and fit.tex
  bool json = false;
};

/// catenary report STORE.h5|TABLE.csv|FOLDER
struct ReportArgs {
  std::filesystem::path source;
  std::optional<std::filesystem::path> models;  // sizes of the models of a folder of results
  analysis::ReportOptions report;
  std::filesystem::path output;                  // the page
  std::optional<std::filesystem::path> figures;  // folder for figures
};

/// catenary compare OLD NEW
struct CompareArgs {
  std::filesystem::path before, after;
  analysis::RegressionOptions options;
  std::optional<std::filesystem::path> output;  // an HTML page
  bool json = false;
};

/// catenary models inspect DIR|FILE
struct ModelsInspectArgs {
  std::filesystem::path model;
  std::optional<std::int64_t> num_tokens_seen;  // for attention's FLOPs; default: 1024, or the context if shorter
  bool json = false;
};

/// catenary models list [NAME]
struct ModelsListArgs {
  std::string name;  // part of a ladder's or model's name; empty: all
  bool json = false;
};

/// catenary tasks list
struct TasksListArgs {
  bool json = false;
};

/// catenary tasks generate NAME
struct TasksGenerateArgs {
  spec::GeneratedTask task;
  std::optional<std::filesystem::path> output;  // default: standard output
};

/// A machine that is not there.
struct SimulateArgs {
  int num_nodes = 1;
  int gpus_per_node = 8;
  std::string gpu = "h100";
  double efficiency = 0.4;               // of the GPU's FLOPs
  double load_gigabytes_per_second = 2;  // of each GPU
  bool compare = false;                  // with other ways of dealing out the work, and with what may go wrong
  std::optional<std::filesystem::path> gantt;
};

/// catenary plan SWEEP.json
struct PlanArgs {
  std::filesystem::path spec;
  std::optional<SimulateArgs> simulate;
  bool json = false;
};

/// catenary tasks show FILE
struct TasksShowArgs {
  spec::TaskSpec task;
  spec::ConditionSpec condition;
  std::int64_t first_item = 0;
  std::int64_t last_item = 2;                  // may lie beyond the end
  std::optional<std::filesystem::path> model;  // for its chat template and tokenizer
  bool tokens = false;
  bool json = false;
};

/// catenary tasks import FILE
struct TasksImportArgs {
  spec::TaskSpec task;
  std::optional<std::filesystem::path> output;  // default: standard output
};

/// The command that was typed, or the exit code of one that ended with parsing (--help, --version, a mistake).
using Command =
    std::variant<RunArgs, SuperviseArgs, SubmitArgs, NightlyArgs, DoctorArgs, ProbeArgs, ScoreArgs, StatusArgs,
                 ExportArgs, MergeArgs, FitArgs, ReportArgs, CompareArgs, PlanArgs, ModelsInspectArgs, ModelsListArgs,
                 TasksListArgs, TasksGenerateArgs, TasksShowArgs, TasksImportArgs, int>;

/// Parses a command line; prints help and mistakes itself. Under mpirun or srun the first process alone speaks and does
/// what is neither `run` nor `score`.
Command parse_args(int argc, char** argv);

}  // namespace catenary::cli
