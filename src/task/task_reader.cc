#include "catenary/task/task_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "catenary/base/error.h"
#include "catenary/base/hash.h"
#include "catenary/base/mapped_file.h"

namespace catenary::task {
namespace {

using Json = nlohmann::json;

// A line as an item; what is wrong with it goes to `add(problem)`.
template <class Add>
Item parse_item(std::string_view line, Add add) {
  Item item;
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return add("not valid JSON"), item;
  if (!json.is_object()) return add(fmt::format("expected an object, found {}", json.type_name())), item;

  const auto prompt = json.find("prompt");
  if (prompt == json.end() || !prompt->is_string()) {
    add("prompt: expected a string");
  } else {
    item.prompt = prompt->get<std::string>();
  }

  const auto classes = json.find("classes");
  if (classes == json.end() || !classes->is_array() || classes->size() < 2) {
    add("classes: expected a list of two or more strings");
  } else {
    for (const Json& text : *classes) {
      if (!text.is_string() || text.get_ref<const std::string&>().empty()) {
        add(fmt::format("classes/{}: expected a string that is not empty", item.classes.size()));
      }
      item.classes.push_back(text.is_string() ? text.get<std::string>() : "");
    }
  }

  const auto answer = json.find("answer_index");
  if (answer == json.end() || !answer->is_number_integer()) {
    add("answer_index: expected an integer");
  } else if (const auto limit = static_cast<std::int64_t>(item.classes.size());
             limit > 0 && (*answer < 0 || *answer >= limit)) {
    add(fmt::format("answer_index: expected 0 to {}, found {}", limit - 1, answer->dump()));
  } else {
    item.answer_index = answer->get<std::int32_t>();
  }
  return item;
}

std::string fingerprint_of(const std::vector<Item>& items) {
  Hasher hasher;
  for (const Item& item : items) {
    hasher.add(item.prompt).add(item.classes.size());
    for (const std::string& text : item.classes) hasher.add(text);
    hasher.add(static_cast<std::uint64_t>(item.answer_index));
  }
  return hasher.hex();
}

}  // namespace

Task read_task(const spec::TaskSpec& spec) {
  const MappedFile file(spec.path);
  std::string_view text = file.text();
  while (!text.empty() && std::string_view("\n\r \t").find(text.back()) != std::string_view::npos)
    text.remove_suffix(1);

  Task task;
  Problems problems;
  for (std::int64_t line_number = 1; !text.empty(); ++line_number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    task.items.push_back(parse_item(text.substr(0, end), [&](const std::string& problem) {
      problems.add(fmt::format("{}:{}: {}", spec.path.string(), line_number, problem));
    }));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto num_items = std::ssize(task.items);
  if (num_items == 0) problems.add(fmt::format("{}: no items", spec.path.string()));
  problems.throw_if_any<DataError>();
  if (spec.offset >= num_items) {
    throw DataError(
        fmt::format("{}: offset {} is beyond the last of {} items", spec.path.string(), spec.offset, num_items));
  }
  task.first = spec.offset;
  task.count = std::min(num_items - spec.offset, spec.limit.value_or(num_items));
  task.fingerprint = fingerprint_of(task.items);
  return task;
}

}  // namespace catenary::task
