#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/jinja_value.h"

namespace catenary::tokenizer::jinja {

struct Arguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> named;
};

/// The arguments of a call in the order of `names`, null where absent. Throws Failure, as Python would, for arguments
/// that do not fit the names.
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
  const Value& or_none(std::size_t i) const { return values_[i] ? *values_[i] : none_; }
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
  Value none_ = None();
};

}  // namespace catenary::tokenizer::jinja
