#include "catenary/base/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

#include "catenary/base/printable.h"

namespace catenary::log {
namespace {

struct State {
  std::shared_ptr<spdlog::logger> logger = [] {
    auto made = spdlog::stderr_logger_mt("catenary");
    made->set_pattern("%v");
    return made;
  }();
  int world_rank = 0;
  int world_size = 1;
};

State& state() {
  static State instance;
  return instance;
}

std::string with_rank(std::string_view kind, std::string_view message) {
  const State& s = state();
  if (s.world_size > 1) return fmt::format("catenary: {} (rank {}): {}", kind, s.world_rank, message);
  return fmt::format("catenary: {}: {}", kind, message);
}

}  // namespace

void info(std::string_view message) {
  if (state().world_rank == 0) state().logger->info("{}", printable_lines(message));
}

void warning(std::string_view message) {
  state().logger->warn("{}", printable_lines(with_rank("warning", message)));
}

void error(std::string_view message) {
  state().logger->error("{}", printable_lines(with_rank("error", message)));
}

void set_rank(int world_rank, int world_size) {
  state().world_rank = world_rank;
  state().world_size = world_size;
}

}  // namespace catenary::log
