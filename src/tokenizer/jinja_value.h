#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/// The values of Python that a Jinja template can hold, with Python's truth, equality, order and printing.
namespace catenary::tokenizer::jinja {

struct Node;

/// What is wrong with a template or with what it does, without the place; Template adds that.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};
[[noreturn]] void fail_unsupported(std::string_view what);

/// How much a template may do: every step, byte and element that it makes is charged. A template may come from a
/// stranger.
class Budget {
 public:
  void charge(std::size_t work) {
    if (work > left_) throw Failure("the template does more work than is allowed");
    left_ -= work;
  }

 private:
  std::size_t left_ = std::size_t{1} << 27;
};

/// Text that grows and is charged for.
class Writer {
 public:
  explicit Writer(Budget& budget) : budget_(budget) {}
  void add(std::string_view text) {
    budget_.charge(text.size());
    text_ += text;
  }
  void repeat(std::string_view text, std::int64_t times);
  Budget& budget() { return budget_; }
  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  Budget& budget_;
  std::string text_;
};

struct Undefined {
  std::string name;  // "'tools'", for the message when it is used
};
using None = std::monostate;
using Text = std::shared_ptr<const std::string>;  // valid UTF-8
struct Sequence;
struct Dict;
struct Namespace;
enum class Function { kRange, kNamespace, kDict, kRaiseException, kStrftimeNow };

/// A macro is its Node; a Namespace belongs to the render that made it.
using Value = std::variant<None, Undefined, bool, std::int64_t, double, Text, std::shared_ptr<const Sequence>,
                           std::shared_ptr<const Dict>, Namespace*, const Node*, Function>;
using Values = std::vector<Value>;

struct Sequence {
  enum Kind { kList, kTuple, kRange, kView, kIterator };
  Kind kind = kList;
  Values items;
  std::string shown;          // of a range and a view: "range(0, 3)", "dict_items"
  int depth = 1;              // of nesting
  mutable bool used = false;  // of an iterator: Python lets it be walked once
};

struct Dict {
  std::vector<std::pair<Value, Value>> items;  // in order of insertion; keys are scalars
  int depth = 1;
};

struct Namespace {
  std::vector<std::pair<std::string, Value>> items;
};

template <class T>
const T* as(const Value& value) {
  return std::get_if<T>(&value);
}
const std::string* as_text(const Value& value);
const Sequence* as_sequence(const Value& value);
const Dict* as_dict(const Value& value);
/// True is 1 and False is 0, as everywhere in Python.
std::optional<std::int64_t> as_integer(const Value& value);
std::optional<double> as_number(const Value& value);

Value make_text(Writer writer);
Value make_text(std::string_view text, Budget& budget);
Value make_sequence(Sequence::Kind kind, Values items, Budget& budget, std::string shown = "");
/// The pairs of a dict: (key, value).
Value pairs_of(const Dict& dict, Sequence::Kind kind, Budget& budget);
/// Later keys replace earlier ones, in their place.
Value make_dict(std::vector<std::pair<Value, Value>> items, Budget& budget);

/// "a string", "None": for messages.
std::string type_name(const Value& value);
bool truth(const Value& value);
bool equal(const Value& left, const Value& right, Budget& budget);
bool less(const Value& left, const Value& right, Budget& budget);
bool contains(const Value& container, const Value& value, Budget& budget);
std::int64_t length(const Value& value);
/// The values that `for` walks: items, keys of a dict, characters of a text, nothing of an undefined value.
Values iterate(const Value& value, Budget& budget);
const Value* find(const Dict& dict, const Value& key, Budget& budget);

/// str() and repr().
void print(const Value& value, Writer& out);
void print_repr(const Value& value, Writer& out);

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;
  std::string item_separator = ", ", key_separator = ": ";
};
void print_json(const Value& value, const JsonStyle& style, Writer& out);

/// obj.name and obj[key] as Jinja's sandbox looks them up. Methods are for call_method.
Value get_attribute(const Value& object, const std::string& name, Budget& budget);
Value get_item(const Value& object, const Value& key, Budget& budget);
Value get_slice(const Value& object, const Value& start, const Value& stop, const Value& step, Budget& budget);
/// Has Python's type such a public method or attribute, whether we have it or not?
bool has_python_attribute(const Value& object, std::string_view name);

/// The Unicode characters of a text.
std::vector<std::string_view> characters(std::string_view text);
/// Appends a code point as UTF-8.
void add_codepoint(std::int32_t codepoint, std::string& out);
/// Python's str.isspace().
bool is_space(std::string_view character);
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);

}  // namespace catenary::tokenizer::jinja
