// `catenary`: the light program. Starts in milliseconds; gives the commands that need a model to catenary-run.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <variant>

#include "catenary/base/error.h"
#include "catenary/cli/args.h"
#include "cli/guard.h"
#include "cli/light/compare.h"
#include "cli/light/doctor.h"
#include "cli/light/export.h"
#include "cli/light/fit.h"
#include "cli/light/merge.h"
#include "cli/light/models.h"
#include "cli/light/nightly.h"
#include "cli/light/plan.h"
#include "cli/light/report.h"
#include "cli/light/status.h"
#include "cli/light/submit.h"
#include "cli/light/supervise.h"
#include "cli/light/tasks.h"
#include "cli/light/tasks_generate.h"
#include "cli/light/tasks_list.h"
#include "cli/stop_signals.h"

namespace catenary::cli {
namespace {

// Replaces this process, so that mpirun, srun and signals see one program.
[[noreturn]] void become_catenary_run(char** argv) {
  const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "catenary-run";
  ::execv(program.c_str(), argv);
  throw Error(
      fmt::format("{}: {}. This command needs the program catenary-run, which is built where libtorch is installed",
                  program.string(), std::strerror(errno)));
}

struct Dispatch {
  char** argv;
  int operator()(const RunArgs&) const {
    mask_stop_signals(SIG_BLOCK);
    become_catenary_run(argv);
  }
  int operator()(const ScoreArgs&) const { become_catenary_run(argv); }
  int operator()(const SuperviseArgs& args) const { return supervise(args); }
  int operator()(const SubmitArgs& args) const { return submit(args); }
  int operator()(const NightlyArgs& args) const { return nightly(args); }
  int operator()(const DoctorArgs& args) const { return doctor(args); }
  int operator()(const ProbeArgs&) const { become_catenary_run(argv); }
  int operator()(const StatusArgs& args) const { return status(args); }
  int operator()(const ExportArgs& args) const { return export_items(args); }
  int operator()(const MergeArgs& args) const { return merge(args); }
  int operator()(const FitArgs& args) const { return fit(args); }
  int operator()(const ReportArgs& args) const { return report(args); }
  int operator()(const ModelsInspectArgs& args) const { return inspect_model(args); }
  int operator()(const ModelsListArgs& args) const { return list_models(args); }
  int operator()(const TasksListArgs& args) const { return tasks_list(args); }
  int operator()(const TasksGenerateArgs& args) const { return tasks_generate(args); }
  int operator()(const PlanArgs& args) const { return plan(args); }
  int operator()(const TasksShowArgs& args) const { return show_tasks(args); }
  int operator()(const TasksImportArgs& args) const { return import_tasks(args); }
  int operator()(const CompareArgs& args) const { return compare(args); }
  int operator()(int exit_code) const { return exit_code; }
};

}  // namespace
}  // namespace catenary::cli

int main(int argc, char** argv) {
  using namespace catenary::cli;
  return guard([&] {
    const int code = std::visit(Dispatch{argv}, parse_args(argc, argv));
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
      throw catenary::Error("standard output cannot be written");
    return code;
  });
}
