#pragma once

#include <string>

#include "tokenizer/jinja_value.h"

namespace catenary::tokenizer::jinja {

/// left op right, for + - * / // % **.
Value calculate(const std::string& op, const Value& left, const Value& right, Budget& budget);

}  // namespace catenary::tokenizer::jinja
