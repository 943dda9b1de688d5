#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace catenary::cli {

/// A child process in a process group of its own, so that signals reach it through us alone. No shell is involved:
/// arguments arrive as they are. Its standard input is empty.
class Child {
 public:
  /// Whether what it writes to its standard error comes with its output, in lines, or is kept for errors().
  enum class Errors : std::uint8_t { kWithOutput, kApart };

  /// Throws Error if the program cannot be started.
  explicit Child(const std::vector<std::string>& argv, Errors errors = Errors::kWithOutput);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  /// Kills it if it still runs.
  ~Child();

  /// Waits until there is output, the process has ended, or the time is over, whichever is first; hands on whole lines.
  /// False once the process has ended and all it wrote was handed on.
  bool poll(std::chrono::milliseconds timeout, const std::function<void(std::string_view)>& on_line);

  void signal(int number) const;

  /// Once poll returned false: the exit code, or 128 + the number of the signal that ended it.
  int exit_code() const { return exit_code_; }

  /// What it has written to its standard error, where that is kept apart.
  std::string errors() const;

 private:
  void reap();
  bool read_lines(std::chrono::milliseconds timeout, const std::function<void(std::string_view)>& on_line);

  pid_t pid_ = -1;
  int output_ = -1;
  int errors_ = -1;  // a file in memory
  int exit_code_ = -1;
  bool ended_ = false;
  std::string line_;
};

struct CommandResult {
  int exit_code = 0;  // 127: there is no such program; 124: it took too long
  std::string output;
  std::string errors;  // warnings, too: commands of Slurm print them whatever they are asked

  std::string all() const { return output + errors; }
};

/// Of what a command says, for a message of one line.
inline std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

/// Runs a command that is soon done. Does not throw for what goes wrong with it.
CommandResult run_command(const std::vector<std::string>& argv,
                          std::chrono::seconds timeout = std::chrono::seconds(30));

}  // namespace catenary::cli
