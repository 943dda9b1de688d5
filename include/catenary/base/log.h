#pragma once

#include <string_view>

namespace catenary::log {

/// One line each on standard error; thread-safe. Standard output belongs to results.
/// Under MPI only the rank that `set_rank` named 0 prints `info`; warnings and errors come from every rank, with its
/// number.
void info(std::string_view message);
void warning(std::string_view message);
void error(std::string_view message);

/// Tells the log which rank this process is and how many there are. Before that: alone.
void set_rank(int world_rank, int world_size);

}  // namespace catenary::log
