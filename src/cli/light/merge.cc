#include "cli/light/merge.h"

#include <fmt/format.h>

#include "catenary/base/log.h"
#include "catenary/store/merge.h"
#include "cli/exit_code.h"
#include "cli/shell_quoted.h"

namespace catenary::cli {

int merge(const MergeArgs& args) {
  store::merge(args.stores, args.output);
  log::info(fmt::format("done; next: catenary status {}", shell_quoted(args.output.string())));
  return kExitDone;
}

}  // namespace catenary::cli
