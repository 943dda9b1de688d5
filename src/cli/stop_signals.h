#pragma once

#include <csignal>

namespace catenary::cli {

/// The signals that ask a sweep to stop.
constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGUSR1};

/// Holds them back, or lets them come (SIG_BLOCK, SIG_UNBLOCK): one that was sent in between comes then. `catenary run`
/// holds them until catenary-run listens, for loading libtorch takes a fifth of a second, from a slow disk much more.
inline void mask_stop_signals(int how) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : kStopSignals) sigaddset(&signals, signal);
  ::sigprocmask(how, &signals, nullptr);
}

}  // namespace catenary::cli
