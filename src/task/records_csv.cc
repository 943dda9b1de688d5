// Comma-separated values as in RFC 4180: a field in double quotes may hold commas, line ends and doubled quotes. Read
// here, and not by a library, because a message has to name the line on which a row begins.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "catenary/base/parse_json.h"
#include "task/records.h"

namespace catenary::task {
namespace {

constexpr std::string_view kOpenQuote = "a field begins with a quote that does not end";

struct Row {
  std::size_t line;
  std::vector<std::string> fields;
  bool is_quote_open = false;  // a quote that begins in it does not end in the file
};

// Takes the next row off `text`; `line` is moved on. A quote that is never closed takes all the rest.
Row take_row(std::string_view& text, std::size_t& line) {
  Row row{line, {""}};
  bool quoted = false;
  std::size_t i = 0;
  for (; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"') {
        row.fields.back() += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        row.fields.back() += text[++i];
      } else {
        quoted = false;
      }
    } else if (c == '"' && row.fields.back().empty()) {
      quoted = true;
    } else if (c == ',') {
      row.fields.emplace_back();
    } else if (c == '\n') {
      ++i;
      break;
    } else if (c != '\r') {
      row.fields.back() += c;
    }
  }
  row.is_quote_open = quoted;
  text.remove_prefix(i);
  return row;
}

void append_utf8(std::string& text, std::uint32_t code_point) {
  if (code_point < 0x80) {
    text += static_cast<char>(code_point);
    return;
  }
  const int num_more = code_point < 0x800 ? 1 : code_point < 0x10000 ? 2 : 3;
  constexpr std::uint32_t kLeads[] = {0xC0, 0xE0, 0xF0};
  text += static_cast<char>(kLeads[num_more - 1] | (code_point >> 6 * num_more));
  for (int i = num_more - 1; i >= 0; --i) text += static_cast<char>(0x80 | (code_point >> 6 * i & 0x3F));
}

// What follows a backslash in Python's string notation, for what repr() writes; nothing if it is none of that.
std::optional<std::string> take_escape(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const char kind = text.front();
  text.remove_prefix(1);
  switch (kind) {
    case 'n':
      return "\n";
    case 't':
      return "\t";
    case 'r':
      return "\r";
    case '\\':
    case '\'':
    case '"':
      return std::string(1, kind);
    case 'x':
    case 'u':
    case 'U': {
      const std::size_t num_digits = kind == 'x' ? 2 : kind == 'u' ? 4 : 8;
      std::uint32_t code_point = 0;
      const auto digits = text.substr(0, num_digits);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code_point, 16);
      const bool is_surrogate = code_point >= 0xD800 && code_point < 0xE000;
      if (error != std::errc() || end != digits.data() + num_digits || code_point > 0x10FFFF || is_surrogate) {
        return std::nullopt;
      }
      text.remove_prefix(num_digits);
      std::string encoded;
      append_utf8(encoded, code_point);
      return encoded;
    }
    default:
      return std::nullopt;
  }
}

void skip_space(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// A list or tuple of strings as Python's repr() writes them.
std::optional<std::vector<std::string>> parse_python_list(std::string_view text) {
  skip_space(text);
  const char close = text.starts_with('(') ? ')' : ']';
  if (!take(text, '[') && !take(text, '(')) return std::nullopt;
  std::vector<std::string> list;
  for (skip_space(text); !take(text, close); skip_space(text)) {
    if (!list.empty()) {
      if (!take(text, ',')) return std::nullopt;
      skip_space(text);
      if (take(text, close)) break;
    }
    const char quote = text.empty() ? '\0' : text.front();
    if (quote != '\'' && quote != '"') return std::nullopt;
    text.remove_prefix(1);
    std::string& value = list.emplace_back();
    while (!take(text, quote)) {
      if (text.empty()) return std::nullopt;
      if (take(text, '\\')) {
        const auto escaped = take_escape(text);
        if (!escaped) return std::nullopt;
        value += *escaped;
      } else {
        value += text.front();
        text.remove_prefix(1);
      }
    }
  }
  skip_space(text);
  if (!text.empty()) return std::nullopt;
  return list;
}

Json json_or_null(std::string_view text) {
  try {
    return parse_json<Json>(text);
  } catch (const JsonError&) {
    return nullptr;
  }
}

// A column's text as the value that the JSON field of its name has.
std::optional<Json> to_json(std::string_view column, const std::string& text) {
  if (column == "classes") {
    const auto list = parse_string_list(text);
    return list ? std::optional<Json>(*list) : std::nullopt;
  }
  if (column != "answer_index" && column != "true_answer" && column != "anchor") return Json(text);
  Json number = json_or_null(text);
  return number.is_number() ? std::optional(std::move(number)) : std::nullopt;
}

}  // namespace

std::optional<std::vector<std::string>> parse_string_list(std::string_view text) {
  const Json json = json_or_null(text);
  if (!json.is_array()) return parse_python_list(text);
  std::vector<std::string> list;
  for (const Json& entry : json) {
    if (!entry.is_string()) return std::nullopt;
    list.push_back(entry.get<std::string>());
  }
  return list;
}

std::vector<Record> RecordReader::read_csv() {
  constexpr std::size_t kMaxShown = 60;  // bytes of a bad field or line in its message
  std::string_view rest = text_;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  std::size_t line = 1;
  Row names = take_row(rest, line);
  std::set<std::string> seen;
  for (std::string& name : names.fields) {
    if (name == "filled_template") name = "prompt";  // its name in the oldest tables
    if (!name.empty() && !seen.insert(name).second)
      problem(at_line(1), fmt::format("the column {} stands twice", name));
  }
  std::vector<Record> records;
  const auto has_line_end = [](const std::string& name) { return name.find('\n') != std::string::npos; };
  if (names.is_quote_open || std::ranges::any_of(names.fields, has_line_end)) {
    problem(at_line(1), kOpenQuote);
    return records;
  }
  if (!rest.empty() && std::ranges::find(names.fields, "prompt") == names.fields.end()) {
    problem(at_line(1), fmt::format("expected names of columns with commas between them, such as "
                                    "prompt,classes,answer_index (docs/tasks.md), found \"{}\"",
                                    text_.substr(0, std::min(text_.find_first_of("\r\n"), kMaxShown))));
    return records;
  }
  while (!rest.empty()) {
    const Row row = take_row(rest, line);
    if (row.fields.size() == 1 && row.fields[0].empty()) continue;  // an empty line
    const std::string where = at_line(row.line);
    if (row.is_quote_open) {
      problem(where, kOpenQuote);
      continue;
    }
    if (row.fields.size() != names.fields.size()) {
      problem(where, fmt::format("expected {} field{}, as the first line has, found {}", names.fields.size(),
                                 names.fields.size() == 1 ? "" : "s", row.fields.size()));
      continue;
    }
    Record record{where, Json::object()};
    bool is_good = true;
    for (std::size_t i = 0; i < names.fields.size(); ++i) {
      const std::string& name = names.fields[i];
      const std::string& text = row.fields[i];
      if (name == "anchor" && text.empty()) continue;
      const auto value = to_json(name, text);
      if (value) {
        record.json[name] = *value;
      } else {
        is_good = false;
        problem(where, fmt::format("{}: expected {}, found \"{}\"", name,
                                   name == "classes" ? "a list such as [' Yes', ' No']" : "a number",
                                   text.substr(0, kMaxShown)));
      }
    }
    if (is_good) records.push_back(std::move(record));
  }
  return records;
}

}  // namespace catenary::task
