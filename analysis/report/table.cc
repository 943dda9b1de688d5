#include "catenary/analysis/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>

#include "analysis/report/readers.h"
#include "catenary/analysis/statistics.h"
#include "catenary/base/error.h"

namespace catenary::analysis {
namespace {

/// Is a word of the name one of these, with or without what follows it as in rouge1, rougeL, pass@1? "glossary" is no
/// loss and "answer" no word error rate.
bool has_word(std::string_view name, std::initializer_list<std::string_view> words) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto is_small = [](char c) { return c >= 'a' && c <= 'z'; };
  for (const std::string_view word : words)
    for (auto at = name.find(word); at != std::string_view::npos; at = name.find(word, at + 1)) {
      const auto end = at + word.size();
      if ((at == 0 || !is_letter(name[at - 1])) && (end == name.size() || !is_small(name[end]))) return true;
    }
  return false;
}

}  // namespace

Metric describe_metric(std::string_view name) {
  Metric metric{.name = std::string(name)};
  const bool is_lower_better = has_word(name, {"loss", "logloss", "perplexity", "ppl", "error", "wer", "brier",
                                               "bits_per_byte", "stereotype", "unparsable", "anchoring"});
  metric.is_proportion =
      has_word(name, {"acc", "accuracy", "correct", "exact_match", "pct", "mc1", "pass", "unparsable"});
  metric.is_direction_known = is_lower_better || metric.is_proportion ||
                              has_word(name, {"log_odds", "f1", "mcc", "bleu", "rouge", "mc2", "log_likelihood"});
  if (is_lower_better) metric.direction = Direction::kLowerIsBetter;
  return metric;
}

void summarize(Series& series) {
  series.n = std::ssize(series.values);
  if (series.n == 0) return;
  const double sum = std::accumulate(series.values.begin(), series.values.end(), 0.0);
  series.value = sum / static_cast<double>(series.n);
  series.standard_error = series.metric.is_proportion
                              ? proportion_standard_error(static_cast<std::int64_t>(std::llround(sum)), series.n)
                              : mean_standard_error(series.values);
}

bool is_hdf5(const std::filesystem::path& path) {
  constexpr std::string_view kSignature("\x89HDF\r\n\x1A\n");
  std::array<char, kSignature.size()> start{};
  std::ifstream(path, std::ios::binary).read(start.data(), start.size());
  return std::string_view(start.data(), start.size()) == kSignature;
}

namespace {

Table read_source(const std::filesystem::path& path, const std::optional<std::filesystem::path>& models) {
  std::error_code failed;
  const auto status = std::filesystem::status(path, failed);
  if (!std::filesystem::exists(status))
    throw DataError(fmt::format("{}: {}", path.string(), failed ? failed.message() : "no such file"));
  if (std::filesystem::is_directory(status)) return read_lm_eval(path, models);
  if (models) throw SpecError(fmt::format("--models: is for a folder of results, but {} is none", path.string()));
  std::string extension = path.extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (extension == ".csv") return read_csv(path);
  if (!std::filesystem::is_regular_file(status)) throw DataError(fmt::format("{}: not a regular file", path.string()));
  if (errno = 0; !std::ifstream(path)) throw DataError(fmt::format("{}: {}", path.string(), std::strerror(errno)));
  if (!is_hdf5(path))
    throw DataError(fmt::format("{}: expected a store (.h5), a table (.csv) or a folder of results", path.string()));
  return read_store(path);
}

}  // namespace

Table read_table(const std::filesystem::path& path, const std::optional<std::filesystem::path>& models) {
  Table table = read_source(path, models);
  if (table.series.empty()) {
    Problems problems;
    problems.add(fmt::format("{}: there are no results in it", path.string()));
    for (const std::string& problem : table.problems) problems.add(problem);
    problems.throw_if_any<DataError>();
  }
  return table;
}

}  // namespace catenary::analysis
