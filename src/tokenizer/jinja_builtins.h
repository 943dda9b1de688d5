#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "tokenizer/jinja_arguments.h"
#include "tokenizer/jinja_value.h"

/// The filters, tests, methods and functions that templates call, after jinja2/filters.py, jinja2/tests.py, Python's
/// str and dict, and what transformers adds.
namespace catenary::tokenizer::jinja {

bool is_filter(std::string_view name);
bool is_test(std::string_view name);
bool is_method(std::string_view name);

Value apply_filter(const std::string& name, const Value& input, const Arguments& arguments, Budget& budget);
bool apply_test(const std::string& name, const Value& input, const Arguments& arguments, Budget& budget);
Value call_method(const Value& object, const std::string& name, const Arguments& arguments, Budget& budget);

using Clock = std::chrono::system_clock;
/// Every function but namespace().
Value call_function(Function function, const Arguments& arguments, Clock::time_point now, Budget& budget);

}  // namespace catenary::tokenizer::jinja
