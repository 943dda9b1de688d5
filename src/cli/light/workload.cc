#include "cli/light/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <random>
#include <string_view>

#include "catenary/base/error.h"
#include "catenary/base/mapped_file.h"
#include "catenary/base/parse_json.h"
#include "catenary/spec/work_unit.h"
#include "catenary/weights/model_config.h"
#include "cli/light/json.h"
#include "cli/model_cost.h"

namespace catenary::cli {
namespace {

Json parse(const std::filesystem::path& path) {
  try {
    return parse_json<Json>(MappedFile(path).text());
  } catch (const JsonError& e) {
    throw SpecError(fmt::format("{}: {}", path.string(), e.what()));
  }
}

// Reads numbers of one object and notes what is wrong with them.
class Fields {
 public:
  Fields(const Json& object, std::string place, Problems& problems)
      : object_(object), place_(std::move(place)), problems_(problems) {
    if (!object_.is_object()) problems_.add(fmt::format("{}: expected an object", place_));
  }

  void allow(std::initializer_list<std::string_view> keys) const {
    if (!object_.is_object()) return;
    for (const auto& [key, value] : object_.items()) {
      if (std::ranges::find(keys, key) == keys.end()) problems_.add(fmt::format("{}/{}: no such key", place_, key));
    }
  }
  double number(const char* key, double least) const {
    const Json* value = find(key);
    if (value != nullptr && value->is_number() && value->get<double>() >= least) return value->get<double>();
    problems_.add(fmt::format("{}/{}: expected a number of at least {}{}", place_, key, least, found(value)));
    return std::max(least, 1.0);
  }
  std::int64_t count(const char* key, std::int64_t fallback = 0) const {
    const Json* value = find(key);
    if (value == nullptr && fallback > 0) return fallback;
    if (value != nullptr && value->is_number_integer() && value->get<std::int64_t>() >= 1)
      return value->get<std::int64_t>();
    problems_.add(fmt::format("{}/{}: expected a whole number of at least 1{}", place_, key, found(value)));
    return 1;
  }
  bool flag(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || value->is_boolean()) return value != nullptr && value->get<bool>();
    problems_.add(fmt::format("{}/{}: expected true or false{}", place_, key, found(value)));
    return false;
  }
  std::string text(const char* key) const {
    const Json* value = find(key);
    if (value != nullptr && value->is_string() && !value->get<std::string>().empty()) return *value;
    problems_.add(fmt::format("{}/{}: expected a text{}", place_, key, found(value)));
    return "?";
  }

 private:
  const Json* find(const char* key) const {
    return object_.is_object() && object_.contains(key) ? &object_[key] : nullptr;
  }
  static std::string found(const Json* value) { return value == nullptr ? "" : ", found " + to_text(*value); }

  const Json& object_;
  std::string place_;
  Problems& problems_;
};

// The architecture of one entry of "shapes", as far as costs depend on it.
struct Shape {
  std::string name;
  weights::ModelConfig config;
};

Shape read_shape(const Fields& fields, Problems& problems, const std::string& place) {
  fields.allow({"name", "hidden_size", "intermediate_size", "num_layers", "num_heads", "num_kv_heads", "head_dim",
                "vocab_size", "gated_mlp", "tie_word_embeddings"});
  Shape shape{.name = fields.text("name"), .config = {}};
  weights::ModelConfig& config = shape.config;
  config.hidden_size = config.embedding_size = fields.count("hidden_size");
  config.intermediate_size = fields.count("intermediate_size");
  config.num_layers = fields.count("num_layers");
  config.num_heads = fields.count("num_heads");
  config.num_kv_heads = fields.count("num_kv_heads", config.num_heads);
  config.head_dim = fields.count("head_dim", std::max<std::int64_t>(1, config.hidden_size / config.num_heads));
  config.vocab_size = fields.count("vocab_size");
  config.gated_mlp = fields.flag("gated_mlp");
  config.tie_word_embeddings = fields.flag("tie_word_embeddings");
  if (config.num_heads % config.num_kv_heads != 0) {
    problems.add(fmt::format("{}/num_kv_heads: expected a divisor of num_heads, {}", place, config.num_heads));
  }
  return shape;
}

std::vector<Shape> read_shapes(const Json& json, const std::string& file, Problems& problems) {
  std::vector<Shape> shapes;
  const Json& list = json["shapes"];
  if (!list.is_array() || list.empty()) problems.add(file + ": /shapes: expected a list of models");
  for (std::size_t i = 0; list.is_array() && i < list.size(); ++i) {
    const std::string place = fmt::format("{}: /shapes/{}", file, i);
    shapes.push_back(read_shape(Fields(list[i], place, problems), problems, place));
  }
  return shapes;
}

// A factor around 1, log-normal.
double draw(std::mt19937_64& random, double spread) {
  return std::lognormal_distribution<double>(0, spread)(random);
}

}  // namespace

bool is_workload(const std::filesystem::path& path) {
  try {
    const Json json = parse_json<Json>(MappedFile(path).text());
    return json.is_object() && json.contains("shapes");
  } catch (const JsonError&) {
    return false;  // whoever reads it as a sweep says what is wrong
  }
}

Workload read_workload(const std::filesystem::path& path) {
  Problems problems;
  const Json json = parse(path);
  const Fields top(json, path.string() + ": ", problems);
  top.allow({"comment", "name", "dtype", "shapes", "units"});
  Workload workload{.name = top.text("name"), .dtype = {}, .model_names = {}, .models = {}, .units = {}};
  try {
    workload.dtype = spec::parse_dtype(top.text("dtype"));
  } catch (const SpecError& e) {
    problems.add(fmt::format("{}: /dtype: {}", path.string(), e.what()));
  }
  const auto shapes = read_shapes(json, path.string(), problems);
  const Json none;
  const Fields units(json.contains("units") ? json["units"] : none, path.string() + ": /units", problems);
  units.allow({"tasks", "conditions", "items", "tokens", "spread", "seed"});
  const std::int64_t num_tasks = units.count("tasks"), num_conditions = units.count("conditions");
  const double items = units.number("items", 1), tokens = units.number("tokens", 1), spread = units.number("spread", 0);
  const auto seed = static_cast<std::uint64_t>(units.number("seed", 0));
  problems.throw_if_any<SpecError>();

  std::mt19937_64 random(seed);
  struct Drawn {
    std::size_t num_ranges;
    double tokens;  // of a range
  };
  std::vector<Drawn> cells;
  for (std::int64_t t = 0; t < num_tasks; ++t) {
    const auto num_items = std::max<std::int64_t>(1, static_cast<std::int64_t>(items * draw(random, spread)));
    const auto num_ranges = static_cast<std::size_t>((num_items + spec::kItemsPerRange - 1) / spec::kItemsPerRange);
    for (std::int64_t c = 0; c < num_conditions; ++c) {
      const double of_all = static_cast<double>(num_items) * tokens * draw(random, spread);
      cells.push_back({num_ranges, of_all / static_cast<double>(num_ranges)});
    }
  }
  std::size_t first_range = 0;
  for (const Shape& shape : shapes) {
    const scheduler::ModelCost cost = cost_of(shape.config, workload.dtype);
    for (const Drawn& cell : cells) {
      // An item's tokens see half of them in the mean; two of them are scored.
      const double per_item =
          cell.tokens * static_cast<double>(cell.num_ranges) / static_cast<double>(spec::kItemsPerRange);
      const scheduler::TokenCounts counts{.tokens = cell.tokens,
                                          .tokens_seen = cell.tokens * std::min(per_item, tokens) / 2,
                                          .rows = 2.0 * spec::kItemsPerRange};
      workload.units.push_back(
          {static_cast<std::int32_t>(workload.models.size()), first_range, cell.num_ranges, flops(cost, counts)});
      first_range += cell.num_ranges;
    }
    workload.model_names.push_back(shape.name);
    workload.models.push_back(cost);
  }
  return workload;
}

}  // namespace catenary::cli
