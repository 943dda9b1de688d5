#include "cli/light/nightly.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/store/reader.h"
#include "cli/exit_code.h"
#include "cli/light/json.h"
#include "cli/light/write_file.h"
#include "cli/slurm/allocation.h"
#include "cli/slurm/process.h"

namespace catenary::cli {
namespace {

namespace fs = std::filesystem;

volatile std::sig_atomic_t received = 0;

// One night's folder.
struct Night {
  fs::path folder;
  bool ended = false;  // it has a summary
  bool good = false;

  fs::path store() const { return folder / "study.h5"; }
  fs::path summary() const { return folder / "summary.json"; }
};

// In order of time, which is that of their names.
std::vector<Night> read_nights(const fs::path& folder) {
  std::vector<Night> nights;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!fs::exists(entry.path() / "night")) continue;  // somebody else's folder
    Night night{.folder = entry.path()};
    std::ifstream file(night.summary());
    const Json summary = Json::parse(file, nullptr, /*allow_exceptions=*/false);
    night.ended = summary.is_object();
    night.good = night.ended && summary.value("exit_code", 1) == kExitDone;
    nights.push_back(night);
  }
  std::ranges::sort(nights, {}, &Night::folder);
  return nights;
}

// The last night if it was stopped, else a new one.
Night begin_night(const fs::path& folder, const std::vector<Night>& nights) {
  if (!nights.empty() && !nights.back().ended) return nights.back();
  Night night{.folder = folder / fmt::format("{:%Y-%m-%dT%H%M%S}", fmt::gmtime(std::time(nullptr)))};
  make_folder(night.folder);
  write_file(night.folder / "night", "");  // tells this folder from what else may lie here
  return night;
}

// A command of this program. Signals are passed on to it.
CommandResult run_catenary(std::vector<std::string> words, Child::Errors errors,
                           const std::function<void(std::string_view)>& on_line) {
  words.insert(words.begin(), fs::read_symlink("/proc/self/exe").string());
  Child child(words, errors);
  bool passed_on = false;
  while (child.poll(std::chrono::milliseconds(200), on_line)) {
    if (received == 0 || passed_on) continue;
    child.signal(received);
    passed_on = true;
  }
  return {.exit_code = child.exit_code(), .output = {}, .errors = child.errors()};
}

// All that it says goes to the log. Returns its exit code.
int run_and_log(const std::vector<std::string>& words) {
  return run_catenary(words, Child::Errors::kWithOutput, [](std::string_view line) { log::info(line); }).exit_code;
}

// Its errors go to the log.
CommandResult run_and_read(const std::vector<std::string>& words) {
  std::string output;
  CommandResult result =
      run_catenary(words, Child::Errors::kApart, [&](std::string_view line) { output.append(line).append("\n"); });
  result.output = std::move(output);
  std::istringstream errors(result.errors);
  for (std::string line; std::getline(errors, line);) log::info(line);
  return result;
}

Json parse_output(const std::string& command, const CommandResult& result) {
  Json json = Json::parse(result.output, nullptr, false);
  if (!json.is_object()) throw Error(fmt::format("catenary {}: {}", command, result.all()));
  return json;
}

struct Outcome {
  int code = kExitDone;
  Json status, comparison;
  std::string comparison_text;
};

std::string summary_text(const Night& night, const std::optional<Night>& last_good, const Outcome& outcome) {
  std::string text =
      fmt::format("{}: {}\n", night.folder.filename().string(),
                  outcome.code == kExitDone ? "good" : fmt::format("NOT GOOD (exit code {})", outcome.code));
  const auto& status = outcome.status;
  text += fmt::format("items: {} done, {} failed, {} pending\n", status["done"]["num_items"].dump(),
                      status["failed"]["num_items"].dump(), status["pending"]["num_items"].dump());
  for (const Json& failure : status["failures"]) {
    text += fmt::format("failed: {} x {} x {}: {}\n", failure.value("model", ""), failure.value("task", ""),
                        failure.value("condition", ""), failure.value("error", ""));
  }
  if (!last_good) return text + "the first night: there is none to compare with\n";
  return text + fmt::format("\nagainst {}:\n{}", last_good->folder.filename().string(), outcome.comparison_text);
}

void end_night(const Night& night, const std::string& text, const Json& summary) {
  write_file(night.folder / "summary.txt", text);
  write_file(night.summary(), to_text(summary, 2) + "\n");
}

bool is_readable(const fs::path& store) {
  try {
    store::Reader reader(store);
    return true;
  } catch (const Error& e) {
    log::warning(fmt::format("its results are not used: {}", e.what()));
    return false;
  }
}

void remove_old_nights(const fs::path& folder, int num_kept) {
  const std::vector<Night> nights = read_nights(folder);
  const auto last_good = std::ranges::find(nights.rbegin(), nights.rend(), true, &Night::good);
  const auto num_old = std::ssize(nights) - num_kept;
  for (std::ptrdiff_t i = 0; i < num_old; ++i) {
    const Night& night = nights[static_cast<std::size_t>(i)];
    if (last_good == nights.rend() || night.folder != last_good->folder) fs::remove_all(night.folder);
  }
}

}  // namespace

int nightly(const NightlyArgs& args) {
  for (const int number : {SIGUSR1, SIGTERM, SIGINT}) {
    struct sigaction action {};
    action.sa_handler = [](int n) { received = n; };
    ::sigaction(number, &action, nullptr);
  }
  make_folder(args.folder);
  const std::vector<Night> nights = read_nights(args.folder);
  const Night night = begin_night(args.folder, nights);
  std::optional<Night> last_good;
  for (const Night& earlier : nights) {
    if (earlier.good) last_good = earlier;
  }
  log::info(fmt::format("night {}", night.folder.string()));

  std::vector<std::string> sweep{args.spec.string(), "-o", night.store().string()};
  // Of all nights that have ended, for a bad one computed much, too.
  for (const Night& earlier : nights) {
    if (earlier.ended && fs::exists(earlier.store()) && is_readable(earlier.store()))
      sweep.insert(sweep.end(), {"--reuse", earlier.store().string()});
  }
  sweep.insert(sweep.end(), args.run_words.begin(), args.run_words.end());
  const std::vector<std::string> words =
      Allocation::find() ? std::vector<std::string>{"supervise", "--requeue", "--"} : std::vector<std::string>{"run"};
  sweep.insert(sweep.begin(), words.begin(), words.end());
  Outcome outcome;
  outcome.code = run_and_log(sweep);
  const std::string name = night.folder.filename().string();
  if (outcome.code == kExitStoppedEarly || received != 0) return kExitStoppedEarly;  // the next night goes on with it
  if (outcome.code != kExitDone && outcome.code != kExitWithFailures) {
    // What stands in the way of this store, a checkpoint that is gone, say, must not stand in the way of all nights.
    end_night(night, fmt::format("{}: NOT GOOD: the sweep ended with exit code {}\n", name, outcome.code),
              {{"night", name}, {"exit_code", outcome.code}});
    return outcome.code;
  }

  const std::string store = night.store().string();
  outcome.status = parse_output("status", run_and_read({"status", store, "--json"}));
  const int fit_code = run_and_read({"fit", store, "-o", (night.folder / "fit").string()}).exit_code;
  const int report_code = run_and_log({"report", store, "-o", (night.folder / "report.html").string()});
  for (const int code : {fit_code, report_code}) {
    if (code != kExitDone) outcome.code = code;
  }
  if (last_good) {
    const CommandResult said = run_and_read(
        {"compare", last_good->store().string(), store, "--threshold", fmt::format("{}", args.threshold), "--json"});
    const int code = said.exit_code;
    if (code != kExitDone && outcome.code == kExitDone) outcome.code = code;
    outcome.comparison_text = said.all();
    if (received == 0 && (code == kExitDone || code == kExitWithFailures)) {
      outcome.comparison = parse_output("compare", said);
      outcome.comparison_text = outcome.comparison["text"];
      outcome.comparison.erase("text");
    }
  }
  if (received != 0) return kExitStoppedEarly;

  const std::string text = summary_text(night, last_good, outcome);
  end_night(night, text,
            {{"night", name},
             {"exit_code", outcome.code},
             {"compared_with", last_good ? Json(last_good->folder.filename().string()) : Json()},
             {"done", outcome.status["done"]},
             {"failed", outcome.status["failed"]},
             {"failures", outcome.status["failures"]},
             {"comparison", outcome.comparison}});
  remove_old_nights(args.folder, args.num_kept);
  fmt::print("{}", text);
  return outcome.code;
}

}  // namespace catenary::cli
