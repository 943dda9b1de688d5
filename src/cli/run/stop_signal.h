#pragma once

namespace catenary::cli {

/// From now on SIGINT, SIGTERM and SIGUSR1 ask to stop: what is in hand is finished first. A second one ends the
/// process at once (exit code 75); the store stays good either way.
void listen_for_stop_signals();

bool stop_signal_received();

}  // namespace catenary::cli
