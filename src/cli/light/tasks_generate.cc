#include "cli/light/tasks_generate.h"

#include <fmt/format.h>

#include <string>

#include "catenary/task/known_task.h"
#include "catenary/task/task_reader.h"
#include "cli/exit_code.h"
#include "cli/light/write_file.h"

namespace catenary::cli {

int tasks_generate(const TasksGenerateArgs& args) {
  std::string lines;
  for (const task::Item& item : task::generate(args.task))
    lines += to_json_line(item, spec::TaskFormat::kClassification) + '\n';
  if (args.output)
    write_file(*args.output, lines);
  else
    fmt::print("{}", lines);
  return kExitDone;
}

}  // namespace catenary::cli
