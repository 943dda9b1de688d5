#include "tokenizer/jinja_operators.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace catenary::tokenizer::jinja {
namespace {

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
