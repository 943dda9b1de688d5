#include "catenary/spec/sweep_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <climits>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <utility>

#include "catenary/base/error.h"
#include "catenary/base/mapped_file.h"
#include "catenary/base/parse_json.h"
#include "catenary/base/printable.h"
#include "catenary/spec/catalogue.h"

namespace catenary::spec {
namespace {

// A text of a store has room for all that may be written.
constexpr std::int64_t kMostNewTokens = 1 << 20;

using Json = nlohmann::json;

template <class Enum>
struct Word {
  Enum value;
  std::string_view word;
};
constexpr std::array kTaskFormats{
    Word{TaskFormat::kClassification, "classification"}, Word{TaskFormat::kSequenceProb, "sequence_prob"},
    Word{TaskFormat::kLogodds, "logodds"}, Word{TaskFormat::kAbsoluteLogodds, "absolute_logodds"},
    Word{TaskFormat::kNumeric, "numeric"}};
constexpr std::array kExemplars{Word{Exemplars::kFixed, "fixed"}, Word{Exemplars::kPerItem, "per_item"},
                                Word{Exemplars::kInOrder, "in_order"}};
constexpr std::array kLabels{Word{ExemplarLabels::kAny, "any"}, Word{ExemplarLabels::kBalanced, "balanced"},
                             Word{ExemplarLabels::kSame, "same"}};
constexpr std::array kAnswers{Word{ExemplarAnswers::kRight, "right"}, Word{ExemplarAnswers::kWrong, "wrong"}};
constexpr std::array kTooLong{Word{TooLong::kRefuse, "refuse"}, Word{TooLong::kTruncateLeft, "truncate_left"}};
enum class ModelKind { kBase, kInstruct };
constexpr std::array kModelKinds{Word{ModelKind::kBase, "base"}, Word{ModelKind::kInstruct, "instruct"}};
constexpr std::array kDTypes{Word{DType::kFloat32, "float32"}, Word{DType::kFloat16, "float16"},
                             Word{DType::kBFloat16, "bfloat16"}};

template <class Enum>
std::string_view word_of(std::span<const Word<Enum>> words, Enum value) {
  for (const auto& entry : words) {
    if (entry.value == value) return entry.word;
  }
  return "?";
}

template <class Enum>
std::optional<Enum> find_word(std::span<const Word<Enum>> words, std::string_view word) {
  for (const auto& entry : words) {
    if (entry.word == word) return entry.value;
  }
  return std::nullopt;
}

template <class Enum>
std::string list_words(std::span<const Word<Enum>> words) {
  std::string list;
  for (const auto& entry : words) list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", entry.word);
  return list;
}

// One JSON object being read: knows its pointer, notes every problem, and at the end names the keys nobody asked for.
class ObjectReader {
 public:
  ObjectReader(const Json& json, std::string pointer, const std::string& file, Problems& problems)
      : json_(json), pointer_(std::move(pointer)), file_(file), problems_(problems) {
    if (!json_.is_object()) problem("", fmt::format("expected an object, found {}", json_.type_name()));
  }

  void problem(std::string_view key, std::string_view what) {
    const std::string pointer =
        key.empty() ? pointer_ : pointer_ + (Json::json_pointer() / std::string(key)).to_string();
    problems_.add(fmt::format("{}: {}: {}", file_, pointer.empty() ? "/" : pointer, what));
  }

  std::string pointer_to(std::string_view key) const { return fmt::format("{}/{}", pointer_, key); }

  const Json* find(std::string_view key) {
    known_.emplace(key);
    if (!json_.is_object()) return nullptr;
    const auto it = json_.find(key);
    return it == json_.end() ? nullptr : &*it;
  }

  const Json* get(std::string_view key, std::string_view expected) {
    const Json* value = find(key);
    if (value == nullptr && json_.is_object()) problem(key, fmt::format("missing, expected {}", expected));
    return value;
  }

  std::string get_string(std::string_view key) { return to_text(key, get(key, "a string")).value_or(""); }
  std::optional<std::string> find_string(std::string_view key) { return to_text(key, find(key)); }

  std::optional<std::vector<std::string>> find_strings(std::string_view key) {
    const Json* list = find(key);
    if (list == nullptr) return std::nullopt;
    const bool fits = list->is_array() && !list->empty() && std::ranges::all_of(*list, &Json::is_string);
    if (!fits) problem(key, fmt::format("expected a list of at least one string, found {}", list->dump()));
    return fits ? list->get<std::vector<std::string>>() : std::vector<std::string>();
  }

  std::optional<std::int64_t> find_integer(std::string_view key, std::int64_t min,
                                           std::int64_t max = std::numeric_limits<std::int64_t>::max()) {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    const bool fits =
        value->is_number_integer() && (!value->is_number_unsigned() || value->get<std::uint64_t>() <= INT64_MAX);
    if (!fits || value->get<std::int64_t>() < min || value->get<std::int64_t>() > max) {
      const bool is_most_told =
          max < std::numeric_limits<std::int64_t>::max() || (!fits && value->is_number_unsigned());
      const std::string most = is_most_told ? fmt::format(" and at most {}", max) : "";
      problem(key, fmt::format("expected an integer of at least {}{}, found {}", min, most, value->dump()));
      return std::nullopt;
    }
    return value->get<std::int64_t>();
  }

  std::optional<double> find_positive_number(std::string_view key) {
    return find_number(key, "above 0", [](double x) { return x > 0; });
  }

  std::optional<double> find_number(std::string_view key, std::string_view expected, bool (*fits)(double)) {
    const Json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number() || !std::isfinite(value->get<double>()) || !fits(value->get<double>())) {
      problem(key, fmt::format("expected a number {}, found {}", expected, value->dump()));
      return std::nullopt;
    }
    return value->get<double>();
  }

  bool find_flag(std::string_view key) {
    const Json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) problem(key, fmt::format("expected true or false, found {}", value->dump()));
    return value->is_boolean() && value->get<bool>();
  }

  // The keys of an object whose values are whole numbers.
  std::map<std::string, int> find_settings(std::string_view key) {
    std::map<std::string, int> settings;
    find_object(key, [&](ObjectReader& entry) {
      if (!entry.json_.is_object()) return;
      for (const auto& [name, value] : entry.json_.items()) {
        const auto number = entry.find_integer(name, 0);
        if (number) settings[name] = static_cast<int>(std::min<std::int64_t>(*number, INT_MAX));
      }
    });
    return settings;
  }

  template <class Enum, std::size_t N>
  std::optional<Enum> to_word(std::string_view key, const Json* value, const std::array<Word<Enum>, N>& words) {
    if (value == nullptr) return std::nullopt;
    const std::optional<Enum> found =
        value->is_string() ? find_word<Enum>(words, value->get_ref<const std::string&>()) : std::nullopt;
    if (!found) problem(key, fmt::format("expected one of {}, found {}", list_words<Enum>(words), value->dump()));
    return found;
  }

  // Calls `read(ObjectReader&)` for each object of a list that must not be empty.
  template <class Read>
  void each(std::string_view key, Read read) {
    const Json* list = get(key, "a list");
    if (list == nullptr) return;
    if (!list->is_array() || list->empty()) {
      problem(key, fmt::format("expected a list of at least one object, found {}",
                               list->is_array() ? "[]" : list->type_name()));
      return;
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
      ObjectReader entry((*list)[i], fmt::format("{}/{}/{}", pointer_, key, i), file_, problems_);
      read(entry);
      entry.finish();
    }
  }

  // Calls `read(ObjectReader&)` for an object that may be missing.
  template <class Read>
  void find_object(std::string_view key, Read read) {
    const Json* value = find(key);
    if (value == nullptr) return;
    ObjectReader entry(*value, fmt::format("{}/{}", pointer_, key), file_, problems_);
    read(entry);
    entry.finish();
  }

  void finish() {
    if (!json_.is_object()) return;
    for (const auto& [key, value] : json_.items()) {
      if (key == "comment" || known_.contains(key)) continue;
      std::string known;
      for (const auto& name : known_) known += fmt::format("{}\"{}\"", known.empty() ? "" : ", ", name);
      problem(key, fmt::format("unknown key; known here are {}, \"comment\"", known));
    }
  }

 private:
  std::optional<std::string> to_text(std::string_view key, const Json* value) {
    if (value == nullptr) return std::nullopt;
    if (!value->is_string() || value->get_ref<const std::string&>().empty()) {
      problem(key, fmt::format("expected a string that is not empty, found {}", value->dump()));
      return std::nullopt;
    }
    if (value->get_ref<const std::string&>().find('\0') != std::string::npos) {
      problem(key, "expected a string without NUL characters");
      return std::nullopt;
    }
    return value->get<std::string>();
  }

  const Json& json_;
  std::string pointer_;
  const std::string& file_;
  Problems& problems_;
  std::set<std::string, std::less<>> known_;
};

// A name ends up in tables, file names and HDF5 paths.
std::string checked_name(ObjectReader& entry, std::string_view key, std::string name) {
  constexpr std::size_t kMaxLength = 64;
  if (name.size() > kMaxLength || name.find_first_of("/\\") != std::string::npos || printable(name) != name) {
    entry.problem(key, fmt::format("expected at most {} bytes without slashes and control characters", kMaxLength));
  }
  return name;
}

std::string read_unique_name(ObjectReader& entry, std::set<std::string>& names, const std::string& fallback = {}) {
  const std::optional<std::string> given = fallback.empty() ? entry.get_string("name") : entry.find_string("name");
  std::string name = checked_name(entry, "name", given.value_or(fallback));
  if (!name.empty() && !names.insert(name).second) {
    entry.problem("name", fmt::format("\"{}\" is used twice; names must be unique", name));
  }
  return name;
}

constexpr std::int64_t kMostRanksTogether = 65536;

std::optional<std::int64_t> find_power_of_two(ObjectReader& entry, std::string_view key) {
  const auto value = entry.find_integer(key, 1, kMostRanksTogether);
  if (value && !std::has_single_bit(static_cast<std::uint64_t>(*value))) {
    entry.problem(key, fmt::format("expected a power of two, found {}", *value));
  }
  return value;
}

ModelSpec read_model(ObjectReader& entry, std::set<std::string>& names, const std::string& default_family,
                     const std::filesystem::path& folder) {
  ModelSpec model;
  model.name = read_unique_name(entry, names);
  model.path = (folder / entry.get_string("path")).lexically_normal();
  model.family = checked_name(entry, "family", entry.find_string("family").value_or(default_family));
  model.training_tokens = entry.find_positive_number("training_tokens");
  model.training_flops = entry.find_positive_number("training_flops");
  model.tensor_parallel = find_power_of_two(entry, "tensor_parallel");
  model.pointer = entry.pointer_to("path");
  return model;
}

template <class Range, class Name>
std::string list_names(const Range& range, Name name) {
  std::string list;
  for (const auto& element : range)
    list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", std::invoke(name, element));
  return list;
}

// Those of `models` that "members" names, in its order.
std::vector<ModelSpec> choose_members(ObjectReader& entry, const std::vector<ModelSpec>& models,
                                      const std::vector<std::string>& members) {
  std::vector<ModelSpec> chosen;
  for (const std::string& name : members) {
    const auto found = std::ranges::find(models, name, &ModelSpec::name);
    if (found == models.end()) {
      entry.problem("members", fmt::format("expected of {}, found \"{}\"", list_names(models, &ModelSpec::name), name));
    } else {
      chosen.push_back(*found);
    }
  }
  return chosen;
}

// A ladder of the catalogue in place of a model.
std::vector<ModelSpec> read_ladder(ObjectReader& entry, std::set<std::string>& names,
                                   const std::filesystem::path& folder) {
  const std::string name = entry.get_string("ladder");
  const auto root = folder / entry.get_string("root");
  const bool instruct = entry.to_word("kind", entry.find("kind"), kModelKinds) == ModelKind::kInstruct;
  const std::string family =
      checked_name(entry, "family", entry.find_string("family").value_or(instruct ? name + "-instruct" : name));
  const auto members = entry.find_strings("members");
  const PublicLadder* ladder = find_public_ladder(name);
  if (ladder == nullptr) {
    entry.problem("ladder", fmt::format("expected one of {}, found \"{}\"",
                                        list_names(public_ladders(), &PublicLadder::name), name));
    return {};
  }
  std::vector<ModelSpec> models;
  for (const PublicModel& model : ladder->models) {
    const auto& repository = instruct ? model.instruct : model.base;
    if (!repository) continue;
    const std::string model_name(repository_name(*repository));
    models.push_back({.name = model_name,
                      .path = (root / model_name).lexically_normal(),
                      .family = family,
                      .training_tokens = model.training_tokens,
                      .training_flops = std::nullopt,
                      .repository = repository,
                      .pointer = entry.pointer_to("root")});
  }
  if (models.empty()) {
    entry.problem("ladder", fmt::format("\"{}\" has no {} models", name, instruct ? "instruct" : "base"));
  }
  if (members) models = choose_members(entry, models, *members);
  for (const ModelSpec& model : models) {
    if (!names.insert(model.name).second) {
      entry.problem("ladder", fmt::format("its \"{}\" is in \"models\" already; names must be unique", model.name));
    }
  }
  return models;
}

// Every checkpoint in a folder in place of a model: sub-folders with a config.json, .gguf files; by name.
std::vector<ModelSpec> read_folder(ObjectReader& entry, std::set<std::string>& names, const std::string& default_family,
                                   const std::filesystem::path& folder) {
  const auto path = (folder / entry.get_string("folder")).lexically_normal();
  const std::string family = checked_name(entry, "family", entry.find_string("family").value_or(default_family));
  std::vector<ModelSpec> models;
  std::error_code failed;
  for (const auto& inside : std::filesystem::directory_iterator(path, failed)) {
    std::error_code ignored;
    if (!std::filesystem::exists(inside.path() / "config.json", ignored) && inside.path().extension() != ".gguf")
      continue;
    models.push_back({.name = checked_name(entry, "folder", inside.path().filename().string()),
                      .path = inside.path(),
                      .family = family,
                      .pointer = entry.pointer_to("folder")});
  }
  if (failed) entry.problem("folder", fmt::format("{}: {}", path.string(), failed.message()));
  std::ranges::sort(models, {}, &ModelSpec::name);
  for (const ModelSpec& model : models) {
    if (!names.insert(model.name).second) {
      entry.problem("folder", fmt::format("its \"{}\" is in \"models\" already; names must be unique", model.name));
    }
  }
  return models;
}

// A ladder's or folder's "tensor_parallel": a size for each model that it names.
void read_tensor_parallel(ObjectReader& entry, std::vector<ModelSpec>& models) {
  if (models.empty()) {  // that was told
    entry.find("tensor_parallel");
    return;
  }
  entry.find_object("tensor_parallel", [&](ObjectReader& sizes) {
    for (ModelSpec& model : models) model.tensor_parallel = find_power_of_two(sizes, model.name);
  });
}

constexpr std::string_view kKinds =
    R"("zero_shot", or "few_shot", "instruct" and "cot", joined by "+" where there are several)";

// Sets what a kind such as "few_shot+instruct" names; false if it is none.
bool set_kind(std::string_view kind, ConditionSpec& condition) {
  if (kind == "zero_shot") return true;
  while (true) {
    const std::size_t end = kind.find('+');
    const std::string_view word = kind.substr(0, end);
    bool* const part = word == "few_shot"   ? &condition.few_shot
                       : word == "instruct" ? &condition.instruct
                       : word == "cot"      ? &condition.cot
                                            : nullptr;
    if (part == nullptr || *part) return false;
    *part = true;
    if (end == std::string_view::npos) return true;
    kind.remove_prefix(end + 1);
  }
}

Generation read_generation(ObjectReader& entry) {
  Generation generation;
  generation.max_new_tokens =
      entry.find_integer("max_new_tokens", 1, kMostNewTokens).value_or(generation.max_new_tokens);
  generation.temperature =
      entry.find_number("temperature", "of at least 0", [](double x) { return x >= 0; }).value_or(0);
  generation.top_p =
      entry.find_number("top_p", "above 0, at most 1", [](double x) { return x > 0 && x <= 1; }).value_or(1);
  generation.seed = static_cast<std::uint64_t>(entry.find_integer("seed", 0).value_or(0));
  generation.stop = entry.find_strings("stop");
  if (generation.stop && std::ranges::count(*generation.stop, "") > 0) {
    entry.problem("stop", "expected strings that are not empty");
  }
  return generation;
}

template <class Resolve>
ConditionSpec read_condition(ObjectReader& entry, const Resolve& resolve) {
  ConditionSpec condition;
  const Json* kind = entry.get("kind", kKinds);
  if (kind == nullptr) return condition;
  if (!kind->is_string() || !set_kind(kind->get_ref<const std::string&>(), condition)) {
    entry.problem("kind", fmt::format("expected {}, found {}", kKinds, kind->dump()));
    return condition;
  }
  if (condition.few_shot) {
    if (entry.get("k", "the number of exemplars") != nullptr) condition.k = entry.find_integer("k", 1).value_or(1);
    condition.seed = static_cast<std::uint64_t>(entry.find_integer("seed", 0).value_or(0));
    condition.exemplars = entry.to_word("exemplars", entry.find("exemplars"), kExemplars).value_or(condition.exemplars);
    condition.separator = entry.find_string("separator").value_or(condition.separator);
    condition.labels = entry.to_word("labels", entry.find("labels"), kLabels).value_or(condition.labels);
    condition.answers = entry.to_word("answers", entry.find("answers"), kAnswers).value_or(condition.answers);
  }
  if (condition.instruct) {
    condition.system = entry.find_string("system");
    if (const auto path = entry.find_string("chat_template")) condition.chat_template = resolve(*path);
  }
  if (condition.cot) {
    condition.trigger = entry.find_string("trigger").value_or(condition.trigger);
    condition.answer_cue = entry.find_string("answer_cue").value_or(condition.answer_cue);
    condition.answer_end = entry.find_string("answer_end").value_or(condition.answer_end);
    entry.find_object("generation", [&](ObjectReader& object) { condition.generation = read_generation(object); });
  }
  condition.too_long = entry.to_word("too_long", entry.find("too_long"), kTooLong).value_or(condition.too_long);
  return condition;
}

FieldMapping read_mapping(ObjectReader& entry) {
  FieldMapping mapping;
  mapping.prompt = entry.get_string("prompt");
  mapping.classes = entry.get_string("classes");
  mapping.answer = entry.get_string("answer");
  mapping.labels = entry.find_string("labels");
  mapping.class_prefix = entry.find_string("class_prefix").value_or(mapping.class_prefix);
  return mapping;
}

// What a generated task is made from, in place of a file.
GeneratedTask read_generated_task(ObjectReader& entry) {
  GeneratedTask task;
  task.name = entry.get_string("generate");
  if (entry.get("n", "the number of items") != nullptr) task.num_items = entry.find_integer("n", 1).value_or(1);
  task.seed = static_cast<std::uint64_t>(entry.find_integer("seed", 0).value_or(0));
  task.control = entry.find_flag("control");
  task.settings = entry.find_settings("settings");
  return task;
}

// Parses JSON; keys that stand twice in one object are problems.
Json parse_json(const std::string& text, const std::string& file, Problems& problems) {
  try {
    return catenary::parse_json(text, [&](const std::string& key) {
      problems.add(fmt::format("{}: the key {} stands twice in one object", file, Json(key).dump()));
    });
  } catch (const JsonError& e) {
    const bool has_comments = !Json::accept(text) && Json::accept(text, /*ignore_comments=*/true);
    throw SpecError(
        fmt::format("{}: {}{}", file, e.what(), has_comments ? "; a comment is a key, \"comment\": \"…\"" : ""));
  }
}

template <class Enum, std::size_t N>
Enum parse_word(std::string_view what, std::string_view word, const std::array<Word<Enum>, N>& words) {
  if (const auto found = find_word<Enum>(words, word)) return *found;
  throw SpecError(fmt::format("{}: expected one of {}, found \"{}\"", what, list_words<Enum>(words), word));
}

SweepSpec parse_sweep_spec(const std::string& text, const std::filesystem::path& path, bool with_models) {
  SweepSpec spec;
  spec.text = text;
  const std::string file = path.string();
  Problems problems;
  const Json json = parse_json(spec.text, file, problems);

  ObjectReader root(json, "", file, problems);
  spec.name = checked_name(root, "name", root.get_string("name"));
  spec.dtype = root.to_word("dtype", root.find("dtype"), kDTypes).value_or(spec.dtype);
  const auto folder = std::filesystem::absolute(path).parent_path();
  const auto resolve = [&](const std::string& relative) { return (folder / relative).lexically_normal(); };

  std::set<std::string> model_names, task_names, condition_names;
  const auto read_models = [&](ObjectReader& entry) {
    const bool is_ladder = entry.find("ladder") != nullptr;
    if (!is_ladder && entry.find("folder") == nullptr) {
      spec.models.push_back(read_model(entry, model_names, spec.name, folder));
      return;
    }
    auto models =
        is_ladder ? read_ladder(entry, model_names, folder) : read_folder(entry, model_names, spec.name, folder);
    read_tensor_parallel(entry, models);
    std::ranges::move(models, std::back_inserter(spec.models));
  };
  if (with_models) {
    root.each("models", read_models);
  } else {
    root.find("models");
  }
  root.each("tasks", [&](ObjectReader& entry) {
    TaskSpec task;
    if (entry.find("generate") != nullptr) {
      task.generate = read_generated_task(entry);
      task.name = read_unique_name(entry, task_names, task.generate->name + (task.generate->control ? "-control" : ""));
    } else {
      task.name = read_unique_name(entry, task_names);
      task.path = resolve(entry.get_string("path"));
      task.format = entry.to_word("format", entry.find("format"), kTaskFormats);
      entry.find_object("fields", [&](ObjectReader& fields) { task.fields = read_mapping(fields); });
    }
    task.offset = entry.find_integer("offset", 0).value_or(0);
    task.limit = entry.find_integer("limit", 1);
    if (const auto exemplars = entry.find_string("exemplars")) task.exemplars = resolve(*exemplars);
    spec.tasks.push_back(std::move(task));
  });
  root.each("conditions", [&](ObjectReader& entry) {
    std::string condition_name = read_unique_name(entry, condition_names);
    spec.conditions.push_back(read_condition(entry, resolve));
    spec.conditions.back().name = std::move(condition_name);
  });
  root.finish();
  problems.throw_if_any<SpecError>();
  return spec;
}

}  // namespace

std::string kind_of(const ConditionSpec& condition) {
  std::string kind;
  for (const auto& [is_part, word] : {std::pair(condition.few_shot, "few_shot"), std::pair(condition.cot, "cot"),
                                      std::pair(condition.instruct, "instruct")}) {
    if (is_part) kind += (kind.empty() ? "" : "+") + std::string(word);
  }
  return kind.empty() ? "zero_shot" : kind;
}

std::string definition_of(const ConditionSpec& condition) {
  nlohmann::ordered_json json{{"kind", kind_of(condition)}};
  if (condition.few_shot) {
    json["k"] = condition.k;
    json["seed"] = condition.seed;
    json["exemplars"] = to_string(condition.exemplars);
    json["separator"] = condition.separator;
    json["labels"] = word_of<ExemplarLabels>(kLabels, condition.labels);
    json["answers"] = word_of<ExemplarAnswers>(kAnswers, condition.answers);
  }
  if (condition.instruct && condition.system) json["system"] = *condition.system;
  if (condition.cot) {
    json["trigger"] = condition.trigger;
    json["answer_cue"] = condition.answer_cue;
    json["answer_end"] = condition.answer_end;
    const Generation& generation = condition.generation;
    auto& stored = json["generation"] = {{"max_new_tokens", generation.max_new_tokens}};
    stored["temperature"] = generation.temperature;
    stored["top_p"] = generation.top_p;
    stored["seed"] = generation.seed;
    if (generation.stop) stored["stop"] = *generation.stop;
  }
  if (condition.too_long != TooLong::kRefuse) json["too_long"] = word_of<TooLong>(kTooLong, condition.too_long);
  return json.dump();
}

std::string_view to_string(TaskFormat format) {
  return word_of<TaskFormat>(kTaskFormats, format);
}
std::string_view to_string(Exemplars exemplars) {
  return word_of<Exemplars>(kExemplars, exemplars);
}
std::string_view to_string(DType dtype) {
  return word_of<DType>(kDTypes, dtype);
}

TaskFormat parse_task_format(std::string_view word) {
  return parse_word("format", word, kTaskFormats);
}

DType parse_dtype(std::string_view word) {
  return parse_word("dtype", word, kDTypes);
}

ConditionSpec parse_condition(const std::string& text) {
  const std::string where = "--condition";
  Problems problems;
  const Json json = text.starts_with('{') ? parse_json(text, where, problems) : Json{{"kind", text}};
  ObjectReader entry(json, "", where, problems);
  ConditionSpec condition =
      read_condition(entry, [](const std::string& path) { return std::filesystem::absolute(path).lexically_normal(); });
  condition.name = entry.find_string("name").value_or(kind_of(condition));
  entry.finish();
  problems.throw_if_any<SpecError>();
  return condition;
}

FieldMapping parse_fields(const std::string& text) {
  const std::string where = "--fields";
  Problems problems;
  const Json json = parse_json(text, where, problems);
  ObjectReader entry(json, "", where, problems);
  FieldMapping fields = read_mapping(entry);
  entry.finish();
  problems.throw_if_any<SpecError>();
  return fields;
}

SweepSpec read_sweep_spec(const std::filesystem::path& path) {
  std::string text;
  try {
    text = MappedFile(path).text();
  } catch (const DataError& e) {
    throw SpecError(e.what());
  }
  return parse_sweep_spec(text, path, /*with_models=*/true);
}

SweepSpec parse_tasks_and_conditions(const std::string& text) {
  return parse_sweep_spec(text, "/sweep.json", /*with_models=*/false);
}

}  // namespace catenary::spec
