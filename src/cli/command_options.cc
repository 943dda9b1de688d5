#include "cli/command_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cctype>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/to_number.h"
#include "catenary/scheduler/cost.h"
#include "catenary/task/known_task.h"

namespace catenary::cli {

// CLI11's own message does not say which word it did not know.
void require_one_of(CLI::App& app, const std::string& what) {
  app.require_subcommand(0, 1);
  app.allow_extras();
  app.callback([&app, what] {
    const auto words = app.remaining();
    if (!app.get_subcommands().empty() && words.empty()) return;
    std::string names;
    for (const CLI::App* known : app.get_subcommands({})) {
      if (known->get_group().empty()) continue;
      const std::string text = known->get_description();
      names += fmt::format("\n  {:28}  {}", known->get_name(), text.substr(0, text.find(". ")));
    }
    throw CLI::ValidationError(fmt::format("{}; expected one of{}",
                                           words.empty() ? fmt::format("no {} is named", what)
                                           : words[0].starts_with('-')
                                               ? fmt::format("there is no option {}", words[0])
                                               : fmt::format("no {} is called \"{}\"", what, words[0]),
                                           names));
  });
}

using analysis::Scale;

namespace {

constexpr double kAboveZero = std::numeric_limits<double>::min();

// An option's value must be a whole number in a range; CLI11's own message prints the range as floating point.
CLI::Validator whole_number(std::int64_t min, std::int64_t max = std::numeric_limits<std::int64_t>::max()) {
  const std::string expected = max == std::numeric_limits<std::int64_t>::max()
                                   ? fmt::format("a whole number of at least {}", min)
                                   : fmt::format("a whole number from {} to {}", min, max);
  return CLI::Validator(
      [=](std::string& text) {
        const auto value = to_number<std::int64_t>(text);
        const bool fits = value && *value >= min && *value <= max;
        return fits ? std::string() : fmt::format("expected {}, found \"{}\"", expected, text);
      },
      "");
}

// The same for a number, which a measurement's infinity or NaN is not.
CLI::Validator finite_number(double min, double max = std::numeric_limits<double>::max()) {
  const std::string expected = max < std::numeric_limits<double>::max()
                                   ? fmt::format("a number from {} to {}", min, max)
                               : min == kAboveZero ? "a number above 0"
                                                   : fmt::format("a number of at least {}", min);
  return CLI::Validator(
      [=](std::string& text) {
        const auto value = to_number<double>(text);
        const bool fits = value && *value >= min && *value <= max;
        return fits ? std::string() : fmt::format("expected {}, found \"{}\"", expected, text);
      },
      "");
}

// A size in bytes; a bare number would be some bytes where somebody means gigabytes.
CLI::Validator size_with_unit() {
  return CLI::Validator(
      [](std::string& text) {
        std::string found = fmt::format("expected a number and its unit, such as 8GiB or 512MiB, found \"{}\"", text);
        if (text.empty() || std::isalpha(static_cast<unsigned char>(text.back())) == 0) return found;
        try {
          return CLI::AsSizeValue(/*kb_is_1000=*/false)(text).empty() ? std::string() : found;
        } catch (const CLI::ValidationError&) {
          return found;
        }
      },
      "");
}

void add_compute_options(CLI::App& app, ComputeArgs& args) {
  app.add_option("--device", args.device, "Where to compute: auto, cpu or cuda (one GPU a rank)")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  app.add_option(
         "--threads", args.num_threads,
         "Threads a rank; default those of the store that goes on, else OMP_NUM_THREADS, else the rank's share of "
         "the cores")
      ->check(whole_number(1, 1024));
  app.add_option("--memory-budget", args.memory_budget_bytes,
                 "Memory a rank may take for weights and batches, such as 8GiB; default: its share of what is free. A "
                 "model that does not fit is read a layer at a time while it computes. Less than batches like to have "
                 "makes them smaller, which can change last bits")
      ->transform(size_with_unit())
      ->type_name("SIZE");
}

void add_store(CLI::App& app, std::filesystem::path& store) {
  app.add_option("STORE", store, "The store of a sweep (.h5)")->required();
}

}  // namespace

void add_options(CLI::App& app, RunArgs& args) {
  app.add_option("SWEEP", args.spec, "The sweep spec (.json)")->required();
  app.add_option("-o,--output", args.store, "The store to write, or to go on with (.h5)")->required();
  add_compute_options(app, args.compute);
  app.add_option(
      "--reuse", args.writing.reuse,
      "Stores of earlier sweeps (repeat the option): what they hold of the same weights, items, condition and "
      "numerics is taken over");
  app.add_option_function<std::string>(
         "--durability",
         [&args](const std::string& word) {
           args.writing.durability = word == "none"  ? store::Durability::kNone
                                     : word == "end" ? store::Durability::kEnd
                                                     : store::Durability::kRange;
         },
         "When results are synced to the disk, against loss of power: none, end (of the run; the default) or range "
         "(each "
         "range's values before it counts as done)")
      ->check(CLI::IsMember({"none", "end", "range"}));
  app.add_option_function<std::string>(
      "--part",
      [&args](const std::string& text) {
        const std::size_t slash = text.find('/');
        const auto number = [](std::string word) {
          return whole_number(1, 10000)(word).empty() ? to_number<int>(word).value() : 0;
        };
        args.part_index = number(text.substr(0, slash));
        args.num_parts = slash == std::string::npos ? 0 : number(text.substr(slash + 1));
        if (args.part_index < 1 || args.part_index > args.num_parts) {
          throw CLI::ValidationError("--part", fmt::format("expected a part such as 3/6, found \"{}\"", text));
        }
      },
      "3/6: only the models number 3, 9, 15, ... of the spec; `catenary merge` joins the parts' stores");
  app.add_option("--leave-out", args.left_out, "Record the unit with this id as failed instead of computing it")
      ->allow_extra_args(false);
  app.footer(
      "Scores every model x task x condition of the spec. If the store is there already, goes on with it; a spec with\n"
      "more models, tasks or conditions than the store extends it.\n\n"
      "Examples:\n"
      "  catenary run jobs/demo.json -o demo.h5\n"
      "  mpirun -n 4 catenary run jobs/demo.json -o demo.h5 --threads 1\n\n"
      "To stop early, send SIGUSR1 to mpirun (or SIGINT, SIGTERM or SIGUSR1 to a sweep without mpirun): what is in "
      "hand is\n"
      "finished and stored, and the exit code is 75. mpirun ends its ranks a second after Ctrl-C; then the ranges in "
      "hand are\n"
      "computed again next time. Nothing stored is lost either way.\n");
}

void add_options(CLI::App& app, SuperviseArgs& args) {
  app.add_option("RUN", args.run_words, "After --: SWEEP.json -o STORE.h5, and what else `catenary run` takes")
      ->required();
  app.add_option("--launcher", args.launcher,
                 "A word of what starts the ranks; default: --launcher=srun --launcher=--mpi=pmix")
      ->allow_extra_args(false);
  app.add_option("--spare", args.num_spare, "Nodes of the job that wait for others to die")->check(whole_number(0));
  app.add_flag("--requeue", args.requeue,
               "Put the job back into the queue when it is stopped before the sweep is done");
  app.add_option("--grace", args.grace_seconds, "Seconds from SIGUSR1 to the time limit, as in #SBATCH --signal")
      ->check(whole_number(20))
      ->capture_default_str();
  app.add_option("--tries", args.max_tries, "Starts in a row without progress after which to give up")
      ->check(whole_number(1))
      ->capture_default_str();
  app.footer(
      "The one command of a batch script: runs the sweep on the nodes of the job, starts it again when a rank or a "
      "node\n"
      "dies, stops it when Slurm asks to. docs/slurm.md has the rules.\n\n"
      "Example:\n  exec catenary supervise --requeue -- jobs/demo.json -o demo.h5 --threads 1\n");
}

void add_options(CLI::App& app, SubmitArgs& args) {
  app.add_option("SWEEP", args.spec, "The sweep spec (.json)")->required();
  app.add_option("-o,--output", args.store, "The store (.h5); default: the name of the spec's file, in this folder");
  app.add_option("--nodes", args.num_nodes, "Nodes to compute on; default: what the simulator proposes")
      ->check(whole_number(1));
  app.add_option("--ranks-per-node", args.ranks_per_node, "Default: one a GPU; without GPUs one for each 8 cores")
      ->check(whole_number(1));
  app.add_option("--spare", args.num_spare, "Further nodes that wait for others to die")->check(whole_number(0));
  app.add_option("--jobs", args.num_jobs, "Jobs that go on with one another; default: as many as are needed")
      ->check(whole_number(1, 100));
  app.add_option("--time", args.time,
                 "Time limit of a job, as Slurm writes it; default: the site's, else the predicted");
  app.add_option("--partition", args.partition, "Default: the site's, else Slurm's");
  app.add_option("--account", args.account, "Default: the site's, else Slurm's");
  add_compute_options(app, args.compute);
  app.add_flag("--fit", args.fit, "Also submit a job that fits the curves once the sweep has ended");
  app.add_flag("--dry-run", args.dry_run, "Show the batch script; write and submit nothing");
  app.add_flag("--json", args.json, "One JSON object instead: the jobs' ids, their size, the script");
  app.footer(
      "Sizes a job for the sweep, writes its batch script beside the store, and hands it to Slurm. What holds for a\n"
      "cluster stands in a site file; docs/slurm.md says which.\n\n"
      "Examples:\n"
      "  catenary submit jobs/demo.json --dry-run\n"
      "  catenary submit jobs/demo.json --nodes 4 --spare 1 --time 2:00:00 --account lab --fit\n");
}

void add_options(CLI::App& app, NightlyArgs& args) {
  app.add_option("SWEEP", args.spec,
                 "The sweep spec; an entry {\"folder\": ...} of its models takes in new checkpoints")
      ->required();
  app.add_option("-o,--output", args.folder, "The folder that has a folder for each night")->required();
  app.add_option("--keep", args.num_kept, "Nights to keep; the last good one always stays; default 30")
      ->check(whole_number(1));
  app.add_option("--threshold", args.threshold, "A change for the worse up to this is none; default 0")
      ->check(finite_number(0));
  app.add_option("RUN", args.run_words, "After --: what else `catenary run` takes");
  app.footer(
      "Runs the sweep into a new store, taking over what earlier nights have computed; fits, writes the page, "
      "compares\n"
      "with the last good night, and sums up in summary.txt and summary.json. A night that was stopped is gone on "
      "with.\n"
      "Inside a Slurm job the sweep runs under `catenary supervise`. slurm/nightly.sbatch has lines for scrontab and "
      "cron.\n\n"
      "Exit code: 0 a good night; 3 something got worse or failed; others as those of `catenary run`.\n\n"
      "Example:\n  catenary nightly jobs/demo.json -o nights -- --threads 1\n");
}

void add_options(CLI::App& app, DoctorArgs& args) {
  app.add_option("FOLDER", args.folder, "Where stores will be written; default: this folder");
  app.add_flag("--json", args.json, "One JSON object instead of lines");
  app.footer(
      "Each line is ok, warning or wrong, with what to do. Inside a Slurm job MPI, devices and the store are tried on "
      "all\n"
      "of its nodes, outside in one process. Exit code 1 if something is wrong.\n\n"
      "Examples:\n  catenary doctor /scratch/me\n  salloc -N 2 catenary doctor /scratch/me\n");
}

void add_options(CLI::App& app, ProbeArgs& args) {
  app.group("");  // not shown: doctor starts it
  app.add_option("FOLDER", args.folder)->required();
}

namespace {

CLI::Option* add_condition(CLI::App& app, spec::ConditionSpec& condition, spec::TaskSpec& task) {
  app.add_option("--exemplars", task.exemplars, "File of exemplars; default: the other items");
  return app.add_option_function<std::string>(
      "--condition", [&condition](const std::string& text) { condition = spec::parse_condition(text); },
      "A kind (zero_shot, instruct, ...) or an object as in a spec; default: zero_shot");
}

// What tells how a task file is to be read.
void add_task_options(CLI::App& app, spec::TaskSpec& task) {
  app.add_option("TASK", task.path, "A task file: .jsonl, .csv, BIG-bench's .json, ... (docs/tasks.md)")->required();
  app.add_option_function<std::string>(
         "--format", [&task](const std::string& word) { task.format = spec::parse_task_format(word); },
         "classification, sequence_prob, logodds, absolute_logodds or numeric; default: what the items' fields say")
      ->check(CLI::IsMember({"classification", "sequence_prob", "logodds", "absolute_logodds", "numeric"}));
  app.add_option_function<std::string>(
      "--fields", [&task](const std::string& text) { task.fields = spec::parse_fields(text); },
      "How another project's JSONL maps to ours, as \"fields\" of a spec's task");
}

}  // namespace

void add_options(CLI::App& app, ScoreArgs& args) {
  args.condition.name = "--few-shot";
  app.add_option("MODEL", args.model, "A Hugging Face folder or a .gguf file")->required();
  add_task_options(app, args.task);
  CLI::Option* few_shot =
      app.add_option("--few-shot", args.condition.k, "Exemplars before each item, drawn from the same file")
          ->check(whole_number(0))
          ->excludes(add_condition(app, args.condition, args.task));
  app.add_option("--seed", args.condition.seed, "Which exemplars are drawn; default 0")
      ->check(whole_number(0))
      ->needs(few_shot);
  app.add_option("--separator", args.condition.separator, "Text after each exemplar; default: an empty line")
      ->needs(few_shot);
  app.add_flag_callback(
      "--per-item", [&args] { args.condition.exemplars = spec::Exemplars::kPerItem; },
      "Draw exemplars anew for each item");
  app.add_option("--limit", args.task.limit, "Score that many items")->check(whole_number(1));
  app.add_option("--offset", args.task.offset, "First item scored, from 0")->check(whole_number(0));
  app.add_option_function<std::string>(
         "--dtype", [&args](const std::string& word) { args.dtype = spec::parse_dtype(word); },
         "Of weights and activations: float32, bfloat16 or float16; default float32")
      ->check(CLI::IsMember({"float32", "bfloat16", "float16"}));
  add_compute_options(app, args.compute);
  app.callback([&args, few_shot] {
    if (few_shot->count() > 0) args.condition.few_shot = args.condition.k > 0;
    args.task.name = args.task.path.stem().string();
  });
  app.footer(
      "Prints a JSON line an item: item, class_logprobs (nats), n_tokens, greedy; and to standard error the means of\n"
      "what they say. Ranks that mpirun or srun starts hold the model together.\n\n"
      "Examples:\n"
      "  catenary score jobs/demo/models/demo-13k jobs/demo/tasks/memory-trap.jsonl --limit 3\n"
      "  catenary score SmolLM2-135M-Instruct.Q4_1.gguf neqa.jsonl --few-shot 5 --dtype bfloat16\n"
      "  catenary score SmolLM2-135M-Instruct.Q4_1.gguf neqa.csv --condition instruct\n"
      "  mpirun -n 2 catenary score jobs/demo/models/demo-360k jobs/demo/tasks/recall.jsonl --limit 3\n");
}

void add_options(CLI::App& app, StatusArgs& args) {
  add_store(app, args.store);
  app.add_flag("--verify", args.verify, "Also read every result and compare it with its checksum");
  CLI::Option* watch =
      app.add_flag("--watch", args.watch,
                   "Look again every 2 s, where the output is no terminal every minute, until nothing is pending");
  app.add_flag("--json", args.json, "One JSON object instead of a table, with every unit and run")->excludes(watch);
  app.footer(
      "Works while a sweep writes. With --verify the exit code is 3 if something is damaged; the next `catenary run`\n"
      "computes it again.\n\nExamples:\n  catenary status demo.h5\n  catenary status demo.h5 --verify\n  catenary "
      "status demo.h5 --watch\n");
}

void add_options(CLI::App& app, ExportArgs& args) {
  add_store(app, args.store);
  app.add_option("--format", args.format,
                 "csv: a row an item with its metrics, as `catenary fit` reads it; jsonl: a "
                 "JSON object an item with all that is stored; lm-eval: the results and samples files of "
                 "lm-evaluation-harness, in a folder; default csv")
      ->check(CLI::IsMember({"csv", "jsonl", "lm-eval"}));
  app.add_option("-o,--output", args.output, "The file or folder to write; default: standard output");
  app.footer(
      "Items that are not done are left out, and counted on standard error.\n\n"
      "Examples:\n"
      "  catenary export demo.h5 -o demo.csv\n"
      "  catenary export demo.h5 --format jsonl | head -n 3\n"
      "  catenary export demo.h5 --format lm-eval -o results\n");
}

void add_options(CLI::App& app, MergeArgs& args) {
  app.add_option("STORE", args.stores, "Stores of parts of a study (.h5)")->required()->expected(2, -1);
  app.add_option("-o,--output", args.output, "The store to make; must not be there yet")->required();
  app.footer(
      "Joins models, tasks and conditions of the stores and takes over every result. Stores that contradict each "
      "other\n"
      "are refused, with what differs.\n\n"
      "Example:\n"
      "  catenary merge small-models.h5 large-models.h5 -o study.h5\n");
}

namespace {

void add_bootstrap_options(CLI::App& app, analysis::ReportOptions& options) {
  app.add_option("--replicates", options.num_replicates, "Of the bootstrap over items; default 1000")
      ->check(whole_number(100, 1000000));
  app.add_option("--seed", options.seed, "Of the bootstrap; default 0")->check(whole_number(0));
}

}  // namespace

void add_options(CLI::App& app, FitArgs& args) {
  app.add_option("SOURCE", args.source,
                 "The store of a sweep (.h5), a table (.csv), or a folder of lm-evaluation-harness results")
      ->required();
  app.add_option("--models", args.models, "For a folder: a CSV file model, family, num_parameters, training_tokens");
  app.add_option_function<std::string>(
         "--scale",
         [&args](const std::string& word) {
           args.scale = word == "flops" ? Scale::kTrainingFlops : Scale::kParameters;
         },
         "The horizontal axis: parameters (the default) or flops (training FLOPs)")
      ->check(CLI::IsMember({"parameters", "flops"}));
  app.add_option("--metric", args.metrics, "accuracy, loss, log_odds or a table's own; default: accuracy and loss")
      ->delimiter(',');
  app.add_option("--lower-is-better", args.lower_is_better, "Metrics that are better when lower")->delimiter(',');
  app.add_option("--compare", args.compare,
                 "condition:A,B or family:A,B or task:A,B: A minus B at each size. Default: conditions with the first")
      ->check([](const std::string& text) {
        const auto colon = text.find(':'), comma = text.find(',');
        const std::string kind = text.substr(0, colon);
        const bool fits = (kind == "condition" || kind == "family" || kind == "task") && comma != std::string::npos &&
                          comma > colon + 1 && comma + 1 < text.size();
        return fits ? std::string() : fmt::format("expected condition:A,B, family:A,B or task:A,B, found \"{}\"", text);
      });
  app.add_option("--chance", args.report.chance,
                 "Accuracy of guessing, the floor of the logistic curve; default: from the store, else 0")
      ->check(finite_number(0, 0.99));
  app.add_option("--hold-out", args.report.num_held_out,
                 "Also predict that many largest sizes from the smaller ones, of which five must be left")
      ->check(whole_number(0, 1000));
  app.add_option("--forecast", args.report.forecast_scales, "Also predict the value at these scales")
      ->delimiter(',')
      ->check(finite_number(kAboveZero));
  add_bootstrap_options(app, args.report);
  app.add_option("-o,--output", args.output, "Also write points.csv, fit.csv, fit.json and fit.tex into this folder");
  app.add_flag("--json", args.json, "One JSON object instead of a table");
  app.footer(
      "Fits a curve to each task x condition x family and says whether the task improves with scale (positive), gets\n"
      "worse (inverse), dips and recovers (u_shaped), rises and falls (inverted_u), stays (flat), or what the data do\n"
      "not tell (inconclusive). docs/analysis.md says how, and what tables look like.\n\n"
      "Examples:\n"
      "  catenary fit demo.h5\n"
      "  catenary fit demo.h5 --metric accuracy --scale flops -o fits\n"
      "  catenary fit results.csv --hold-out 2 --forecast 1e12\n");
}

void add_options(CLI::App& app, ReportArgs& args) {
  app.add_option("SOURCE", args.source,
                 "The store of a sweep (.h5), a table (.csv), or a folder of lm-evaluation-harness results")
      ->required();
  app.add_option("-o,--output", args.output, "The page to write (.html)")->required();
  app.add_option("--figures", args.figures,
                 "Also write figures against parameters into this folder, as SVG, PDF and PNG: a "
                 "column wide for each task, two columns for an overview. Needs gnuplot");
  app.add_option("--models", args.models, "For a folder: a CSV file model, family, num_parameters, training_tokens");
  add_bootstrap_options(app, args.report);
  app.footer(
      "Writes one HTML file that opens anywhere, offline: every curve with its verdict, and of a store the items "
      "behind\n"
      "every point. The texts of items come from the task files; of a large store the page has a sample.\n\n"
      "Examples:\n"
      "  catenary report demo.h5 -o demo.html\n"
      "  catenary report demo.h5 -o demo.html --figures figures\n");
}

void add_options(CLI::App& app, CompareArgs& args) {
  app.add_option("OLD", args.before, "Store or long table before")->required();
  app.add_option("NEW", args.after, "Store or long table after")->required();
  app.add_option("--threshold", args.options.threshold,
                 "A change for the worse up to this is none: accuracy as a fraction, loss in nats; default 0")
      ->check(finite_number(0));
  app.add_option("--level", args.options.level, "Chance of a false alarm among all tests; default 0.05")
      ->check(finite_number(1e-12, 0.5));
  app.add_option("-o,--output", args.output, "Also write an HTML page");
  app.add_flag("--json", args.json, "One JSON object instead of a table");
  app.footer(
      "Compares item by item what both have: McNemar's exact test for accuracy, paired bootstrap for loss, Holm over "
      "all.\nExit code 3 if something got worse or is not measured any more, 2 if there is nothing to "
      "compare.\n\nExample:\n  catenary compare monday.h5 tuesday.h5 --threshold "
      "0.01\n");
}

void add_options(CLI::App& app, ModelsInspectArgs& args) {
  app.add_option("MODEL", args.model, "A Hugging Face folder or a .gguf file")->required();
  app.add_option("--context", args.num_tokens_seen,
                 "Tokens that attention's FLOPs are given for; default 1024, or the model's context if shorter")
      ->check(whole_number(1));
  app.add_flag("--json", args.json, "One JSON object instead of a table");
  app.footer(
      "Reads headers only: family, parameters, sizes, tokenizer, chat template, FLOPs of a forward pass, and what a\n"
      "rank holds at each tensor-parallel size. docs/models.md defines the numbers.\n\n"
      "Examples:\n"
      "  catenary models inspect jobs/demo/models/demo-13k\n"
      "  catenary models inspect /models/Qwen2.5-7B --context 32768\n"
      "  catenary models inspect SmolLM2-135M-Instruct.Q4_1.gguf --json\n");
}

void add_options(CLI::App& app, ModelsListArgs& args) {
  app.add_option("NAME", args.name, "Only ladders and models with this in their names");
  app.add_flag("--json", args.json, "One JSON object instead of a table, with the sources of the figures");
  app.footer(
      "Public ladders with the parameters and training tokens that their papers and\n"
      "model cards state; \"-\" is not stated. A sweep spec can name a ladder and the\n"
      "folder below which its models lie:\n"
      "  \"models\": [\n"
      "    {\"ladder\": \"pythia\", \"root\": \"/hub\", \"members\": [\"pythia-70m\", \"pythia-1b\"]},\n"
      "    {\"ladder\": \"qwen2.5\", \"root\": \"/hub\", \"kind\": \"instruct\"}]\n\n"
      "Examples:\n"
      "  catenary models list\n"
      "  catenary models list pythia\n"
      "  catenary models list qwen --json\n");
}

void add_options(CLI::App& app, TasksListArgs& args) {
  app.add_flag("--json", args.json, "One JSON object instead of a table");
  app.footer("What the literature found, and why; docs/tasks-generated.md has examples and sources.\n");
}

// Each task is a subcommand, so that it has its own difficulty parameters and its own --help.
void add_options(CLI::App& app, TasksGenerateArgs& args) {
  app.footer(
      "A task's --help shows its difficulty parameters.\n\n"
      "Examples:\n"
      "  catenary tasks generate redefine --n 1000 --seed 7 -o redefine.jsonl\n"
      "  catenary tasks generate redefine --n 1000 --seed 7 -o redefine-control.jsonl --control\n");
  for (const task::KnownTask& known : task::known_tasks()) {
    const std::string name(known.name);
    CLI::App* task_app = app.add_subcommand(name, std::string(known.summary));
    task_app->add_option("--n", args.task.num_items, "Items")->required()->check(whole_number(1, 1'000'000));
    task_app->add_option("--seed", args.task.seed, "Which items; default 0")->check(whole_number(0));
    task_app->add_flag("--control", args.task.control, "The same items without the trap, line by line");
    task_app->add_option("-o,--output", args.output, "The file to write (.jsonl); default: standard output");
    for (const task::Setting& setting : known.settings) {
      task_app
          ->add_option_function<int>(
              fmt::format("--{}", setting.name),
              [&args, key = std::string(setting.name)](int value) { args.task.settings[key] = value; },
              fmt::format("{}; {} to {}, default {}", setting.meaning, setting.min, setting.max, setting.default_value))
          ->check(whole_number(setting.min, setting.max));
    }
    task_app->callback([&args, name] { args.task.name = name; });
  }
  require_one_of(app, "task");
}

namespace {

std::vector<std::string_view> gpu_names() {
  std::vector<std::string_view> names;
  for (const auto& kind : scheduler::device_kinds()) names.push_back(kind.name);
  return names;
}

// "nodes=1250,gpus=8,gpu=h100".
SimulateArgs parse_machine(const std::string& text) {
  SimulateArgs machine;
  std::size_t begin = 0;
  const auto fail = [&](const std::string& what) { throw CLI::ValidationError("--simulate", what); };
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const std::size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
    const auto checked = [&](const CLI::Validator& validator) {
      const std::string problem = validator(value);
      if (!problem.empty()) fail(fmt::format("{}: {}", key, problem));
      return to_number<double>(value).value();
    };
    if (key == "nodes") {
      machine.num_nodes = static_cast<int>(checked(whole_number(1, 100000)));
    } else if (key == "gpus") {
      machine.gpus_per_node = static_cast<int>(checked(whole_number(1, 64)));
    } else if (key == "gpu") {
      machine.gpu = value;
      if (scheduler::find_device_kind(value) == nullptr) {
        fail(fmt::format("gpu: expected one of {}, found \"{}\"", fmt::join(gpu_names(), ", "), value));
      }
    } else if (key == "efficiency") {
      machine.efficiency = checked(finite_number(0.001, 1));
    } else if (key == "load") {
      machine.load_gigabytes_per_second = checked(finite_number(0.001, 1000));
    } else {
      fail(fmt::format("expected nodes=, gpus=, gpu=, efficiency= or load=, found \"{}\"", part));
    }
    begin = end + 1;
  }
  return machine;
}

}  // namespace

void add_options(CLI::App& app, PlanArgs& args) {
  app.add_option("SWEEP", args.spec, "The sweep spec (.json), or with --simulate a workload (docs/scheduler.md)")
      ->required();
  CLI::Option* machine =
      app.add_option_function<std::string>(
             "--simulate", [&args](const std::string& text) { args.simulate = parse_machine(text); },
             fmt::format("Play the sweep on a machine that is not there, such as nodes=1250,gpus=8,gpu=h100 (gpus and "
                         "gpu are those if not given). GPUs: {}; "
                         "efficiency=0.4 (of the GPU's FLOPs) and load=2 (GB/s a GPU) can be given as measured",
                         fmt::join(gpu_names(), ", ")))
          ->type_name("nodes=N,gpus=N,gpu=NAME");
  // CLI11 looks at options in this order, and only then at what they need.
  app.add_flag_callback(
         "--compare",
         [&args] {
           if (args.simulate) args.simulate->compare = true;
         },
         "Also other ways of dealing out the work, and wrong costs, slow nodes and a lost one")
      ->needs(machine);
  app.add_option_function<std::string>(
         "--gantt",
         [&args](const std::string& path) {
           if (args.simulate) args.simulate->gantt = path;
         },
         "Also draw which device runs which model when (.svg)")
      ->needs(machine);
  app.add_flag("--json", args.json, "One JSON object instead of a table");
  app.footer(
      "Checks the spec and every file that it names, and counts the tokens of each model x task x condition: those of\n"
      "all continuations with their prompts, and those that differ once prompts begin alike. Names the items that do\n"
      "not fit a model's context. With --simulate: how long the sweep takes on another machine, as the scheduler "
      "would\n"
      "run it, and what half or twice as many nodes change. Runs nothing.\n\n"
      "Examples:\n"
      "  catenary plan jobs/demo.json\n"
      "  catenary plan jobs/540b.json --simulate nodes=1250,gpus=8,gpu=h100 --gantt ladder.svg\n");
}

namespace {

// "4" or "4..9".
void parse_items(const std::string& text, TasksShowArgs& args) {
  const std::size_t dots = text.find("..");
  const auto parse = [&](std::string number) {
    const std::string problem = whole_number(0)(number);
    if (!problem.empty()) throw CLI::ValidationError("--items", "expected 4 or 4..9, found \"" + text + "\"");
    return to_number<std::int64_t>(number).value();
  };
  args.first_item = parse(text.substr(0, dots));
  args.last_item = dots == std::string::npos ? args.first_item : parse(text.substr(dots + 2));
}

}  // namespace

void add_options(CLI::App& app, TasksShowArgs& args) {
  add_task_options(app, args.task);
  args.condition.name = "zero_shot";
  add_condition(app, args.condition, args.task);
  app.add_option_function<std::string>(
      "--items", [&args](const std::string& text) { parse_items(text, args); }, "4, or 4..9; default: 0..2");
  CLI::Option* model = app.add_option("--model", args.model, "Whose chat template and tokenizer");
  app.add_flag("--tokens", args.tokens, "Show the tokens too")->needs(model);
  app.add_flag("--json", args.json, "A JSON object a line instead of text");
  app.footer(
      "Prints items exactly as a model will see them.\n\n"
      "Examples:\n"
      "  catenary tasks show memo-trap.jsonl --items 5\n"
      "  catenary tasks show neqa.csv --condition '{\"kind\": \"few_shot\", \"k\": 5, \"labels\": \"balanced\"}'\n"
      "  catenary tasks show neqa.csv --condition instruct --model SmolLM2-135M-Instruct.Q4_1.gguf --tokens\n");
}

void add_options(CLI::App& app, TasksImportArgs& args) {
  add_task_options(app, args.task);
  app.add_option("-o,--output", args.output, "The file to write; default: standard output");
  app.footer(
      "Checks a task file and writes it as Catenary's own JSONL (docs/tasks.md). Every malformed item is named.\n\n"
      "Examples:\n"
      "  catenary tasks import task.json -o task.jsonl\n"
      "  catenary tasks import arc.jsonl -o ours.jsonl --fields '{\"prompt\": \"Question: {{question}}\\nAnswer:\",\n"
      "      \"classes\": \"choices.text\", \"labels\": \"choices.label\", \"answer\": \"answerKey\"}'\n");
}

}  // namespace catenary::cli
