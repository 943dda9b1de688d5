#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/jinja_value.h"

/// What Python's str does with text, and two of Jinja's filters. Letters and white space are Unicode's.
namespace catenary::tokenizer::jinja {

/// str(value).
std::string to_text(const Value& value, Budget& budget);
/// A list of strings.
Value list_of(const std::vector<std::string_view>& parts, Budget& budget);

Value upper(std::string_view text, Budget& budget);
Value lower(std::string_view text, Budget& budget);
Value capitalize(std::string_view text, Budget& budget);
/// Jinja's filter: a word begins after white space or one of - ( { [ <.
Value title_filter(std::string_view text, Budget& budget);
/// Python's method: a word begins after anything that is not a letter.
Value title_method(std::string_view text, Budget& budget);

/// Without the characters of `set` at its ends; without white space where that is null.
std::string_view strip(std::string_view text, const std::string* set, bool left, bool right);
/// Replaces the first `count`, all where it is negative.
void replace(std::string_view text, std::string_view old, std::string_view with, std::int64_t count, Writer& out);

/// At most `max` cuts, any number where it is negative.
std::vector<std::string_view> split_space(std::string_view text, std::int64_t max);
std::vector<std::string_view> split(std::string_view text, std::string_view separator, std::int64_t max,
                                    bool from_right);
std::vector<std::string_view> split_lines(std::string_view text);
/// Throws Failure for anything but strings if there must be none.
Value join(const std::string& separator, const Values& items, bool strings_only, Budget& budget);

/// int(text) and float(text); nothing where Python throws.
std::optional<double> parse_float(std::string_view text);
std::optional<std::int64_t> parse_integer(std::string_view text);
/// int(number).
std::int64_t truncate(double number);

}  // namespace catenary::tokenizer::jinja
