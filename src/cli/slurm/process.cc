#include "cli/slurm/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <iterator>

#include "catenary/base/error.h"

namespace catenary::cli {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

Child::Child(const std::vector<std::string>& argv, Errors errors) {
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) throw Error(fmt::format("a pipe cannot be made: {}", std::strerror(errno)));
  output_ = pipe[0];
  if (errors == Errors::kApart)
    errors_ = ::memfd_create("errors", MFD_CLOEXEC);  // where there is none: with the output
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, pipe[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, errors_ >= 0 ? errors_ : pipe[1], STDERR_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const int status = ::posix_spawnp(&pid_, arguments[0], &files, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  ::close(pipe[1]);
  if (status == 0) return;
  ::close(output_);
  if (errors_ >= 0) ::close(errors_);
  throw Error(fmt::format("{}: cannot be started: {}", argv[0], std::strerror(status)));
}

Child::~Child() {
  if (!ended_) {
    signal(SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (output_ >= 0) ::close(output_);
  if (errors_ >= 0) ::close(errors_);
}

std::string Child::errors() const {
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t size; (size = ::pread(errors_, buffer.data(), buffer.size(), std::ssize(text))) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return text;
}

void Child::signal(int number) const {
  if (!ended_) ::kill(pid_, number);
}

void Child::reap() {
  int status = 0;
  if (ended_ || ::waitpid(pid_, &status, WNOHANG) != pid_) return;
  ended_ = true;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Child::read_lines(milliseconds timeout, const std::function<void(std::string_view)>& on_line) {
  pollfd ready{output_, POLLIN, 0};  // a descriptor of -1 is only waited for
  if (::poll(&ready, 1, static_cast<int>(timeout.count())) <= 0) return false;
  std::array<char, 4096> buffer{};
  const ssize_t size = ::read(output_, buffer.data(), buffer.size());
  if (size <= 0) {
    ::close(output_);
    output_ = -1;
    return false;
  }
  line_.append(buffer.data(), static_cast<std::size_t>(size));
  std::size_t begin = 0;
  for (std::size_t end; (end = line_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    on_line(std::string_view(line_).substr(begin, end - begin));
  }
  line_.erase(0, begin);
  return true;
}

bool Child::poll(milliseconds timeout, const std::function<void(std::string_view)>& on_line) {
  // Grandchildren may keep the pipe open after the process has ended; what they still write is not waited for.
  const auto end = Clock::now() + timeout;
  do {
    reap();
    const bool has_ended = ended_;
    if (read_lines(milliseconds(has_ended ? 0 : 50), on_line)) return true;
    if (has_ended) {
      if (!line_.empty()) on_line(line_);
      line_.clear();
      return false;
    }
  } while (Clock::now() < end);
  return true;
}

CommandResult run_command(const std::vector<std::string>& argv, std::chrono::seconds timeout) {
  CommandResult result;
  const auto end = Clock::now() + timeout;
  try {
    Child child(argv, Child::Errors::kApart);
    bool runs = true;
    while (runs && Clock::now() < end) {
      runs = child.poll(milliseconds(1000), [&](std::string_view line) { result.output.append(line).append("\n"); });
    }
    result.exit_code = runs ? 124 : child.exit_code();
    result.errors = child.errors();
  } catch (const Error& e) {
    result = {.exit_code = 127, .output = {}, .errors = e.what()};
  }
  return result;
}

}  // namespace catenary::cli
