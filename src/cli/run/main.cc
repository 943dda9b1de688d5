// `catenary-run`: the program that computes. Started by `catenary run` and `catenary score`.
#include <variant>

#include "catenary/base/error.h"
#include "catenary/cli/args.h"
#include "catenary/model/huge_pages.h"
#include "cli/guard.h"
#include "cli/run/probe.h"
#include "cli/run/run.h"
#include "cli/run/score.h"

namespace catenary::cli {
namespace {

struct Dispatch {
  int operator()(const RunArgs& args) const { return run(args); }
  int operator()(const ScoreArgs& args) const { return score(args); }
  int operator()(const ProbeArgs& args) const { return probe(args.folder); }
  int operator()(int exit_code) const { return exit_code; }
  template <class Other>
  int operator()(const Other&) const {
    return guard([]() -> int { throw SpecError("catenary-run knows run and score; for the rest, use catenary"); });
  }
};

}  // namespace
}  // namespace catenary::cli

int main(int argc, char** argv) {
  catenary::model::use_huge_pages();
  return std::visit(catenary::cli::Dispatch{}, catenary::cli::parse_args(argc, argv));
}
