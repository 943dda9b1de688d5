#include "cli/slurm/batch_script.h"

#include <fmt/format.h>

#include <cctype>

#include "catenary/base/error.h"
#include "cli/shell_quoted.h"

namespace catenary::cli {

std::string sbatch_quoted(std::string_view value) {
  bool is_plain = !value.empty();
  std::string quoted;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      throw SpecError(fmt::format("\"{}\": a control character cannot be given to sbatch", value));
    }
    if (std::isalnum(byte) == 0 && std::string_view("-_./:=,+@%").find(c) == std::string_view::npos) is_plain = false;
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return is_plain ? quoted : fmt::format("\"{}\"", quoted);
}

std::string output_pattern(const std::string& path) {
  if (path.find('\\') != std::string::npos) {
    throw SpecError(fmt::format("{}: a job's log cannot have a backslash in its path; take another -o", path));
  }
  std::string pattern;
  for (const char c : path) pattern += c == '%' ? "%%" : std::string(1, c);
  return pattern;
}

std::string BatchScript::text() const {
  std::string text = "#!/bin/bash\n";
  for (const auto& [name, value] : options) {
    text +=
        fmt::format("#SBATCH --{}{}{}\n", name, value.empty() ? "" : "=", value.empty() ? "" : sbatch_quoted(value));
  }
  for (const std::string& option : raw_options) text += fmt::format("#SBATCH {}\n", sbatch_quoted(option));
  for (const std::string& module : modules) text += fmt::format("module load {} || exit 1\n", shell_quoted(module));
  for (const auto& [name, value] : environment) text += fmt::format("export {}={}\n", name, shell_quoted(value));
  text += "exec";
  for (const std::string& word : command) text += " " + shell_quoted(word);
  return text + " \"$@\"\n";
}

}  // namespace catenary::cli
