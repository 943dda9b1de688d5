#include <fmt/format.h>

#include <algorithm>

#include "catenary/base/parse_json.h"
#include "task/records.h"

namespace catenary::task {
namespace {

// The value at a path such as "choices.text"; nullptr if there is none.
const Json* find_at(const Json& object, std::string_view path) {
  const Json* value = &object;
  while (true) {
    const std::size_t end = path.find('.');
    if (!value->is_object()) return nullptr;
    const auto it = value->find(std::string(path.substr(0, end)));
    if (it == value->end()) return nullptr;
    value = &*it;
    if (end == std::string_view::npos) return value;
    path.remove_prefix(end + 1);
  }
}

// Numbers and truth values count as texts.
bool is_text(const Json& value) {
  return value.is_primitive() && !value.is_null();
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// `text` with each {{name}} replaced by the field's value.
template <class Problem>
std::string fill_in(std::string_view text, const Json& object, Problem problem) {
  std::string filled;
  while (true) {
    const std::size_t begin = text.find("{{");
    const std::size_t end = begin == std::string_view::npos ? begin : text.find("}}", begin);
    if (end == std::string_view::npos) return filled += text;
    filled += text.substr(0, begin);
    std::string_view name = text.substr(begin + 2, end - begin - 2);
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    const Json* value = find_at(object, name);
    if (value != nullptr && is_text(*value)) {
      filled += text_of(*value);
    } else {
      problem(fmt::format("{}: {}, and the prompt needs it", name, value == nullptr ? "missing" : "not a text"));
    }
    text.remove_prefix(end + 2);
  }
}

// The position of the right answer among `classes`: given as such, or as a label, a class, or a letter.
std::optional<std::size_t> find_answer(const Json& answer, const Json& classes, const Json* labels) {
  if (answer.is_number_unsigned()) return answer.get<std::size_t>();
  if (!answer.is_string()) return std::nullopt;
  for (const Json* list : {labels, &classes}) {
    if (list == nullptr) continue;
    const auto found = std::find(list->begin(), list->end(), answer);
    if (found != list->end()) return static_cast<std::size_t>(found - list->begin());
    if (list == labels) return std::nullopt;
  }
  const auto& letter = answer.get_ref<const std::string&>();
  if (letter.size() == 1 && letter[0] >= 'A' && letter[0] <= 'Z') return static_cast<std::size_t>(letter[0] - 'A');
  return std::nullopt;
}

template <class Problem>
Json apply(const spec::FieldMapping& fields, const Json& object, Problem problem) {
  Json item{{"prompt", fill_in(fields.prompt, object, problem)}, {"classes", Json::array()}};
  const Json* classes = find_at(object, fields.classes);
  if (classes == nullptr || !classes->is_array() || !std::all_of(classes->begin(), classes->end(), is_text)) {
    problem(fmt::format("{}: expected a list of strings", fields.classes));
    return item;
  }
  for (const Json& text : *classes) item["classes"].push_back(fields.class_prefix + text_of(text));
  const Json* labels = fields.labels ? find_at(object, *fields.labels) : nullptr;
  if (fields.labels && (labels == nullptr || !labels->is_array())) {
    problem(fmt::format("{}: expected a list of labels", *fields.labels));
    return item;
  }
  const Json* answer = find_at(object, fields.answer);
  const auto index = answer == nullptr ? std::nullopt : find_answer(*answer, *classes, labels);
  if (!index || *index >= classes->size()) {
    problem(fmt::format("{}: expected the position from 0, {} of one of {} classes, found {}", fields.answer,
                        labels ? "or the label," : "the text or the letter", classes->size(),
                        answer == nullptr  ? "nothing"
                        : is_text(*answer) ? answer->dump()
                                           : answer->type_name()));
    return item;
  }
  item["answer_index"] = *index;
  return item;
}

}  // namespace

std::vector<Record> RecordReader::read_jsonl(const std::optional<spec::FieldMapping>& fields) {
  std::vector<Record> records;
  std::string_view rest = text_.substr(0, text_.find_last_not_of("\n\r \t") + 1);
  for (std::size_t line_number = 1; !rest.empty(); ++line_number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::string where = at_line(line_number);
    Json json;
    try {
      json = parse_json<Json>(line, [&](const std::string& key) {
        problem(where, fmt::format("the key \"{}\" stands twice in one object", key));
      });
    } catch (const JsonError& e) {
      std::string what = e.what();  // of this line alone, which the parser calls the first
      if (const std::size_t at = what.find("line 1, "); at != std::string::npos) what.erase(at, 8);
      problem(where, what);
      continue;
    }
    if (!json.is_object()) {
      problem(where, fmt::format("expected an object, found {}", json.type_name()));
    } else if (fields) {
      json = apply(*fields, json, [&](const std::string& what) { problem(where, what); });
      if (json.contains("answer_index")) records.push_back({where, std::move(json)});
    } else {
      records.push_back({where, std::move(json)});
    }
  }
  return records;
}

}  // namespace catenary::task
