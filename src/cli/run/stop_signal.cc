#include "cli/run/stop_signal.h"

#include <unistd.h>

#include <csignal>

#include "cli/exit_code.h"
#include "cli/stop_signals.h"

namespace catenary::cli {
namespace {

volatile std::sig_atomic_t num_signals = 0;

void on_signal(int) {
  if (num_signals > 0) ::_exit(kExitStoppedEarly);
  num_signals = 1;
}

}  // namespace

void listen_for_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : kStopSignals) ::sigaction(signal, &action, nullptr);
  mask_stop_signals(SIG_UNBLOCK);
}

bool stop_signal_received() {
  return num_signals > 0;
}

}  // namespace catenary::cli
