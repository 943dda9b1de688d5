#pragma once

#include <functional>

namespace catenary::cli {

/// Runs a command and turns what it throws into one message on standard error and an exit code. `speaks` is false on
/// the ranks that leave the message to rank 0.
int guard(
    const std::function<int()>& command, const std::function<bool()>& speaks = [] { return true; });

}  // namespace catenary::cli
