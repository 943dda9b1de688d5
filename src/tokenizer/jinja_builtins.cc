#include "tokenizer/jinja_builtins.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "tokenizer/jinja_operators.h"
#include "tokenizer/jinja_text.h"
#include "tokenizer/string_map.h"

namespace catenary::tokenizer::jinja {
namespace {

constexpr std::int64_t kMaxRange = 100'000;  // of Jinja's sandbox

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
    return found ? *found : bound.or_none(1);
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
    items.emplace_back(i);
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
    ++i;
    if (i < format.size() && format[i] == '-') field += format[i++];
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

}  // namespace

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

}  // namespace catenary::tokenizer::jinja
