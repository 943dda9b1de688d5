#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tokenizer/jinja_arguments.h"
#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_operators.h"
#include "tokenizer/jinja_text.h"
#include "tokenizer/string_map.h"

namespace catenary::tokenizer::jinja {
namespace {

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
  const Value& attribute = bound.or_none(2);
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
  const Values keys = keys_by(items, bound.or_none(1), bound.flag(0), budget);
  Values out, seen;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (as_dict(keys[i]) || as_sequence(keys[i])) fail_unsupported(fmt::format("unique of {}", type_name(keys[i])));
    if (std::ranges::any_of(seen, [&](const Value& key) { return equal(key, keys[i], budget); })) continue;
    seen.push_back(keys[i]);
    out.push_back(items[i]);
  }
  return make_sequence(Sequence::kIterator, std::move(out), budget);
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
  const Values keys = keys_by(items, bound.or_none(1), bound.flag(0), budget);
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
    total = calculate("+", total, get_path(item, bound.or_none(0), budget), budget);
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

}  // namespace

bool is_filter(std::string_view name) {
  return filters().find(name) != filters().end();
}

Value apply_filter(const std::string& name, const Value& input, const Arguments& arguments, Budget& budget) {
  const auto filter = filters().find(name);
  if (filter == filters().end()) fail_unsupported(fmt::format("the filter '{}'", name));
  budget.charge(64);
  return filter->second(input, arguments, budget);
}

}  // namespace catenary::tokenizer::jinja
