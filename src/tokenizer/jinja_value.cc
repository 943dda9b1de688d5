#include "tokenizer/jinja_value.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <compare>
#include <limits>

#include "tokenizer/unicode.h"

namespace catenary::tokenizer::jinja {
namespace {

constexpr int kMaxDepth = 100;  // of nested containers

std::int32_t codepoint_of(std::string_view character) {
  utf8proc_int32_t codepoint = 0;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(character.data()),
                   static_cast<utf8proc_ssize_t>(character.size()), &codepoint);
  return codepoint;
}

int depth_of(const Value& value) {
  if (const auto* sequence = as_sequence(value)) return sequence->depth;
  if (const auto* dict = as_dict(value)) return dict->depth;
  return 0;
}

int depth_above(const Value& value) {
  const int depth = depth_of(value) + 1;
  if (depth > kMaxDepth) throw Failure(fmt::format("values are nested deeper than {} levels", kMaxDepth));
  return depth;
}

// Python's repr of a float: the shortest digits that read back, an exponent outside 1e-4 … 1e16.
std::string float_text(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
  const double size = std::abs(number);
  const bool scientific = size != 0 && (size < 1e-4 || size >= 1e16);
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.begin(), buffer.end(), number,
                                 scientific ? std::chars_format::scientific : std::chars_format::fixed)
                       .ptr;
  std::string text(buffer.begin(), end);
  if (!scientific && text.find('.') == std::string::npos) text += ".0";
  return text;
}

bool is_printable(std::int32_t codepoint) {
  switch (utf8proc_category(codepoint)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return false;
    case UTF8PROC_CATEGORY_ZS:
      return codepoint == ' ';
    default:
      return true;
  }
}

void print_text_repr(std::string_view text, Writer& out) {
  const bool double_quotes = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const std::string_view quote = double_quotes ? "\"" : "'";
  out.add(quote);
  for (const auto character : characters(text)) {
    const std::int32_t codepoint = codepoint_of(character);
    if (character == quote || character == "\\") {
      out.add("\\");
      out.add(character);
    } else if (character == "\n") {
      out.add("\\n");
    } else if (character == "\r") {
      out.add("\\r");
    } else if (character == "\t") {
      out.add("\\t");
    } else if (is_printable(codepoint)) {
      out.add(character);
    } else if (codepoint < 0x100) {
      out.add(fmt::format("\\x{:02x}", codepoint));
    } else if (codepoint < 0x10000) {
      out.add(fmt::format("\\u{:04x}", codepoint));
    } else {
      out.add(fmt::format("\\U{:08x}", codepoint));
    }
  }
  out.add(quote);
}

void print_items(const Values& items, std::string_view open, std::string_view close, Writer& out) {
  out.add(open);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.add(", ");
    print_repr(items[i], out);
  }
  out.add(close);
}

void print_json_text(std::string_view text, bool ensure_ascii, Writer& out) {
  out.add("\"");
  for (const auto character : characters(text)) {
    const std::int32_t codepoint = codepoint_of(character);
    constexpr std::string_view kEscaped = "\"\\\b\f\n\r\t", kLetters = "\"\\bfnrt";
    if (const auto at = kEscaped.find(character); at != std::string_view::npos) {
      out.add("\\");
      out.add(kLetters.substr(at, 1));
    } else if (codepoint >= 0x10000 && ensure_ascii) {
      const std::int32_t rest = codepoint - 0x10000;
      out.add(fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF)));
    } else if (codepoint < 0x20 || (codepoint > 0x7E && ensure_ascii)) {
      out.add(fmt::format("\\u{:04x}", codepoint));
    } else {
      out.add(character);
    }
  }
  out.add("\"");
}

std::string json_key(const Value& key) {
  if (const auto* text = as_text(key)) return *text;
  if (const auto* number = as<double>(key)) {
    if (std::isnan(*number)) return "NaN";
    if (std::isinf(*number)) return *number < 0 ? "-Infinity" : "Infinity";
    return float_text(*number);
  }
  if (const auto* flag = as<bool>(key)) return *flag ? "true" : "false";
  if (const auto* integer = as<std::int64_t>(key)) return std::to_string(*integer);
  return "null";
}

void print_json_at(const Value& value, const JsonStyle& style, int level, Writer& out) {
  const auto start_item = [&](bool first) {
    if (!first) out.add(style.item_separator);
    if (style.indent) {
      out.add("\n");
      out.repeat(*style.indent, level + 1);
    }
  };
  const auto finish = [&] {
    if (!style.indent) return;
    out.add("\n");
    out.repeat(*style.indent, level);
  };
  const auto* sequence = as_sequence(value);
  if (const auto* text = as_text(value)) {
    print_json_text(*text, style.ensure_ascii, out);
  } else if (sequence && (sequence->kind == Sequence::kList || sequence->kind == Sequence::kTuple)) {
    out.add("[");
    for (std::size_t i = 0; i < sequence->items.size(); ++i) {
      start_item(i == 0);
      print_json_at(sequence->items[i], style, level + 1, out);
    }
    if (!sequence->items.empty()) finish();
    out.add("]");
  } else if (const auto* dict = as_dict(value)) {
    auto items = dict->items;
    if (style.sort_keys) {
      std::ranges::stable_sort(items,
                               [&](const auto& a, const auto& b) { return less(a.first, b.first, out.budget()); });
    }
    out.add("{");
    for (std::size_t i = 0; i < items.size(); ++i) {
      start_item(i == 0);
      print_json_text(json_key(items[i].first), style.ensure_ascii, out);
      out.add(style.key_separator);
      print_json_at(items[i].second, style, level + 1, out);
    }
    if (!items.empty()) finish();
    out.add("}");
  } else if (as<None>(value) || as<bool>(value) || as<std::int64_t>(value) || as<double>(value)) {
    out.add(json_key(value));
  } else {
    throw Failure(fmt::format("{} cannot be written as JSON", type_name(value)));
  }
}

// Compared exactly, also an integer with a float.
std::partial_ordering compare_numbers(const Value& left, const Value& right) {
  const auto wide = [](const Value& value) -> long double {
    const auto integer = as_integer(value);
    return integer ? static_cast<long double>(*integer) : static_cast<long double>(*as_number(value));
  };
  return wide(left) <=> wide(right);
}

Value undefined_attribute(const Value& object, std::string_view name) {
  return Undefined{fmt::format("'{}' of {}", name, type_name(object))};
}

// Where a Python slice begins and ends, clipped to `size` as CPython's PySlice_AdjustIndices does.
std::vector<std::size_t> slice_indices(std::int64_t size, std::optional<std::int64_t> start,
                                       std::optional<std::int64_t> stop, std::int64_t step) {
  const auto clip = [&](std::int64_t index) {
    if (index < 0)
      index = index < -size ? -1 : index + size;
    else if (index > size)
      index = size;
    if (step > 0) return std::max<std::int64_t>(index, 0);
    return std::min(index, size - 1);
  };
  // A negative index that is too small means "before the first" for a negative step only; clip() has told them apart.
  const std::int64_t first = start ? clip(*start) : (step > 0 ? 0 : size - 1);
  const std::int64_t last = stop ? clip(*stop) : (step > 0 ? size : -1);
  std::vector<std::size_t> indices;
  for (std::int64_t i = first; step > 0 ? i < last : i > last;) {
    indices.push_back(static_cast<std::size_t>(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return indices;
}

}  // namespace

void fail_unsupported(std::string_view what) {
  throw Failure(fmt::format("{} is not supported", what));
}

void Writer::repeat(std::string_view text, std::int64_t times) {
  if (times <= 0 || text.empty()) return;
  std::size_t size = 0;
  if (__builtin_mul_overflow(text.size(), static_cast<std::size_t>(times), &size)) {
    size = std::numeric_limits<std::size_t>::max();
  }
  budget_.charge(size);
  for (std::int64_t i = 0; i < times; ++i) text_ += text;
}

const std::string* as_text(const Value& value) {
  const auto* text = as<Text>(value);
  return text ? text->get() : nullptr;
}

const Sequence* as_sequence(const Value& value) {
  const auto* sequence = as<std::shared_ptr<const Sequence>>(value);
  return sequence ? sequence->get() : nullptr;
}

const Dict* as_dict(const Value& value) {
  const auto* dict = as<std::shared_ptr<const Dict>>(value);
  return dict ? dict->get() : nullptr;
}

std::optional<std::int64_t> as_integer(const Value& value) {
  if (const auto* flag = as<bool>(value)) return *flag;
  if (const auto* integer = as<std::int64_t>(value)) return *integer;
  return std::nullopt;
}

std::optional<double> as_number(const Value& value) {
  if (const auto integer = as_integer(value)) return static_cast<double>(*integer);
  if (const auto* number = as<double>(value)) return *number;
  return std::nullopt;
}

Value make_text(Writer writer) {
  return std::make_shared<const std::string>(writer.take());
}

Value make_text(std::string_view text, Budget& budget) {
  budget.charge(text.size());
  return std::make_shared<const std::string>(text);
}

Value make_sequence(Sequence::Kind kind, Values items, Budget& budget, std::string shown) {
  budget.charge(items.size() * sizeof(Value));
  int depth = 1;
  for (const Value& item : items) depth = std::max(depth, depth_above(item));
  return std::make_shared<const Sequence>(
      Sequence{.kind = kind, .items = std::move(items), .shown = std::move(shown), .depth = depth});
}

Value pairs_of(const Dict& dict, Sequence::Kind kind, Budget& budget) {
  Values pairs;
  for (const auto& [key, value] : dict.items) pairs.push_back(make_sequence(Sequence::kTuple, {key, value}, budget));
  return make_sequence(kind, std::move(pairs), budget, kind == Sequence::kView ? "dict_items" : "");
}

Value make_dict(std::vector<std::pair<Value, Value>> items, Budget& budget) {
  budget.charge(items.size() * 2 * sizeof(Value));
  Dict dict;
  for (auto& [key, value] : items) {
    if (!as_text(key) && !as_number(key) && !as<None>(key)) {
      throw Failure(fmt::format("{} as the key of a dict is not supported", type_name(key)));
    }
    dict.depth = std::max(dict.depth, depth_above(value));
    if (const Value* old = find(dict, key, budget)) {
      const_cast<Value&>(*old) = std::move(value);
    } else {
      dict.items.emplace_back(std::move(key), std::move(value));
    }
  }
  return std::make_shared<const Dict>(std::move(dict));
}

std::string type_name(const Value& value) {
  if (const auto* undefined = as<Undefined>(value)) return "the undefined value " + undefined->name;
  if (const auto* sequence = as_sequence(value)) {
    constexpr std::array kNames{"a list", "a tuple", "a range", "a view of a dict", "an iterator"};
    return kNames[sequence->kind];
  }
  constexpr std::array kNames{"None", "",       "a boolean",   "an integer", "a float",   "a string",
                              "",     "a dict", "a namespace", "a macro",    "a function"};
  return kNames[value.index()];
}

bool truth(const Value& value) {
  if (as<None>(value) || as<Undefined>(value)) return false;
  if (const auto number = as_number(value)) return *number != 0;
  if (const auto* text = as_text(value)) return !text->empty();
  if (const auto* sequence = as_sequence(value))
    return sequence->kind == Sequence::kIterator || !sequence->items.empty();
  if (const auto* dict = as_dict(value)) return !dict->items.empty();
  return true;
}

bool equal(const Value& left, const Value& right, Budget& budget) {
  budget.charge(16);
  if (as_number(left) && as_number(right)) return compare_numbers(left, right) == 0;
  if (left.index() != right.index()) return false;
  if (const auto* a = as_text(left)) {
    const auto* b = as_text(right);
    budget.charge(std::min(a->size(), b->size()));
    return *a == *b;
  }
  if (const auto* a = as_sequence(left)) {
    const auto* b = as_sequence(right);
    for (const auto* sequence : {a, b}) {
      if (sequence->kind >= Sequence::kView) {
        throw Failure(fmt::format("comparing {} is not supported", type_name(left)));
      }
    }
    return a->kind == b->kind &&
           std::ranges::equal(a->items, b->items, [&](const Value& x, const Value& y) { return equal(x, y, budget); });
  }
  if (const auto* a = as_dict(left)) {
    const auto* b = as_dict(right);
    return a->items.size() == b->items.size() && std::ranges::all_of(a->items, [&](const auto& item) {
             const Value* other = find(*b, item.first, budget);
             return other && equal(item.second, *other, budget);
           });
  }
  if (as<None>(left) || as<Undefined>(left)) return true;
  if (as<Namespace*>(left)) return std::get<Namespace*>(left) == std::get<Namespace*>(right);
  if (as<const Node*>(left)) return std::get<const Node*>(left) == std::get<const Node*>(right);
  return std::get<Function>(left) == std::get<Function>(right);
}

bool less(const Value& left, const Value& right, Budget& budget) {
  budget.charge(16);
  if (as_number(left) && as_number(right)) return compare_numbers(left, right) < 0;
  const auto *a = as_text(left), *b = as_text(right);
  if (a && b) {  // the order of UTF-8 bytes is the order of code points
    budget.charge(std::min(a->size(), b->size()));
    return *a < *b;
  }
  const auto *x = as_sequence(left), *y = as_sequence(right);
  if (x && y && x->kind == y->kind && x->kind <= Sequence::kTuple) {
    for (std::size_t i = 0; i < std::min(x->items.size(), y->items.size()); ++i) {
      if (!equal(x->items[i], y->items[i], budget)) return less(x->items[i], y->items[i], budget);
    }
    return x->items.size() < y->items.size();
  }
  if (x && x->kind == Sequence::kView) throw Failure("an order of views is not supported");
  throw Failure(fmt::format("{} and {} have no order", type_name(left), type_name(right)));
}

bool contains(const Value& container, const Value& value, Budget& budget) {
  if (const auto* text = as_text(container)) {
    const auto* part = as_text(value);
    if (!part) throw Failure(fmt::format("'in' a string needs a string, not {}", type_name(value)));
    budget.charge(text->size());
    return text->find(*part) != std::string::npos;
  }
  if (const auto* dict = as_dict(container)) {
    if (as_sequence(value) || as_dict(value)) {
      throw Failure(fmt::format("{} as the key of a dict is not supported", type_name(value)));
    }
    return find(*dict, value, budget) != nullptr;
  }
  return std::ranges::any_of(iterate(container, budget), [&](const Value& item) { return equal(item, value, budget); });
}

std::int64_t length(const Value& value) {
  if (as<Undefined>(value)) return 0;
  if (const auto* text = as_text(value)) return std::ssize(characters(*text));
  if (const auto* dict = as_dict(value)) return std::ssize(dict->items);
  const auto* sequence = as_sequence(value);
  if (!sequence || sequence->kind == Sequence::kIterator) throw Failure(type_name(value) + " has no length");
  return std::ssize(sequence->items);
}

Values iterate(const Value& value, Budget& budget) {
  Values values;
  if (const auto* sequence = as_sequence(value)) {
    if (sequence->kind == Sequence::kIterator && std::exchange(sequence->used, true)) {
      throw Failure("an iterator is used a second time; Python would find it empty");
    }
    values = sequence->items;
  } else if (const auto* dict = as_dict(value)) {
    for (const auto& item : dict->items) values.push_back(item.first);
  } else if (const auto* text = as_text(value)) {
    budget.charge(text->size() * sizeof(Value));
    for (const auto character : characters(*text)) values.push_back(make_text(character, budget));
  } else if (!as<Undefined>(value)) {
    throw Failure(type_name(value) + " cannot be iterated");
  }
  budget.charge(values.size() * sizeof(Value));
  return values;
}

const Value* find(const Dict& dict, const Value& key, Budget& budget) {
  for (const auto& item : dict.items) {
    if (equal(item.first, key, budget)) return &item.second;
  }
  return nullptr;
}

void print(const Value& value, Writer& out) {
  if (const auto* text = as_text(value)) {
    out.add(*text);
  } else if (!as<Undefined>(value)) {
    print_repr(value, out);
  }
}

void print_repr(const Value& value, Writer& out) {
  out.budget().charge(16);
  if (as<None>(value)) {
    out.add("None");
  } else if (as<Undefined>(value)) {
    out.add("Undefined");
  } else if (const auto* flag = as<bool>(value)) {
    out.add(*flag ? "True" : "False");
  } else if (const auto* integer = as<std::int64_t>(value)) {
    out.add(std::to_string(*integer));
  } else if (const auto* number = as<double>(value)) {
    out.add(float_text(*number));
  } else if (const auto* text = as_text(value)) {
    print_text_repr(*text, out);
  } else if (const auto* dict = as_dict(value)) {
    out.add("{");
    for (std::size_t i = 0; i < dict->items.size(); ++i) {
      if (i > 0) out.add(", ");
      print_repr(dict->items[i].first, out);
      out.add(": ");
      print_repr(dict->items[i].second, out);
    }
    out.add("}");
  } else if (const auto* sequence = as_sequence(value); sequence && sequence->kind != Sequence::kIterator) {
    if (sequence->kind == Sequence::kList) print_items(sequence->items, "[", "]", out);
    if (sequence->kind == Sequence::kTuple)
      print_items(sequence->items, "(", sequence->items.size() == 1 ? ",)" : ")", out);
    if (sequence->kind == Sequence::kRange) out.add(sequence->shown);
    if (sequence->kind == Sequence::kView) print_items(sequence->items, sequence->shown + "([", "])", out);
  } else {
    throw Failure(fmt::format("printing {} is not supported", type_name(value)));
  }
}

void print_json(const Value& value, const JsonStyle& style, Writer& out) {
  print_json_at(value, style, 0, out);
}

bool has_python_attribute(const Value& object, std::string_view name) {
  // dir() of the types in Python 3.11, without the names that start with an underscore.
  constexpr std::string_view kText =
      " capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha "
      "isascii "
      "isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip "
      "maketrans partition removeprefix removesuffix replace rfind rindex rjust rpartition rsplit rstrip split "
      "splitlines startswith strip swapcase title translate upper zfill ";
  constexpr std::string_view kDict = " clear copy fromkeys get items keys pop popitem setdefault update values ";
  constexpr std::string_view kList = " append clear copy count extend index insert pop remove reverse sort ";
  constexpr std::string_view kTuple = " count index ", kRange = " count index start step stop ";
  constexpr std::string_view kView = " isdisjoint mapping ", kIterator = " close gi_code gi_frame send throw ";
  constexpr std::string_view kInteger =
      " as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag numerator real to_bytes ";
  constexpr std::string_view kFloat = " as_integer_ratio conjugate fromhex hex imag is_integer real ";
  constexpr std::string_view kMacro = " arguments caller catch_kwargs catch_varargs explicit_caller name ";
  std::string_view names;
  if (as_text(object)) names = kText;
  if (as_dict(object)) names = kDict;
  if (as_integer(object)) names = kInteger;
  if (as<double>(object)) names = kFloat;
  if (as<const Node*>(object)) names = kMacro;
  if (const auto* sequence = as_sequence(object)) {
    names = std::array{kList, kTuple, kRange, kView, kIterator}[sequence->kind];
  }
  return names.find(fmt::format(" {} ", name)) != std::string_view::npos || name.starts_with("__");
}

Value get_attribute(const Value& object, const std::string& name, Budget& budget) {
  budget.charge(name.size());
  if (as<Undefined>(object)) throw Failure(fmt::format("'{}' of {}", name, type_name(object)));
  if (const auto* space = as<Namespace*>(object)) {
    for (const auto& item : (*space)->items) {
      if (item.first == name) return item.second;
    }
    return undefined_attribute(object, name);
  }
  if (has_python_attribute(object, name)) {
    throw Failure(fmt::format("'{}' of {} is not supported but as a call", name, type_name(object)));
  }
  if (const auto* dict = as_dict(object)) {
    if (const Value* found = find(*dict, make_text(name, budget), budget)) return *found;
  }
  return undefined_attribute(object, name);
}

Value get_item(const Value& object, const Value& key, Budget& budget) {
  if (as<Undefined>(object)) throw Failure("an item of " + type_name(object));
  const auto integer = as_integer(key);
  const auto* sequence = as_sequence(object);
  const auto at = [&](std::int64_t size) -> std::optional<std::size_t> {
    const std::int64_t index = *integer < 0 ? *integer + size : *integer;
    if (index < 0 || index >= size) return std::nullopt;
    return static_cast<std::size_t>(index);
  };
  if (const auto* dict = as_dict(object)) {
    if (const Value* found = find(*dict, key, budget)) return *found;
  } else if (sequence && sequence->kind <= Sequence::kRange && integer) {
    if (const auto index = at(std::ssize(sequence->items))) return sequence->items[*index];
  } else if (const auto* text = as_text(object); text && integer) {
    budget.charge(text->size());
    const auto all = characters(*text);
    if (const auto index = at(std::ssize(all))) return make_text(all[*index], budget);
  }
  if (const auto* name = as_text(key)) return get_attribute(object, *name, budget);
  Writer shown(budget);
  if (integer) print(key, shown);
  return undefined_attribute(object, shown.text());
}

Value get_slice(const Value& object, const Value& start, const Value& stop, const Value& step, Budget& budget) {
  const auto* sequence = as_sequence(object);
  const auto* text = as_text(object);
  const bool sliceable = text || (sequence && sequence->kind <= Sequence::kTuple);
  for (const Value* bound : {&start, &stop, &step}) {
    if (!sliceable) throw Failure(fmt::format("a slice of {} is not supported", type_name(object)));
    if (!as<None>(*bound) && !as_integer(*bound)) throw Failure("a slice from or to " + type_name(*bound));
  }
  if (as_integer(step) == 0) throw Failure("the step of a slice is 0");
  if (text) {
    budget.charge(text->size() * 16);
    const auto all = characters(*text);
    Writer out(budget);
    for (const auto i :
         slice_indices(std::ssize(all), as_integer(start), as_integer(stop), as_integer(step).value_or(1))) {
      out.add(all[i]);
    }
    return make_text(std::move(out));
  }
  Values items;
  for (const auto i :
       slice_indices(std::ssize(sequence->items), as_integer(start), as_integer(stop), as_integer(step).value_or(1))) {
    items.push_back(sequence->items[i]);
  }
  return make_sequence(sequence->kind, std::move(items), budget);
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> all;
  for (std::size_t i = 0; i < text.size(); i += all.back().size()) all.push_back(text.substr(i, char_length(text, i)));
  return all;
}

void add_codepoint(std::int32_t codepoint, std::string& out) {
  std::array<utf8proc_uint8_t, 4> buffer;
  const auto size = utf8proc_encode_char(codepoint, buffer.data());
  out.append(reinterpret_cast<const char*>(buffer.data()), static_cast<std::size_t>(size));
}

bool is_space(std::string_view character) {
  const std::int32_t c = codepoint_of(character);
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string_view strip_left(std::string_view text) {
  while (!text.empty() && is_space(text.substr(0, char_length(text, 0)))) text.remove_prefix(char_length(text, 0));
  return text;
}

std::string_view strip_right(std::string_view text) {
  while (!text.empty()) {
    const std::size_t last = previous_char(text, text.size());
    if (!is_space(text.substr(last))) break;
    text = text.substr(0, last);
  }
  return text;
}

}  // namespace catenary::tokenizer::jinja
