#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "catenary/cli/args.h"

namespace catenary::cli {

/// Declares the options of a command, with their help and examples; `args` must live as long as `app`.
void add_options(CLI::App& app, RunArgs& args);
void add_options(CLI::App& app, SuperviseArgs& args);
void add_options(CLI::App& app, SubmitArgs& args);
void add_options(CLI::App& app, NightlyArgs& args);
void add_options(CLI::App& app, DoctorArgs& args);
void add_options(CLI::App& app, ProbeArgs& args);
void add_options(CLI::App& app, ScoreArgs& args);
void add_options(CLI::App& app, StatusArgs& args);
void add_options(CLI::App& app, ExportArgs& args);
void add_options(CLI::App& app, MergeArgs& args);
void add_options(CLI::App& app, FitArgs& args);
void add_options(CLI::App& app, ReportArgs& args);
void add_options(CLI::App& app, CompareArgs& args);
void add_options(CLI::App& app, ModelsInspectArgs& args);
void add_options(CLI::App& app, ModelsListArgs& args);
void add_options(CLI::App& app, TasksListArgs& args);
void add_options(CLI::App& app, TasksGenerateArgs& args);
void add_options(CLI::App& app, PlanArgs& args);
void add_options(CLI::App& app, TasksShowArgs& args);
void add_options(CLI::App& app, TasksImportArgs& args);

/// One of the app's subcommands must be named. For an app that has them all: they inherit what it allows.
void require_one_of(CLI::App& app, const std::string& what);

}  // namespace catenary::cli
