#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace catenary::cli {

/// What sbatch takes literally after `#SBATCH --option=`. Throws SpecError for a control character, which would end the
/// line: sbatch has no way to write it.
std::string sbatch_quoted(std::string_view value);

/// A path for sbatch's --output, in which % begins a pattern. Throws SpecError for a backslash, which would change what
/// % means.
std::string output_pattern(const std::string& path);

/// A batch script: options of sbatch (an empty value: the option alone), lines before, and the one command that the
/// shell becomes.
struct BatchScript {
  std::vector<std::pair<std::string, std::string>> options;  // without the dashes
  std::vector<std::string> raw_options;                      // as the user wrote them, such as --qos=long
  std::vector<std::string> modules;
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> command;

  std::string text() const;
};

}  // namespace catenary::cli
