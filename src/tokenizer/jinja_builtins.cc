#include "tokenizer/jinja_builtins.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <initializer_list>
#include <limits>
#include <optional>

#include "tokenizer/string_map.h"
#include "tokenizer/unicode.h"

namespace catenary::tokenizer::jinja {
namespace {

constexpr std::int64_t kMaxRange = 100'000;  // of Jinja's sandbox

[[noreturn]] void fail_unsupported(std::string_view what) {
  throw Failure(fmt::format("{} is not supported", what));
}

// ---- arguments

/// The arguments in the order of `names`, null where absent.
class Bound {
 public:
  Bound(std::string_view function, const Arguments& arguments, std::initializer_list<std::string_view> names,
        std::size_t required = 0)
      : function_(function), names_(names), values_(names.size()) {
    if (arguments.positional.size() > names_.size()) {
      throw Failure(fmt::format("{} takes at most {} arguments", function, names_.size()));
    }
    for (std::size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
    for (const auto& [name, value] : arguments.named) {
      const auto at = static_cast<std::size_t>(std::ranges::find(names_, name) - names_.begin());
      if (at == names_.size() || values_[at])
        throw Failure(fmt::format("{} takes no argument '{}' here", function, name));
      values_[at] = &value;
    }
    for (std::size_t i = 0; i < required; ++i) {
      if (!values_[i]) throw Failure(fmt::format("{} needs the argument '{}'", function, names_[i]));
    }
  }

  const Value* operator[](std::size_t i) const { return values_[i]; }
  bool flag(std::size_t i) const { return values_[i] && truth(*values_[i]); }
  /// Nothing where absent or None; fails for anything but an integer.
  std::optional<std::int64_t> integer(std::size_t i) const {
    if (!values_[i] || as<None>(*values_[i])) return std::nullopt;
    if (const auto integer = as_integer(*values_[i])) return integer;
    wrong_type(i, "an integer");
  }
  const std::string* text(std::size_t i) const {
    if (!values_[i] || as<None>(*values_[i])) return nullptr;
    if (const auto* text = as_text(*values_[i])) return text;
    wrong_type(i, "a string");
  }

 private:
  [[noreturn]] void wrong_type(std::size_t i, std::string_view expected) const {
    throw Failure(
        fmt::format("{}: expected {} as '{}', not {}", function_, expected, names_[i], type_name(*values_[i])));
  }
  std::string_view function_;
  std::vector<std::string_view> names_;
  std::vector<const Value*> values_;
};

// ---- text

std::string to_text(const Value& value, Budget& budget) {
  Writer out(budget);
  print(value, out);
  return out.take();
}

Value list_of(const std::vector<std::string_view>& parts, Budget& budget) {
  Values items;
  for (const auto part : parts) items.push_back(make_text(part, budget));
  return make_sequence(Sequence::kList, std::move(items), budget);
}

using MapCodepoint = utf8proc_int32_t (*)(utf8proc_int32_t);

// utf8proc maps one character to one; Python also knows ß → SS and the like, and the Greek sigma that ends a word.
void add_mapped(std::string_view character, MapCodepoint map, Writer& out) {
  utf8proc_int32_t c = 0;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(character.data()), std::ssize(character), &c);
  constexpr std::array<std::pair<int, int>, 10> kSpecial{{{0xDF, 0xDF},
                                                          {0x149, 0x149},
                                                          {0x1F0, 0x1F0},
                                                          {0x390, 0x390},
                                                          {0x3B0, 0x3B0},
                                                          {0x587, 0x587},
                                                          {0x1E96, 0x1E9A},
                                                          {0x1F50, 0x1FFC},
                                                          {0xFB00, 0xFB17},
                                                          {0x1E9E, 0x1E9E}}};
  const bool is_special =
      map == utf8proc_tolower
          ? c == 0x130 || c == 0x3A3
          : std::ranges::any_of(kSpecial, [&](auto range) { return range.first <= c && c <= range.second; });
  if (is_special) fail_unsupported(fmt::format("changing the case of '{}'", character));
  std::string mapped;
  add_codepoint(map(c), mapped);
  out.add(mapped);
}

Value mapped_text(std::string_view text, MapCodepoint first, MapCodepoint rest, Budget& budget) {
  Writer out(budget);
  for (const auto character : characters(text)) add_mapped(character, std::exchange(first, rest), out);
  return make_text(std::move(out));
}
Value upper(std::string_view text, Budget& budget) {
  return mapped_text(text, utf8proc_toupper, utf8proc_toupper, budget);
}
Value lower(std::string_view text, Budget& budget) {
  return mapped_text(text, utf8proc_tolower, utf8proc_tolower, budget);
}
Value capitalize(std::string_view text, Budget& budget) {
  return mapped_text(text, utf8proc_totitle, utf8proc_tolower, budget);
}

// Jinja's filter: a word begins after white space or one of - ( { [ <.
Value title_filter(std::string_view text, Budget& budget) {
  Writer out(budget);
  bool begins = true;
  for (const auto character : characters(text)) {
    add_mapped(character, begins ? utf8proc_toupper : utf8proc_tolower, out);
    begins = is_space(character) || std::string_view("-({[<").find(character) != std::string_view::npos;
  }
  return make_text(std::move(out));
}

// Python's method: a word begins after anything that is not a letter.
Value title_method(std::string_view text, Budget& budget) {
  Writer out(budget);
  bool begins = true;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) fail_unsupported("title() of a string beyond ASCII");
    const std::string_view character(&c, 1);
    add_mapped(character, begins ? utf8proc_toupper : utf8proc_tolower, out);
    begins = !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
  }
  return make_text(std::move(out));
}

std::string_view strip(std::string_view text, const std::string* set, bool left, bool right) {
  if (!set) {
    if (left) text = strip_left(text);
    return right ? strip_right(text) : text;
  }
  const auto all = characters(*set);
  const auto in_set = [&](std::string_view character) { return std::ranges::find(all, character) != all.end(); };
  while (left && !text.empty() && in_set(text.substr(0, char_length(text, 0))))
    text.remove_prefix(char_length(text, 0));
  while (right && !text.empty() && in_set(text.substr(previous_char(text, text.size())))) {
    text = text.substr(0, previous_char(text, text.size()));
  }
  return text;
}

void replace(std::string_view text, std::string_view old, std::string_view with, std::int64_t count, Writer& out) {
  if (count < 0) count = std::numeric_limits<std::int64_t>::max();
  std::size_t done = 0;
  if (old.empty()) {  // between all characters, and at both ends
    for (; count > 0; --count) {
      out.add(with);
      if (done == text.size()) return;
      const std::size_t size = char_length(text, done);
      out.add(text.substr(done, size));
      done += size;
    }
  }
  for (; count > 0; --count) {
    const std::size_t at = text.find(old, done);
    if (at == std::string_view::npos) break;
    out.add(text.substr(done, at - done));
    out.add(with);
    done = at + old.size();
  }
  out.add(text.substr(done));
}

std::vector<std::string_view> split_space(std::string_view text, std::int64_t max) {
  std::vector<std::string_view> parts;
  for (text = strip_left(text); !text.empty(); text = strip_left(text)) {
    if (max >= 0 && std::ssize(parts) == max) {
      parts.push_back(text);
      break;
    }
    std::size_t size = 0;
    while (size < text.size() && !is_space(text.substr(size, char_length(text, size)))) size += char_length(text, size);
    parts.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return parts;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator, std::int64_t max,
                                    bool from_right) {
  if (separator.empty()) throw Failure("split: the separator is empty");
  std::vector<std::string_view> parts;
  while (max < 0 || std::ssize(parts) < max) {
    const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == std::string_view::npos) break;
    const auto before = text.substr(0, at), after = text.substr(at + separator.size());
    parts.push_back(from_right ? after : before);
    text = from_right ? before : after;
  }
  parts.push_back(text);
  if (from_right) std::ranges::reverse(parts);
  return parts;
}

// str.splitlines().
std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t size = char_length(text, i);
    const auto c = text.substr(i, size);
    constexpr std::array<std::string_view, 10> kEnds{"\n",   "\r",   "\v",       "\f",     "\x1c",
                                                     "\x1d", "\x1e", "\xc2\x85", "\u2028", "\u2029"};
    if (std::ranges::find(kEnds, c) != kEnds.end()) {
      lines.push_back(text.substr(begin, i - begin));
      if (text.substr(i).starts_with("\r\n")) size = 2;
      begin = i + size;
    }
    i += size;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

Value join(const std::string& separator, const Values& items, bool strings_only, Budget& budget) {
  Writer out(budget);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.add(separator);
    if (strings_only && !as_text(items[i])) {
      throw Failure(fmt::format("join: item {} is {}, not a string", i, type_name(items[i])));
    }
    print(items[i], out);
  }
  return make_text(std::move(out));
}

// The digits of Python's int(text) or float(text), or nothing: white space around them and underscores between go.
std::optional<std::string> number_text(std::string_view text) {
  std::string digits;
  text = strip_right(strip_left(text));
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto is_digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    if (static_cast<unsigned char>(text[i]) >= 0x80) fail_unsupported("a number beyond ASCII");
    if (text[i] != '_')
      digits += text[i];
    else if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1))
      return std::nullopt;
  }
  if (digits.starts_with('+')) {
    digits.erase(0, 1);
    if (digits.starts_with('-') || digits.starts_with('+')) return std::nullopt;
  }
  return digits;
}

std::optional<double> parse_float(std::string_view text) {
  const auto digits = number_text(text);
  if (!digits || digits->find_first_of("xXpP(") != std::string::npos) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(), number);
  if (end != digits->data() + digits->size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) fail_unsupported("the number " + *digits);
  if (error != std::errc()) return std::nullopt;
  return number;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  const auto digits = number_text(text);
  if (!digits) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(), number);
  if (error == std::errc() && end == digits->data() + digits->size()) return number;
  if (error == std::errc::result_out_of_range) fail_unsupported("an integer beyond 64 bits");
  return std::nullopt;
}

std::int64_t truncate(double number) {
  if (!(std::abs(number) < 9.2e18)) fail_unsupported("an integer beyond 64 bits");
  return static_cast<std::int64_t>(number);
}

// ---- filters

Value ignore_case(const Value& value, Budget& budget) {
  const auto* text = as_text(value);
  return text ? lower(*text, budget) : value;
}

// "a.b.0": items of items, as make_attrgetter of jinja2/filters.py.
Value get_path(Value value, const Value& path, Budget& budget, const Value* otherwise = nullptr) {
  const auto look_up = [&](const Value& key) {
    value = get_item(value, key, budget);
    if (otherwise && !as<None>(*otherwise) && as<Undefined>(value)) value = *otherwise;
  };
  const auto* text = as_text(path);
  if (!text) {
    if (!as<None>(path)) look_up(path);
    return value;
  }
  for (const auto part : split(*text, ".", -1, false)) {
    const bool is_index = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    look_up(is_index ? Value(*parse_integer(part)) : make_text(part, budget));
  }
  return value;
}

const Value kNone = None();
const Value& or_none(const Value* value) {
  return value ? *value : kNone;
}

Values keys_by(const Values& items, const Value& attribute, bool case_sensitive, Budget& budget) {
  Values keys;
  for (const Value& item : items) {
    Value key = get_path(item, attribute, budget);
    keys.push_back(case_sensitive ? key : ignore_case(key, budget));
  }
  return keys;
}

Values sorted(const Values& items, const Values& keys, bool reverse, Budget& budget) {
  std::vector<std::size_t> order(items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return reverse ? less(keys[b], keys[a], budget) : less(keys[a], keys[b], budget);
  });
  Values out;
  for (const auto i : order) out.push_back(items[i]);
  return out;
}

Value filter_join(const Value& input, const Arguments& arguments, Budget& budget) {
  const Bound bound("join", arguments, {"d", "attribute"});
  Values items = iterate(input, budget);
  if (bound[1]) {
    for (Value& item : items) item = get_path(item, *bound[1], budget);
  }
  return join(bound[0] ? to_text(*bound[0], budget) : "", items, false, budget);
}

Value filter_tojson(const Value& input, const Arguments& arguments, Budget& budget) {
  const Bound bound("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style{.ensure_ascii = bound.flag(0), .sort_keys = bound.flag(3)};
  if (bound[1] && as_text(*bound[1])) {
    style.indent = *as_text(*bound[1]);
  } else if (const auto width = bound.integer(1)) {
    Writer spaces(budget);
    spaces.repeat(" ", *width);
    style.indent = spaces.take();
  }
  if (style.indent) style.item_separator = ",";
  if (bound[2] && !as<None>(*bound[2])) {
    const Values pair = iterate(*bound[2], budget);
    if (pair.size() != 2 || !as_text(pair[0]) || !as_text(pair[1])) throw Failure("tojson: separators are two strings");
    style.item_separator = *as_text(pair[0]);
    style.key_separator = *as_text(pair[1]);
  }
  Writer out(budget);
  print_json(input, style, out);
  return make_text(std::move(out));
}

Value filter_indent(const Value& input, const Arguments& arguments, Budget& budget) {
  const Bound bound("indent", arguments, {"width", "first", "blank"});
  const auto* text = as_text(input);
  if (!text) throw Failure(fmt::format("indent: expected a string, not {}", type_name(input)));
  Writer indent(budget);
  if (bound[0] && as_text(*bound[0]))
    indent.add(*as_text(*bound[0]));
  else
    indent.repeat(" ", bound[0] ? bound.integer(0).value_or(0) : 4);
  Writer out(budget);
  if (bound.flag(1)) out.add(indent.text());
  const std::string with_end = *text + "\n";
  const auto lines = split_lines(with_end);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.add("\n");
    if (i > 0 && (bound.flag(2) || !lines[i].empty())) out.add(indent.text());
    out.add(lines[i]);
  }
  return make_text(std::move(out));
}

Value filter_int(const Value& input, const Arguments& arguments, Budget&) {
  const Bound bound("int", arguments, {"default", "base"});
  if (bound[1] && bound.integer(1) != 10) fail_unsupported("int with a base other than 10");
  if (const auto integer = as_integer(input)) return *integer;
  if (as<Undefined>(input)) throw Failure("int of " + type_name(input));
  std::optional<double> number;
  if (const auto* text = as_text(input)) {
    if (const auto integer = parse_integer(*text)) return *integer;
    number = parse_float(*text);
    if (number && std::isinf(*number)) number.reset();
  } else if (const auto* given = as<double>(input)) {
    if (std::isinf(*given)) throw Failure("int of an infinite number");
    number = *given;
  }
  if (number && !std::isnan(*number)) return truncate(*number);
  return bound[0] ? *bound[0] : Value(std::int64_t{0});
}

Value filter_float(const Value& input, const Arguments& arguments, Budget&) {
  const Bound bound("float", arguments, {"default"});
  if (as<Undefined>(input)) throw Failure("float of " + type_name(input));
  if (const auto number = as_number(input)) return *number;
  if (const auto* text = as_text(input)) {
    if (const auto number = parse_float(*text)) return *number;
  }
  return bound[0] ? *bound[0] : Value(0.0);
}

Value filter_map(const Value& input, const Arguments& arguments, Budget& budget) {
  if (!truth(input)) return make_sequence(Sequence::kIterator, {}, budget);
  Values items = iterate(input, budget);
  if (arguments.positional.empty()) {
    const Bound bound("map", arguments, {"attribute", "default"}, 1);
    for (Value& item : items) item = get_path(item, *bound[0], budget, bound[1]);
  } else {
    const auto* name = as_text(arguments.positional[0]);
    if (!name) throw Failure("map: the name of a filter is not a string");
    const Arguments rest{{arguments.positional.begin() + 1, arguments.positional.end()}, arguments.named};
    for (Value& item : items) item = apply_filter(*name, item, rest, budget);
  }
  return make_sequence(Sequence::kIterator, std::move(items), budget);
}

Value select_items(const Value& input, const Arguments& arguments, bool wanted, bool by_attribute, Budget& budget) {
  if (!truth(input)) return make_sequence(Sequence::kIterator, {}, budget);
  const auto& given = arguments.positional;
  const std::size_t used = by_attribute ? 1 : 0;
  if (given.size() < used) throw Failure("the name of an attribute is missing");
  const auto* test = given.size() > used ? as_text(given[used]) : nullptr;
  if (given.size() > used && !test) throw Failure("the name of a test is not a string");
  Arguments rest;
  if (test) rest.positional.assign(given.begin() + static_cast<std::ptrdiff_t>(used) + 1, given.end());
  rest.named = arguments.named;
  Values items;
  for (const Value& item : iterate(input, budget)) {
    const Value value = by_attribute ? get_path(item, given[0], budget) : item;
    if ((test ? apply_test(*test, value, rest, budget) : truth(value)) == wanted) items.push_back(item);
  }
  return make_sequence(Sequence::kIterator, std::move(items), budget);
}

Value filter_sort(const Value& input, const Arguments& arguments, Budget& budget) {
  const Bound bound("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const Value& attribute = or_none(bound[2]);
  if (as_text(attribute) && as_text(attribute)->find(',') != std::string::npos) {
    fail_unsupported("sort by several attributes");
  }
  const Values items = iterate(input, budget);
  const Values keys = keys_by(items, attribute, bound.flag(1), budget);
  return make_sequence(Sequence::kList, sorted(items, keys, bound.flag(0), budget), budget);
}

Value filter_unique(const Value& input, const Arguments& arguments, Budget& budget) {
  const Bound bound("unique", arguments, {"case_sensitive", "attribute"});
  const Values items = iterate(input, budget);
  const Values keys = keys_by(items, or_none(bound[1]), bound.flag(0), budget);
  Values out, seen;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (as_dict(keys[i]) || as_sequence(keys[i])) fail_unsupported(fmt::format("unique of {}", type_name(keys[i])));
    if (std::ranges::any_of(seen, [&](const Value& key) { return equal(key, keys[i], budget); })) continue;
    seen.push_back(keys[i]);
    out.push_back(items[i]);
  }
  return make_sequence(Sequence::kIterator, std::move(out), budget);
}

Value pairs_of(const Dict& dict, Sequence::Kind kind, Budget& budget) {
  Values pairs;
  for (const auto& [key, value] : dict.items) pairs.push_back(make_sequence(Sequence::kTuple, {key, value}, budget));
  return make_sequence(kind, std::move(pairs), budget, kind == Sequence::kView ? "dict_items" : "");
}

Value filter_items(const Value& input, const Arguments& arguments, Budget& budget) {
  const Bound bound("items", arguments, {});
  if (as<Undefined>(input)) return make_sequence(Sequence::kIterator, {}, budget);
  const auto* dict = as_dict(input);
  if (!dict) throw Failure(fmt::format("items: expected a dict, not {}", type_name(input)));
  return pairs_of(*dict, Sequence::kIterator, budget);
}

Value filter_dictsort(const Value& input, const Arguments& arguments, Budget& budget) {
  const Bound bound("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const auto* dict = as_dict(input);
  if (!dict) throw Failure(fmt::format("dictsort: expected a dict, not {}", type_name(input)));
  const auto* by = bound.text(1);
  if (by && *by != "key" && *by != "value") throw Failure("dictsort: by is 'key' or 'value'");
  const Values items = iterate(pairs_of(*dict, Sequence::kList, budget), budget);
  const Value position = std::int64_t{by && *by == "value"};
  const Values keys = keys_by(items, position, bound.flag(0), budget);
  return make_sequence(Sequence::kList, sorted(items, keys, bound.flag(2), budget), budget);
}

Value filter_reverse(const Value& input, const Arguments& arguments, Budget& budget) {
  const Bound bound("reverse", arguments, {});
  Values items = iterate(input, budget);
  std::ranges::reverse(items);
  if (as_text(input)) return join("", items, true, budget);
  // Of what Python cannot walk backwards Jinja makes a list.
  const auto* sequence = as_sequence(input);
  const bool is_list = sequence && sequence->kind == Sequence::kIterator;
  return make_sequence(is_list ? Sequence::kList : Sequence::kIterator, std::move(items), budget);
}

Value filter_last(const Value& input, const Arguments& arguments, Budget& budget) {
  const Bound bound("last", arguments, {});
  const auto* sequence = as_sequence(input);
  if (sequence && sequence->kind == Sequence::kIterator) throw Failure("last of " + type_name(input));
  const Values items = iterate(input, budget);
  return items.empty() ? Value(Undefined{"the last of nothing"}) : items.back();
}

Value filter_min_max(const Value& input, const Arguments& arguments, bool max, Budget& budget) {
  const Bound bound(max ? "max" : "min", arguments, {"case_sensitive", "attribute"});
  const Values items = iterate(input, budget);
  if (items.empty()) return Undefined{"an extreme of nothing"};
  const Values keys = keys_by(items, or_none(bound[1]), bound.flag(0), budget);
  std::size_t best = 0;
  for (std::size_t i = 1; i < items.size(); ++i) {
    if (max ? less(keys[best], keys[i], budget) : less(keys[i], keys[best], budget)) best = i;
  }
  return items[best];
}

Value filter_sum(const Value& input, const Arguments& arguments, Budget& budget) {
  const Bound bound("sum", arguments, {"attribute", "start"});
  Value total = bound[1] ? *bound[1] : Value(std::int64_t{0});
  if (as_text(total)) throw Failure("sum: strings cannot be summed");
  for (const Value& item : iterate(input, budget)) {
    total = calculate("+", total, get_path(item, or_none(bound[0]), budget), budget);
  }
  return total;
}

using Filter = Value (*)(const Value&, const Arguments&, Budget&);

template <Value (*change)(std::string_view, Budget&)>
Value filter_text(const Value& input, const Arguments& arguments, Budget& budget) {
  const Bound bound("the filter", arguments, {});
  return change(to_text(input, budget), budget);
}

const StringMap<Filter>& filters() {
  static const StringMap<Filter> table = [] {
    StringMap<Filter> filters{
        {"capitalize", filter_text<capitalize>},
        {"dictsort", filter_dictsort},
        {"float", filter_float},
        {"indent", filter_indent},
        {"int", filter_int},
        {"items", filter_items},
        {"join", filter_join},
        {"last", filter_last},
        {"lower", filter_text<lower>},
        {"map", filter_map},
        {"reverse", filter_reverse},
        {"sort", filter_sort},
        {"string", filter_text<make_text>},
        {"sum", filter_sum},
        {"title", filter_text<title_filter>},
        {"tojson", filter_tojson},
        {"unique", filter_unique},
        {"upper", filter_text<upper>},
    };
    filters["default"] = filters["d"] = [](const Value& input, const Arguments& arguments, Budget& budget) {
      const Bound bound("default", arguments, {"default_value", "boolean"});
      if (!as<Undefined>(input) && !(bound.flag(1) && !truth(input))) return input;
      return bound[0] ? *bound[0] : make_text("", budget);
    };
    filters["length"] = filters["count"] = [](const Value& input, const Arguments& arguments, Budget& budget) {
      const Bound bound("length", arguments, {});
      if (const auto* text = as_text(input)) budget.charge(text->size());
      return Value(length(input));
    };
    filters["list"] = [](const Value& input, const Arguments& arguments, Budget& budget) {
      const Bound bound("list", arguments, {});
      return make_sequence(Sequence::kList, iterate(input, budget), budget);
    };
    filters["first"] = [](const Value& input, const Arguments& arguments, Budget& budget) {
      const Bound bound("first", arguments, {});
      const Values items = iterate(input, budget);
      return items.empty() ? Value(Undefined{"the first of nothing"}) : items.front();
    };
    filters["trim"] = [](const Value& input, const Arguments& arguments, Budget& budget) {
      const Bound bound("trim", arguments, {"chars"});
      return make_text(strip(to_text(input, budget), bound.text(0), true, true), budget);
    };
    filters["replace"] = [](const Value& input, const Arguments& arguments, Budget& budget) {
      const Bound bound("replace", arguments, {"old", "new", "count"}, 2);
      Writer out(budget);
      replace(to_text(input, budget), to_text(*bound[0], budget), to_text(*bound[1], budget),
              bound.integer(2).value_or(-1), out);
      return make_text(std::move(out));
    };
    filters["abs"] = [](const Value& input, const Arguments& arguments, Budget& budget) {
      const Bound bound("abs", arguments, {});
      if (!as_number(input)) throw Failure("abs of " + type_name(input));
      const bool negative = less(input, std::int64_t{0}, budget);
      if (as<double>(input)) return Value(std::abs(*as_number(input)));
      return calculate(negative ? "-" : "+", std::int64_t{0}, input, budget);
    };
    filters["select"] = [](const Value& input, const Arguments& arguments, Budget& budget) {
      return select_items(input, arguments, true, false, budget);
    };
    filters["reject"] = [](const Value& input, const Arguments& arguments, Budget& budget) {
      return select_items(input, arguments, false, false, budget);
    };
    filters["selectattr"] = [](const Value& input, const Arguments& arguments, Budget& budget) {
      return select_items(input, arguments, true, true, budget);
    };
    filters["rejectattr"] = [](const Value& input, const Arguments& arguments, Budget& budget) {
      return select_items(input, arguments, false, true, budget);
    };
    filters["min"] = [](const Value& input, const Arguments& arguments, Budget& budget) {
      return filter_min_max(input, arguments, false, budget);
    };
    filters["max"] = [](const Value& input, const Arguments& arguments, Budget& budget) {
      return filter_min_max(input, arguments, true, budget);
    };
    return filters;
  }();
  return table;
}

// ---- tests

using PlainTest = bool (*)(const Value&);
using BinaryTest = bool (*)(const Value&, const Value&, Budget&);

const StringMap<PlainTest>& plain_tests() {
  static const StringMap<PlainTest> table{
      {"boolean", [](const Value& v) { return as<bool>(v) != nullptr; }},
      {"callable", [](const Value& v) { return as<const Node*>(v) || as<Function>(v) || as<Undefined>(v); }},
      {"defined", [](const Value& v) { return !as<Undefined>(v); }},
      {"false", [](const Value& v) { return as<bool>(v) && !*as<bool>(v); }},
      {"float", [](const Value& v) { return as<double>(v) != nullptr; }},
      {"integer", [](const Value& v) { return as<std::int64_t>(v) != nullptr; }},
      {"iterable", [](const Value& v) { return as_text(v) || as_sequence(v) || as_dict(v) || as<Undefined>(v); }},
      {"mapping", [](const Value& v) { return as_dict(v) != nullptr; }},
      {"none", [](const Value& v) { return as<None>(v) != nullptr; }},
      {"number", [](const Value& v) { return as_number(v).has_value(); }},
      {"sequence",
       [](const Value& v) {
         const auto* sequence = as_sequence(v);
         return as_text(v) || as_dict(v) || as<Undefined>(v) || (sequence && sequence->kind <= Sequence::kRange);
       }},
      {"string", [](const Value& v) { return as_text(v) != nullptr; }},
      {"true", [](const Value& v) { return as<bool>(v) && *as<bool>(v); }},
      {"undefined", [](const Value& v) { return as<Undefined>(v) != nullptr; }},
  };
  return table;
}

bool remainder_is(const Value& value, std::int64_t divisor, std::int64_t remainder, Budget& budget) {
  if (!as_number(value)) throw Failure("the remainder of " + type_name(value));
  return equal(calculate("%", value, divisor, budget), remainder, budget);
}

const StringMap<BinaryTest>& binary_tests() {
  static const StringMap<BinaryTest> table = [] {
    StringMap<BinaryTest> tests;
    tests["=="] = tests["eq"] = tests["equalto"] = equal;
    tests["!="] = tests["ne"] = [](const Value& a, const Value& b, Budget& budget) { return !equal(a, b, budget); };
    tests["<"] = tests["lt"] = tests["lessthan"] = less;
    tests[">"] = tests["gt"] =
        tests["greaterthan"] = [](const Value& a, const Value& b, Budget& budget) { return less(b, a, budget); };
    tests["<="] = tests["le"] = [](const Value& a, const Value& b, Budget& budget) {
      return less(a, b, budget) || equal(a, b, budget);
    };
    tests[">="] = tests["ge"] = [](const Value& a, const Value& b, Budget& budget) {
      return less(b, a, budget) || equal(a, b, budget);
    };
    tests["in"] = [](const Value& value, const Value& container, Budget& budget) {
      return contains(container, value, budget);
    };
    tests["divisibleby"] = [](const Value& value, const Value& divisor, Budget& budget) {
      if (!as_number(value)) throw Failure("divisibleby of " + type_name(value));
      return equal(calculate("%", value, divisor, budget), std::int64_t{0}, budget);
    };
    return tests;
  }();
  return table;
}

// ---- methods

Value text_method(const std::string& text, const std::string& name, const Arguments& arguments, Budget& budget) {
  budget.charge(text.size());
  const auto size_of = [](const auto& range) { return std::ssize(range); };
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    const Bound bound(name, arguments, {"chars"});
    return make_text(strip(text, bound.text(0), name != "rstrip", name != "lstrip"), budget);
  }
  if (name == "split" || name == "rsplit") {
    const Bound bound(name, arguments, {"sep", "maxsplit"});
    const std::int64_t max = bound.integer(1).value_or(-1);
    if (const auto* separator = bound.text(0)) return list_of(split(text, *separator, max, name == "rsplit"), budget);
    if (name == "rsplit" && max >= 0) fail_unsupported("rsplit at white space with a limit");
    return list_of(split_space(text, max), budget);
  }
  if (name == "splitlines") {
    const Bound bound(name, arguments, {"keepends"});
    if (bound.flag(0)) fail_unsupported("splitlines with keepends");
    return list_of(split_lines(text), budget);
  }
  if (name == "replace") {
    const Bound bound(name, arguments, {"old", "new", "count"}, 2);
    if (!arguments.named.empty()) throw Failure("replace takes no named argument");
    if (!bound.text(0) || !bound.text(1)) throw Failure("replace: expected strings");
    Writer out(budget);
    replace(text, *bound.text(0), *bound.text(1), bound[2] ? bound.integer(2).value() : -1, out);
    return make_text(std::move(out));
  }
  if (name == "startswith" || name == "endswith") {
    const Bound bound(name, arguments, {"prefix"}, 1);
    const auto* sequence = as_sequence(*bound[0]);
    const Values options = sequence && sequence->kind == Sequence::kTuple ? sequence->items : Values{*bound[0]};
    return std::ranges::any_of(options, [&](const Value& option) {
      const auto* part = as_text(option);
      if (!part) throw Failure(fmt::format("{}: expected a string, not {}", name, type_name(option)));
      return name == "startswith" ? text.starts_with(*part) : text.ends_with(*part);
    });
  }
  if (name == "join") {
    const Bound bound(name, arguments, {"iterable"}, 1);
    if (as<Undefined>(*bound[0])) throw Failure("join of " + type_name(*bound[0]));
    return join(text, iterate(*bound[0], budget), true, budget);
  }
  if (name == "count" || name == "find") {
    const Bound bound(name, arguments, {"sub"}, 1);
    const auto* part = bound.text(0);
    if (!part) throw Failure(name + ": expected a string");
    if (name == "find") {
      const std::size_t at = text.find(*part);
      return at == std::string::npos ? std::int64_t{-1} : size_of(characters(std::string_view(text).substr(0, at)));
    }
    if (part->empty()) return size_of(characters(text)) + 1;
    return size_of(split(text, *part, -1, false)) - 1;
  }
  if (name == "removeprefix" || name == "removesuffix") {
    const Bound bound(name, arguments, {"part"}, 1);
    const auto* part = bound.text(0);
    if (!part) throw Failure(name + ": expected a string");
    std::string_view rest = text;
    if (name == "removeprefix" && rest.starts_with(*part)) rest.remove_prefix(part->size());
    if (name == "removesuffix" && rest.ends_with(*part)) rest.remove_suffix(part->size());
    return make_text(rest, budget);
  }
  const Bound bound(name, arguments, {});
  if (name == "upper") return upper(text, budget);
  if (name == "lower") return lower(text, budget);
  if (name == "title") return title_method(text, budget);
  if (name == "capitalize") return capitalize(text, budget);
  fail_unsupported(fmt::format("the method '{}' of a string", name));
}

Value dict_method(const Dict& dict, const std::string& name, const Arguments& arguments, Budget& budget) {
  if (name == "get") {
    const Bound bound(name, arguments, {"key", "default"}, 1);
    if (!arguments.named.empty()) throw Failure("get takes no named argument");
    if (as_sequence(*bound[0]) || as_dict(*bound[0])) {
      throw Failure(fmt::format("get: {} is not the key of a dict", type_name(*bound[0])));
    }
    const Value* found = find(dict, *bound[0], budget);
    return found ? *found : or_none(bound[1]);
  }
  const Bound bound(name, arguments, {});
  if (name == "items") return pairs_of(dict, Sequence::kView, budget);
  Values values;
  for (const auto& item : dict.items) values.push_back(name == "keys" ? item.first : item.second);
  if (name == "keys") return make_sequence(Sequence::kView, std::move(values), budget, "dict_keys");
  if (name == "values") return make_sequence(Sequence::kView, std::move(values), budget, "dict_values");
  fail_unsupported(fmt::format("the method '{}' of a dict", name));
}

// ---- functions

Value make_range(const Arguments& arguments, Budget& budget) {
  const auto& given = arguments.positional;
  if (given.empty() || given.size() > 3 || !arguments.named.empty()) throw Failure("range takes one to three integers");
  std::array<std::int64_t, 3> bounds{0, 0, 1};
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto integer = as_integer(given[i]);
    if (!integer) throw Failure("range takes integers, not " + type_name(given[i]));
    bounds[given.size() == 1 ? 1 : i] = *integer;
  }
  const auto [start, stop, step] = bounds;
  if (step == 0) throw Failure("range: the step is 0");
  Values items;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (std::ssize(items) == kMaxRange) throw Failure(fmt::format("range: more than {} values", kMaxRange));
    items.push_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  std::string shown =
      step == 1 ? fmt::format("range({}, {})", start, stop) : fmt::format("range({}, {}, {})", start, stop, step);
  return make_sequence(Sequence::kRange, std::move(items), budget, std::move(shown));
}

// datetime.now().strftime(format): local time, English names.
Value format_time(const std::string& format, Clock::time_point now, Budget& budget) {
  const std::time_t seconds = Clock::to_time_t(now);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  Writer out(budget);
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out.add(format.substr(i, 1));
      continue;
    }
    std::string field = "%";
    if (++i < format.size() && format[i] == '-') field += format[i++];
    constexpr std::string_view kFields = "aAbBdeHIjmMpSTuUwWyYF%";
    if (i >= format.size() || kFields.find(format[i]) == std::string_view::npos) {
      fail_unsupported(fmt::format("strftime_now with '{}{}'", field, format.substr(std::min(i, format.size()), 1)));
    }
    field += format[i];
    std::array<char, 64> buffer;
    out.add({buffer.data(), std::strftime(buffer.data(), buffer.size(), field.c_str(), &local)});
  }
  return make_text(std::move(out));
}

// ---- arithmetic

Value calculate_integers(const std::string& op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  if (op == "+")
    overflow = __builtin_add_overflow(a, b, &result);
  else if (op == "-")
    overflow = __builtin_sub_overflow(a, b, &result);
  else if (op == "*")
    overflow = __builtin_mul_overflow(a, b, &result);
  else if (op == "**") {
    if (b < 0) return std::pow(static_cast<double>(a), static_cast<double>(b));
    result = 1;
    if (b > 64 && (a > 1 || a < -1))
      overflow = true;
    else if (a >= -1 && a <= 1)
      result = b == 0 ? 1 : (b % 2 == 0 ? a * a : a);
    else
      for (std::int64_t i = 0; i < b && !overflow; ++i) overflow = __builtin_mul_overflow(result, a, &result);
  } else if (op == "/") {
    constexpr std::int64_t kExact = std::int64_t{1} << 53;
    if (a > kExact || a < -kExact || b > kExact || b < -kExact) fail_unsupported("dividing integers beyond 2**53");
    return static_cast<double>(a) / static_cast<double>(b);
  } else {
    overflow = a == std::numeric_limits<std::int64_t>::min() && b == -1;
    if (!overflow) {
      const bool adjust = a % b != 0 && (a < 0) != (b < 0);  // Python rounds down
      result = op == "//" ? a / b - adjust : a % b + (adjust ? b : 0);
    }
  }
  if (overflow) fail_unsupported("an integer beyond 64 bits");
  return result;
}

Value calculate_floats(const std::string& op, double a, double b) {
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (op == "/") return a / b;
  if (op == "**") {
    const double power = std::pow(a, b);
    if (std::isnan(power) && !std::isnan(a) && !std::isnan(b)) fail_unsupported("a complex number");
    if (std::isinf(power) && !std::isinf(a) && !std::isinf(b)) throw Failure("a float is too large");
    return power;
  }
  // float_divmod of CPython's Objects/floatobject.c.
  double remainder = std::fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0) {
    if ((b < 0) != (remainder < 0)) {
      remainder += b;
      quotient -= 1;
    }
  } else {
    remainder = std::copysign(0.0, b);
  }
  if (op == "%") return remainder;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

Value repeat(const Value& value, std::int64_t times, Budget& budget) {
  if (const auto* text = as_text(value)) {
    Writer out(budget);
    out.repeat(*text, times);
    return make_text(std::move(out));
  }
  const auto* sequence = as_sequence(value);
  Values items;
  for (std::int64_t i = 0; i < times && !sequence->items.empty(); ++i) {
    budget.charge(sequence->items.size() * sizeof(Value));
    items.insert(items.end(), sequence->items.begin(), sequence->items.end());
  }
  return make_sequence(sequence->kind, std::move(items), budget);
}

}  // namespace

bool is_filter(std::string_view name) {
  return filters().find(name) != filters().end();
}
bool is_test(std::string_view name) {
  return plain_tests().contains(name) || binary_tests().contains(name) || name == "odd" || name == "even";
}
bool is_method(std::string_view name) {
  constexpr std::array kNames{"strip",   "lstrip", "rstrip", "split",      "rsplit",       "splitlines",
                              "replace", "upper",  "lower",  "startswith", "endswith",     "join",
                              "count",   "find",   "title",  "get",        "removeprefix", "removesuffix",
                              "items",   "keys",   "values", "capitalize"};
  return std::ranges::find(kNames, name) != kNames.end();
}

Value apply_filter(const std::string& name, const Value& input, const Arguments& arguments, Budget& budget) {
  const auto filter = filters().find(name);
  if (filter == filters().end()) fail_unsupported(fmt::format("the filter '{}'", name));
  budget.charge(64);
  return filter->second(input, arguments, budget);
}

bool apply_test(const std::string& name, const Value& input, const Arguments& arguments, Budget& budget) {
  budget.charge(64);
  if (const auto test = binary_tests().find(name); test != binary_tests().end()) {
    const Bound bound(name, arguments, {"other"}, 1);
    return test->second(input, *bound[0], budget);
  }
  const Bound bound(name, arguments, {});
  if (name == "odd") return remainder_is(input, 2, 1, budget);
  if (name == "even") return remainder_is(input, 2, 0, budget);
  const auto test = plain_tests().find(name);
  if (test == plain_tests().end()) fail_unsupported(fmt::format("the test '{}'", name));
  return test->second(input);
}

Value call_method(const Value& object, const std::string& name, const Arguments& arguments, Budget& budget) {
  if (const auto* text = as_text(object)) return text_method(*text, name, arguments, budget);
  if (const auto* dict = as_dict(object)) return dict_method(*dict, name, arguments, budget);
  fail_unsupported(fmt::format("the method '{}' of {}", name, type_name(object)));
}

Value call_function(Function function, const Arguments& arguments, Clock::time_point now, Budget& budget) {
  switch (function) {
    case Function::kRange:
      return make_range(arguments, budget);
    case Function::kDict: {
      std::vector<std::pair<Value, Value>> items;
      for (const Value& value : arguments.positional) {
        const auto* dict = as_dict(value);
        if (!dict || arguments.positional.size() > 1) fail_unsupported("dict() of anything but one dict");
        items = dict->items;
      }
      for (const auto& [name, value] : arguments.named) items.emplace_back(make_text(name, budget), value);
      return make_dict(std::move(items), budget);
    }
    case Function::kRaiseException: {
      const Bound bound("raise_exception", arguments, {"message"}, 1);
      throw Failure(to_text(*bound[0], budget));
    }
    case Function::kStrftimeNow: {
      const Bound bound("strftime_now", arguments, {"format"}, 1);
      if (!bound.text(0)) throw Failure("strftime_now: expected a string");
      return format_time(*bound.text(0), now, budget);
    }
    case Function::kNamespace:
      break;
  }
  fail_unsupported("the function");
}

Value calculate(const std::string& op, const Value& left, const Value& right, Budget& budget) {
  const auto a = as_integer(left), b = as_integer(right);
  const auto x = as_number(left), y = as_number(right);
  const bool divides = op == "/" || op == "//" || op == "%";
  if (x && y) {
    if ((divides && *y == 0) || (op == "**" && *x == 0 && *y < 0)) throw Failure("division by zero");
    return a && b ? calculate_integers(op, *a, *b) : calculate_floats(op, *x, *y);
  }
  const auto *first = as_sequence(left), *second = as_sequence(right);
  const bool left_repeats = as_text(left) || (first && first->kind <= Sequence::kTuple);
  const bool right_repeats = as_text(right) || (second && second->kind <= Sequence::kTuple);
  if (op == "*" && left_repeats && b) return repeat(left, *b, budget);
  if (op == "*" && right_repeats && a) return repeat(right, *a, budget);
  if (op == "+" && as_text(left) && as_text(right)) {
    Writer out(budget);
    out.add(*as_text(left));
    out.add(*as_text(right));
    return make_text(std::move(out));
  }
  if (op == "+" && left_repeats && right_repeats && first && second && first->kind == second->kind) {
    budget.charge((first->items.size() + second->items.size()) * sizeof(Value));
    Values items = first->items;
    items.insert(items.end(), second->items.begin(), second->items.end());
    return make_sequence(first->kind, std::move(items), budget);
  }
  if (op == "%" && as_text(left)) fail_unsupported("formatting a string with %");
  throw Failure(fmt::format("{} {} {} is not possible", type_name(left), op, type_name(right)));
}

}  // namespace catenary::tokenizer::jinja
