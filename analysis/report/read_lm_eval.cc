#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "analysis/report/csv.h"
#include "analysis/report/readers.h"
#include "catenary/base/error.h"
#include "catenary/base/parse_json.h"
#include "catenary/base/utf8.h"

namespace catenary::analysis {
namespace {

using Json = nlohmann::json;

struct ModelSize {
  std::string family;
  double num_parameters, training_tokens;
};

std::map<std::string, ModelSize> read_sizes(const std::filesystem::path& path) {
  std::map<std::string, ModelSize> sizes;
  Problems problems;
  try {
    check_readable(path);
    CsvReader<4> reader(path.string());
    reader.read_header(io::ignore_missing_column | io::ignore_extra_column, "model", "family", "num_parameters",
                       "training_tokens");
    if (!reader.has_column("model") || !reader.has_column("num_parameters"))
      throw DataError(fmt::format("{}: expected the columns model and num_parameters", path.string()));
    char nothing[] = "";
    char *model = nothing, *family = nothing, *num_parameters = nothing, *training_tokens = nothing;
    while (reader.read_row(model, family, num_parameters, training_tokens)) {
      const std::size_t line = reader.get_file_line();
      const ModelSize size{*family == '\0' ? "all" : family,
                           parse_size(num_parameters, line, "num_parameters", problems),
                           parse_size(training_tokens, line, "training_tokens", problems)};
      if (!(size.num_parameters > 0))
        problems.add(fmt::format("line {}, column num_parameters: expected a positive number, found \"{}\"", line,
                                 num_parameters));
      if (!is_valid_utf8(model) || !is_valid_utf8(family)) problems.add(fmt::format("line {}: expected UTF-8", line));
      if (!sizes.try_emplace(model, size).second)
        problems.add(fmt::format("line {}: the model \"{}\" is there twice", line, model));
    }
  } catch (const io::error::base& e) {
    throw DataError(fmt::format("{}: {}", path.string(), e.what()));
  }
  throw_problems_of(path, problems);
  return sizes;
}

/// The member at the end of a path of keys, if it is there.
const Json* find(const Json& object, std::initializer_list<std::string> keys) {
  const Json* here = &object;
  for (const std::string& key : keys) {
    if (!here->is_object() || !here->contains(key)) return nullptr;
    here = &here->at(key);
  }
  return here;
}

/// The model's name: `model_name` of newer files, else what model_args calls pretrained, else `model`.
std::string model_name(const Json& file) {
  const auto text_at = [&](std::initializer_list<std::string> keys) {
    const Json* found = find(file, keys);
    return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (const std::string name = text_at({"model_name"}); !name.empty()) return name;
  const std::string args = text_at({"config", "model_args"});
  if (const auto begin = args.find("pretrained="); begin != std::string::npos) {
    const auto first = begin + std::string_view("pretrained=").size();
    return args.substr(first, args.find(',', first) - first);
  }
  return text_at({"config", "model"});
}

/// Metrics are keyed "acc,none" with "acc_stderr,none" beside them, in older files "acc" with "acc_stderr".
void add_results(const Json& file, const ModelSize& size, const std::string& model, Table& table) {
  for (const auto& [task, results] : file["results"].items()) {
    if (!results.is_object()) continue;
    for (const auto& [key, value] : results.items()) {
      const std::size_t comma = std::min(key.find(','), key.size());
      const std::string name = key.substr(0, comma), filter = key.substr(comma);
      const auto error = results.find(name + "_stderr" + filter);
      if (!value.is_number() || error == results.end()) continue;
      Series series{.task = task,
                    .condition = "zero_shot",
                    .family = size.family,
                    .model = model,
                    .metric = describe_metric(name),
                    .num_parameters = size.num_parameters,
                    .training_tokens = size.training_tokens,
                    .training_flops = training_flops(size.num_parameters, size.training_tokens),
                    .items = {},
                    .values = {}};
      series.value = value;
      if (error->is_number()) series.standard_error = *error;
      const Json* shots = find(file, {"n-shot", task});
      if (shots != nullptr && shots->is_number_integer() && shots->get<int>() > 0)
        series.condition = fmt::format("few_shot_{}", shots->get<int>());
      const Json* better = find(file, {"higher_is_better", task, name});
      if (better != nullptr && better->is_boolean()) {
        series.metric.is_direction_known = true;
        series.metric.direction = better->get<bool>() ? Direction::kHigherIsBetter : Direction::kLowerIsBetter;
      }
      const Json* samples = find(file, {"n-samples", task, "effective"});
      if (samples != nullptr && samples->is_number_unsigned()) series.n = *samples;
      table.series.push_back(std::move(series));
    }
  }
}

}  // namespace

Table read_lm_eval(const std::filesystem::path& folder, const std::optional<std::filesystem::path>& models) {
  if (!models)
    throw SpecError(
        fmt::format("{}: a folder of lm-evaluation-harness results needs --models FILE.csv with the columns model and "
                    "num_parameters",
                    folder.string()));
  const auto sizes = read_sizes(*models);
  Table table{.name = folder.filename().string(), .series = {}, .problems = {}};
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    std::error_code ignored;  // a link that leads nowhere is no file
    if (entry.is_regular_file(ignored) && name.starts_with("results") && name.ends_with(".json"))
      paths.push_back(entry.path());
  }
  // Names hold the date: of two files with the same result the later one counts.
  std::ranges::sort(paths);
  std::ranges::reverse(paths);
  Problems problems;
  for (const auto& path : paths) {
    Json file;
    try {
      file = read_json_object(path);
    } catch (const DataError& e) {
      problems.add(e.what());
      continue;
    }
    if (!file.contains("results") || !file["results"].is_object()) {
      problems.add(fmt::format("{}: /results: expected an object", path.string()));
      continue;
    }
    const std::string model = model_name(file);
    const auto size = sizes.find(model);
    if (size == sizes.end())
      table.problems.push_back(
          fmt::format("{} left out: {} has no size of the model \"{}\"", path.string(), models->string(), model));
    else
      add_results(file, size->second, model, table);
  }
  if (paths.empty()) problems.add(fmt::format("{}: expected result files results*.json below it", folder.string()));
  problems.throw_if_any<DataError>();
  return table;
}

}  // namespace catenary::analysis
