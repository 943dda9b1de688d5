#include "catenary/task/task_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>

#include "catenary/base/error.h"
#include "catenary/base/hash.h"
#include "catenary/base/mapped_file.h"
#include "catenary/base/utf8.h"
#include "catenary/task/known_task.h"
#include "task/records.h"

namespace catenary::task {
namespace {

using spec::TaskFormat;

// One record being checked: takes its fields and notes what is wrong with each.
class ItemParser {
 public:
  ItemParser(const Record& record, Problems& problems) : record_(record), problems_(problems) {}

  Item parse(TaskFormat format) {
    Item item;
    get_text("prompt", item.prompt);
    for (auto& [key, text] : {std::pair("preamble", &item.preamble), std::pair("rationale", &item.rationale)}) {
      if (record_.json.contains(key)) get_text(key, *text);
    }
    for (auto& [key, text] : {std::pair("part", &item.part), std::pair("round", &item.round)}) {
      if (!record_.json.contains(key)) continue;
      const Json& value = record_.json[key];
      if (!value.is_string() && !value.is_number()) problem(fmt::format("{}: expected a string or a number", key));
      *text = value.is_string() ? value.get<std::string>() : value.is_number() ? value.dump() : "";
    }
    switch (format) {
      case TaskFormat::kClassification:
        get_classes(item, 2, "two or more strings");
        break;
      case TaskFormat::kLogodds:
      case TaskFormat::kAbsoluteLogodds:
        get_text("other_prompt", item.other_prompt);
        get_classes(item, 2, "two strings", 2);
        break;
      case TaskFormat::kSequenceProb:
        get_text("completion", item.classes.emplace_back());
        if (has_string("completion") && item.classes[0].empty()) {
          problem("completion: expected a string that is not empty");
        }
        break;
      case TaskFormat::kNumeric:
        get_number("true_answer", item.true_answer);
        if (record_.json.contains("anchor")) get_number("anchor", item.anchor);
        if (record_.json.contains("true_answer")) item.classes = {" " + record_.json["true_answer"].dump()};
        break;
    }
    return item;
  }

 private:
  void problem(const std::string& what) { problems_.add(record_.where + ": " + what); }

  bool has_string(const char* key) const { return record_.json.contains(key) && record_.json[key].is_string(); }

  void get_text(const char* key, std::string& text) {
    if (has_string(key)) {
      text = record_.json[key].get<std::string>();
    } else {
      problem(fmt::format("{}: expected a string", key));
    }
  }

  void get_number(const char* key, double& number) {
    if (record_.json.contains(key) && record_.json[key].is_number()) {
      number = record_.json[key].get<double>();
    } else {
      problem(fmt::format("{}: expected a number", key));
    }
  }

  void get_classes(Item& item, std::size_t min, std::string_view expected, std::size_t max = SIZE_MAX) {
    Json classes = record_.json.value("classes", Json());
    if (classes.is_string()) {  // as pandas writes a column of a CSV
      if (const auto list = parse_string_list(classes.get_ref<const std::string&>())) classes = *list;
    }
    if (!classes.is_array() || classes.size() < min || classes.size() > max) {
      problem(fmt::format("classes: expected a list of {}", expected));
    } else {
      for (const Json& text : classes) {
        const std::size_t i = item.classes.size();
        const bool is_text = text.is_string() && !text.get_ref<const std::string&>().empty();
        if (!is_text) problem(fmt::format("classes/{}: expected a string that is not empty", i));
        item.classes.push_back(is_text ? text.get<std::string>() : "");
        const auto same = std::find(item.classes.begin(), item.classes.end() - 1, item.classes.back());
        if (is_text && same != item.classes.end() - 1) {
          problem(fmt::format("classes/{}: the same as classes/{}", i, same - item.classes.begin()));
        }
      }
    }
    const Json answer = record_.json.value("answer_index", Json());
    const auto limit = static_cast<std::int64_t>(item.classes.size());
    if (!answer.is_number_integer()) {
      problem("answer_index: expected an integer" + (answer.is_null() ? "" : ", found " + answer.dump()));
    } else if (limit > 0 && (answer < 0 || answer >= limit)) {
      problem(fmt::format("answer_index: expected 0 to {}, found {}", limit - 1, answer.dump()));
    } else {
      item.answer_index = answer.get<std::int32_t>();
    }
  }

  const Record& record_;
  Problems& problems_;
};

// What the fields of an item say of its format. `absolute_logodds` has the fields of `logodds`.
TaskFormat format_of(const Json& item) {
  if (item.contains("other_prompt")) return TaskFormat::kLogodds;
  if (item.contains("completion")) return TaskFormat::kSequenceProb;
  if (item.contains("true_answer")) return TaskFormat::kNumeric;
  return TaskFormat::kClassification;
}

struct Items {
  TaskFormat format = TaskFormat::kClassification;
  std::vector<Item> items;
};

/// JSON's parser refuses such text itself.
void check_utf8(const std::string& file, std::string_view text, Problems& problems) {
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = text.find('\n');
    if (!is_valid_utf8(text.substr(0, end))) problems.add(fmt::format("{}:{}: expected UTF-8", file, line));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

Items read_items(const std::filesystem::path& path, const std::optional<spec::FieldMapping>& fields,
                 std::optional<TaskFormat> format, Problems& problems) {
  const MappedFile file(path);
  RecordReader reader(path.string(), file.text(), problems);
  const auto extension = path.extension();
  if (fields && (extension == ".csv" || extension == ".json" || extension == ".txt")) {
    problems.add(fmt::format("{}: \"fields\" are for JSONL files", path.string()));
  }
  if (extension == ".csv" || extension == ".txt") check_utf8(path.string(), file.text(), problems);
  const std::size_t num_problems = problems.list().size();
  const std::vector<Record> records = extension == ".csv"    ? reader.read_csv()
                                      : extension == ".json" ? reader.read_json()
                                      : extension == ".txt"  ? reader.read_chain_of_thought()
                                                             : reader.read_jsonl(fields);
  Items items;
  if (records.empty() && problems.list().size() == num_problems) {
    problems.add(fmt::format("{}: no items", path.string()));
  }
  if (records.empty()) return items;
  items.format = format.value_or(format_of(records.front().json));
  for (const Record& record : records) items.items.push_back(ItemParser(record, problems).parse(items.format));
  return items;
}

void add_to(Hasher& hasher, const std::vector<Item>& items) {
  hasher.add(items.size());
  for (const Item& item : items) {
    hasher.add(item.prompt).add(item.other_prompt).add(item.preamble).add(item.rationale).add(item.classes.size());
    for (const std::string& text : item.classes) hasher.add(text);
    hasher.add(static_cast<std::uint64_t>(item.answer_index));
    hasher.add(std::as_bytes(std::span(&item.anchor, 1)));
  }
}

}  // namespace

Task read_task(const spec::TaskSpec& spec) {
  Problems problems;
  Items items = spec.generate ? Items{TaskFormat::kClassification, generate(*spec.generate)}
                              : read_items(spec.path, spec.fields, spec.format, problems);
  Task task{.items = std::move(items.items), .format = items.format};
  if (spec.exemplars) task.exemplars = read_items(*spec.exemplars, std::nullopt, std::nullopt, problems).items;
  problems.throw_if_any<DataError>();

  const auto num_items = std::ssize(task.items);
  if (spec.offset >= num_items) {
    throw DataError(
        fmt::format("{}: offset {} is beyond the last of {} items", source_of(spec), spec.offset, num_items));
  }
  task.first = spec.offset;
  task.count = std::min(num_items - spec.offset, spec.limit.value_or(num_items));
  Hasher hasher;
  hasher.add(to_string(task.format));
  add_to(hasher, task.items);
  add_to(hasher, task.exemplars);
  task.fingerprint = hasher.hex();
  return task;
}

std::string source_of(const spec::TaskSpec& spec) {
  if (!spec.generate) return spec.path.string();
  const spec::GeneratedTask& task = *spec.generate;
  std::string source = fmt::format("{} --n {} --seed {}", task.name, task.num_items, task.seed);
  for (const auto& [name, value] : task.settings) source += fmt::format(" --{} {}", name, value);
  return source + (task.control ? " --control" : "");
}

std::string to_json_line(const Item& item, TaskFormat format) {
  Json json;
  if (!item.preamble.empty()) json["preamble"] = item.preamble;
  json["prompt"] = item.prompt;
  switch (format) {
    case TaskFormat::kLogodds:
    case TaskFormat::kAbsoluteLogodds:
      json["other_prompt"] = item.other_prompt;
      [[fallthrough]];
    case TaskFormat::kClassification:
      json["classes"] = item.classes;
      json["answer_index"] = item.answer_index;
      break;
    case TaskFormat::kSequenceProb:
      json["completion"] = item.classes[0];
      break;
    case TaskFormat::kNumeric:
      json["true_answer"] = Json::parse(item.classes[0]);
      if (!std::isnan(item.anchor)) json["anchor"] = item.anchor;
      break;
  }
  if (!item.rationale.empty()) json["rationale"] = item.rationale;
  if (!item.part.empty()) json["part"] = item.part;
  if (!item.round.empty()) json["round"] = item.round;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace catenary::task
