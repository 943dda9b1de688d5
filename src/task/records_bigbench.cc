// BIG-bench's task.json (Srivastava et al., 2022; docs/doc.md of google/BIG-bench has the keys and their defaults) and
// BIG-Bench-Hard (Suzgun et al., 2022).
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "catenary/base/parse_json.h"
#include "task/records.h"

namespace catenary::task {
namespace {

constexpr std::string_view kTrigger = " Let's think step by step.";
constexpr std::string_view kCue = " So the answer is";

std::string where_of(const std::string& file, std::size_t i) {
  return fmt::format("{}: /examples/{}", file, i);
}

// The answers that the lines after "Options:" offer: "(A)" of "(A) 12/11/1937", "Yes" of "- Yes".
std::vector<std::string> find_options(std::string_view input) {
  std::vector<std::string> options;
  const std::size_t begin = input.find("Options:");
  if (begin == std::string_view::npos) return options;
  std::string_view rest = input.substr(begin);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.starts_with("- ")) {
      options.emplace_back(line.substr(2));
    } else if (line.size() > 2 && line[0] == '(' && line[2] == ')') {
      options.emplace_back(line.substr(0, 3));
    }
  }
  return options;
}

}  // namespace

std::vector<Record> RecordReader::read_json() {
  Json root;
  try {
    root = parse_json<Json>(text_, [&](const std::string& key) {
      problem(file_, fmt::format("the key \"{}\" stands twice in one object", key));
    });
  } catch (const JsonError& e) {
    problem(file_, e.what());
    return {};
  }
  if (!root.is_object() || !root.contains("examples") || !root["examples"].is_array()) {
    problem(file_, "/examples: expected a list, as in BIG-bench's task.json and in BIG-Bench-Hard");
    return {};
  }
  return root.contains("metrics") ? read_bigbench(root) : read_bigbench_hard(root);
}

std::vector<Record> RecordReader::read_bigbench(const Json& root) {
  const auto text = [&](const char* key, const char* fallback) {
    if (!root.contains(key)) return std::string(fallback);
    if (root[key].is_string()) return root[key].get<std::string>();
    problem(file_, fmt::format("/{}: expected a string", key));
    return std::string();
  };
  const std::string input_prefix = text("example_input_prefix", "\nQ: ");
  const std::string output_prefix = text("example_output_prefix", "\nA: ");
  const std::string choice_prefix = text("choice_prefix", "\n  choice: ");
  const std::string preamble = text("task_prefix", "");
  const bool append_choices = root.value("append_choices_to_input", Json(true)) != Json(false);

  std::vector<Record> records;
  for (std::size_t i = 0; i < root["examples"].size(); ++i) {
    const Json& example = root["examples"][i];
    const std::string where = where_of(file_, i);
    if (!example.is_object() || !example.contains("input") || !example["input"].is_string()) {
      problem(where, "input: expected a string");
      continue;
    }
    Json item{{"prompt", input_prefix + example["input"].get<std::string>()}};
    if (!preamble.empty()) item["preamble"] = preamble;
    if (example.contains("target_scores")) {
      const Json& scores = example["target_scores"];
      const bool is_good = scores.is_object() && scores.size() >= 2 &&
                           std::all_of(scores.begin(), scores.end(), [](const Json& s) { return s.is_number(); });
      if (!is_good) {
        problem(where, "target_scores: expected an object of two or more choices, each with a number");
        continue;
      }
      double best = -std::numeric_limits<double>::infinity();
      std::size_t num_best = 0;
      item["classes"] = Json::array();
      for (const auto& [choice, score] : scores.items()) {
        const double value = score.get<double>();
        num_best = value > best ? 1 : num_best + (value == best ? 1 : 0);
        if (value > best) item["answer_index"] = item["classes"].size();
        best = std::max(best, value);
        item["classes"].push_back(choice);
        if (append_choices) item["prompt"] = item["prompt"].get<std::string>() + choice_prefix + choice;
      }
      if (num_best != 1) {
        problem(where, fmt::format("target_scores: expected one choice with the highest score, found {}", num_best));
        continue;
      }
    } else {
      const Json target = example.value("target", Json());
      const Json& first = target.is_array() && !target.empty() ? target[0] : target;
      if (!first.is_string()) {
        problem(where, "expected \"target_scores\", or a string or a list of strings as \"target\"");
        continue;
      }
      item["completion"] = first;
    }
    item["prompt"] = item["prompt"].get<std::string>() + output_prefix;
    records.push_back({where, std::move(item)});
  }
  return records;
}

std::vector<Record> RecordReader::read_bigbench_hard(const Json& root) {
  // Where no options are listed, the classes are the answers that the file has, unless there are too many.
  constexpr std::size_t kMaxClasses = 10;
  std::set<std::string> targets;
  for (const Json& example : root["examples"]) {
    const Json target = example.is_object() ? example.value("target", Json()) : Json();
    if (target.is_string()) targets.insert(target.get<std::string>());
  }
  std::vector<Record> records;
  for (std::size_t i = 0; i < root["examples"].size(); ++i) {
    const Json& example = root["examples"][i];
    const std::string where = where_of(file_, i);
    bool is_good = true;
    for (const char* key : {"input", "target"}) {
      if (example.is_object() && example.contains(key) && example[key].is_string()) continue;
      problem(where, fmt::format("{}: expected a string", key));
      is_good = false;
    }
    if (!is_good) continue;
    const auto target = example["target"].get<std::string>();
    Json item{{"prompt", "Q: " + example["input"].get<std::string>() + "\nA:"}};
    std::vector<std::string> options = find_options(example["input"].get_ref<const std::string&>());
    if (options.empty() && targets.size() <= kMaxClasses) options.assign(targets.begin(), targets.end());
    if (options.empty()) {
      item["completion"] = " " + target;
    } else {
      const auto answer = std::find(options.begin(), options.end(), target);
      if (answer == options.end()) {
        problem(where,
                fmt::format("target: expected one of the options {}, found \"{}\"", Json(options).dump(), target));
        continue;
      }
      item["answer_index"] = answer - options.begin();
      for (std::string& option : options) option.insert(0, " ");
      item["classes"] = options;
    }
    records.push_back({where, std::move(item)});
  }
  return records;
}

std::vector<Record> RecordReader::read_chain_of_thought() {
  std::string_view rest = text_.substr(0, text_.find_last_not_of("\n\r \t") + 1);
  std::size_t line = 1;
  const auto skip = [&](std::size_t count) {
    line += static_cast<std::size_t>(std::count(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(count), '\n'));
    rest.remove_prefix(count);
  };
  // A canary may stand above a line of dashes.
  constexpr std::string_view kRule = "-----\n";
  if (const auto rule = rest.find(kRule); rule != std::string_view::npos) skip(rule + kRule.size());
  constexpr std::string_view kNext = "\n\nQ: ";
  const std::size_t first = rest.find(kNext);
  if (first == std::string_view::npos) {
    problem(file_, "expected exemplars, each an empty line and \"Q: \", as in BIG-Bench-Hard's cot-prompts");
    return {};
  }
  const std::string preamble(rest.substr(0, first + 2));
  skip(first + 2);

  std::vector<Record> records;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(kNext), rest.size());
    const std::string_view exemplar = rest.substr(0, end);
    const std::string where = at_line(line);
    const std::size_t answer = exemplar.find("\nA:");
    const std::size_t cue = exemplar.rfind(kCue);
    if (answer == std::string_view::npos || !exemplar.substr(answer + 3).starts_with(kTrigger) ||
        cue == std::string_view::npos || cue < answer + 3 + kTrigger.size() || !exemplar.ends_with('.')) {
      problem(where, fmt::format("expected \"Q: …\", a line \"A:{} …\", and at its end \"{} ….\"", kTrigger, kCue));
    } else {
      const std::size_t reasoning = answer + 3 + kTrigger.size();
      const std::string_view completion = exemplar.substr(cue + kCue.size());
      records.push_back({where,
                         {{"prompt", exemplar.substr(0, answer + 3)},
                          {"completion", completion.substr(0, completion.size() - 1)},
                          {"rationale", exemplar.substr(reasoning, cue - reasoning)},
                          {"preamble", preamble}}});
    }
    skip(std::min(end + 2, rest.size()));
  }
  return records;
}

}  // namespace catenary::task
