#include "catenary/cli/args.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "catenary/base/check.h"
#include "catenary/base/to_number.h"
#include "cli/command_options.h"
#include "cli/environment.h"
#include "cli/exit_code.h"
#include "cli/version.h"
#include "cli/wrapped.h"

namespace catenary::cli {
namespace {

// Help in lines that an 80-column terminal holds; only examples may be longer.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(kFirstColumn); }

  std::string make_option_desc(const CLI::Option* option) const override {
    return wrapped(CLI::Formatter::make_option_desc(option), kLine - kFirstColumn);
  }
  std::string make_subcommand(const CLI::App* app) const override {
    std::stringstream line;
    CLI::detail::format_help(line, app->get_name(), wrapped(app->get_description(), kLine - kFirstColumn),
                             kFirstColumn);
    return line.str();
  }
  std::string make_footer(const CLI::App* app) const override {
    std::string rest = app->get_footer(), footer;
    while (!rest.empty()) {
      const std::size_t end = rest.find("\n\n");
      const std::string paragraph = rest.substr(0, end);
      footer += (footer.empty() ? "" : "\n") +
                (paragraph.find("\n  ") == std::string::npos ? wrapped(paragraph, kLine) : paragraph) + "\n";
      rest.erase(0, end == std::string::npos ? end : end + 2);
    }
    return footer;
  }

 private:
  static constexpr std::size_t kFirstColumn = 28, kLine = 80;
};

// The commands with their arguments.
class Commands {
 public:
  template <class Args>
  void add(CLI::App& parent, const std::string& name, const std::string& description) {
    CLI::App* app = parent.add_subcommand(name, description);
    const auto args = std::make_shared<Args>();
    add_options(*app, *args);
    commands_.emplace_back(app, [args] { return Command(*args); });
  }

  // After parsing.
  Command typed() const {
    for (const auto& [app, args] : commands_) {
      if (app->parsed()) return args();
    }
    check(false, "a command is typed");
    return 0;
  }

 private:
  std::vector<std::pair<CLI::App*, std::function<Command()>>> commands_;
};

// Which process of an mpirun or srun this is; 0 without one.
int launcher_rank() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}) {
    if (const auto rank = to_number<int>(environment(name))) return *rank;
  }
  return 0;
}

}  // namespace

Command parse_args(int argc, char** argv) {
  CLI::App app("Catenary: scaling studies of language models, from items to curves.", "catenary");
  app.set_version_flag("--version", "catenary " + version());
  app.formatter(std::make_shared<HelpFormatter>());
  app.failure_message([](const CLI::App*, const CLI::Error& e) {
    return fmt::format("catenary: error: {}\nRun with --help for more information.\n", e.what());
  });
  Commands commands;
  commands.add<PlanArgs>(app, "plan", "Check a sweep and count its tokens");
  commands.add<RunArgs>(app, "run", "Run a sweep, or go on with one");
  commands.add<ScoreArgs>(app, "score", "One model, one task: log-likelihoods to standard output");
  commands.add<StatusArgs>(app, "status", "What of a sweep is done, failed, pending");
  commands.add<ExportArgs>(app, "export", "A store's items as CSV, JSON lines or lm-evaluation-harness's files");
  commands.add<MergeArgs>(app, "merge", "Join the stores of a split study");
  commands.add<FitArgs>(app, "fit", "Curves and verdicts");
  commands.add<ReportArgs>(app, "report", "One HTML page: curves, verdicts, items");
  commands.add<CompareArgs>(app, "compare", "What changed between two sweeps");
  commands.add<SuperviseArgs>(app, "supervise", "Run a sweep inside a Slurm job, through dying ranks and nodes");
  commands.add<SubmitArgs>(app, "submit", "Hand a sweep to Slurm");
  commands.add<NightlyArgs>(app, "nightly", "A sweep every night, and what changed");
  commands.add<DoctorArgs>(app, "doctor", "Check this machine");
  commands.add<ProbeArgs>(app, "probe", "");
  CLI::App* models = app.add_subcommand("models", "What a checkpoint is; public ladders of models");
  commands.add<ModelsInspectArgs>(*models, "inspect", "What a checkpoint is, and what it costs to run");
  commands.add<ModelsListArgs>(*models, "list", "Public ladders: repositories, parameters, training tokens");
  CLI::App* tasks = app.add_subcommand("tasks", "Task data: what a model sees, other forms, fresh items");
  commands.add<TasksShowArgs>(*tasks, "show", "Items exactly as a model will see them");
  commands.add<TasksImportArgs>(*tasks, "import", "Check a task file and write it as our JSONL");
  commands.add<TasksListArgs>(*tasks, "list", "The tasks of the inverse-scaling literature");
  commands.add<TasksGenerateArgs>(*tasks, "generate", "Fresh items of one of them, made by rule");
  require_one_of(app, "command");
  require_one_of(*models, "command");
  require_one_of(*tasks, "command");
  app.footer(
      "Examples:\n"
      "  catenary plan jobs/demo.json                check a sweep and count its tokens\n"
      "  catenary run jobs/demo.json -o demo.h5      score every model x task x condition\n"
      "  catenary fit demo.h5                        curves and verdicts\n"
      "  catenary report demo.h5 -o demo.html        a page to explore\n"
      "  catenary help COMMAND                       more about a command\n\n"
      "Exit codes: 0 done, 1 failed, 2 wrong command or input, 3 ended with failed units, damage or a regression, 75 "
      "stopped early (run again).");
  const auto end_with = [&app](const CLI::ParseError& e) {
    const int code = launcher_rank() > 0 ? e.get_exit_code() : app.exit(e);
    return static_cast<int>(code == 0 ? kExitDone : kExitWrongInput);
  };
  std::vector<const char*> typed_words(argv, argv + argc);
  if (argc > 1 && std::string_view(argv[1]) == "help") {  // `catenary help run` is `catenary run --help`
    typed_words.erase(typed_words.begin() + 1);
    typed_words.push_back("--help");
  }
  try {
    app.parse(static_cast<int>(typed_words.size()), typed_words.data());
  } catch (const CLI::ExtrasError&) {  // CLI11 tells the words in reverse
    const char* hint = app.got_subcommand("nightly") ? "; options of `catenary run` go behind --" : "";
    return end_with(CLI::ExtrasError(fmt::format("not expected: {}{}", fmt::join(app.remaining(true), " "), hint),
                                     CLI::ExitCodes::ExtrasError));
  } catch (const CLI::ParseError& e) {
    return end_with(e);
  }
  Command typed = commands.typed();
  const bool is_for_all_ranks = std::holds_alternative<RunArgs>(typed) || std::holds_alternative<ScoreArgs>(typed) ||
                                std::holds_alternative<ProbeArgs>(typed);
  if (is_for_all_ranks) return typed;
  if (launcher_rank() > 0) return static_cast<int>(kExitDone);  // the other commands are for one process
  if (auto* supervise = std::get_if<SuperviseArgs>(&typed)) {
    std::vector<std::string> words{argv[0], "run"};
    words.insert(words.end(), supervise->run_words.begin(), supervise->run_words.end());
    std::vector<char*> run_argv;
    for (std::string& word : words) run_argv.push_back(word.data());
    const Command parsed = parse_args(static_cast<int>(run_argv.size()), run_argv.data());
    if (const int* code = std::get_if<int>(&parsed)) return *code;
    supervise->run = std::get<RunArgs>(parsed);
  }
  return typed;
}

}  // namespace catenary::cli
