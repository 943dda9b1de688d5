#include "tokenizer/jinja.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>

#include "catenary/base/error.h"
#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_operators.h"
#include "tokenizer/jinja_syntax.h"
#include "tokenizer/unicode.h"

namespace catenary::tokenizer::jinja {
namespace {

constexpr int kMaxDepth = 200;         // of evaluations within evaluations, macros that call macros among them
constexpr std::size_t kStepWork = 64;  // what an evaluation is charged

/// What a `for` walks. Its filter is applied when an item is asked for, as in Python: the body may change what the
/// filter sees.
struct Loop {
  Values source;
  std::function<bool(const Value&)> accepts;
  std::size_t next = 0;   // of source
  Values items = {};      // accepted so far
  std::size_t index = 0;  // of the current one

  const Value* find(std::size_t i) {
    while (items.size() <= i && next < source.size()) {
      const Value& candidate = source[next++];
      if (accepts(candidate)) items.push_back(candidate);
    }
    return i < items.size() ? &items[i] : nullptr;
  }
  std::size_t length() {
    while (find(items.size())) continue;
    return items.size();
  }
};

/// The variables of a for, a macro, a block or the whole. An `if` has none of its own.
struct Scope {
  const Scope* parent = nullptr;
  Loop* loop = nullptr;
  std::vector<std::pair<std::string_view, Value>> variables = {};  // names live in the tree or in the arguments

  const Value* find(std::string_view name) const {
    for (const Scope* scope = this; scope; scope = scope->parent) {
      for (const auto& [other, value] : scope->variables) {
        if (other == name) return &value;
      }
    }
    return nullptr;
  }
  void set(std::string_view name, Value value) {
    for (auto& [other, old] : variables) {
      if (other == name) {
        old = std::move(value);
        return;
      }
    }
    variables.emplace_back(name, std::move(value));
  }
};

enum class Flow { kNormal, kBreak, kContinue };

class Interpreter {
 public:
  Interpreter(Clock::time_point now, int& line) : now_(now), line_(line) {}

  std::string render(const Node& root, const Template::Variables& variables) {
    for (const auto& [name, value] : variables) context_.set(name, value);
    Writer out(budget_);
    run(root, top_, out);
    return out.take();
  }

 private:
  class Level {
   public:
    explicit Level(int& depth) : depth_(depth) {
      if (++depth_ > kMaxDepth) {
        --depth_;
        throw Failure(fmt::format("evaluated deeper than {} levels", kMaxDepth));
      }
    }
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int& depth_;
  };

  // ---- statements
  Flow run(const Node& node, Scope& scope, Writer& out) {
    const Level level(depth_);
    budget_.charge(kStepWork);
    const auto& children = node.children;
    switch (node.kind) {
      case Kind::kText:
        out.add(node.text);
        break;
      case Kind::kOutput:
        print(evaluate(*children[0], scope), out);
        break;
      case Kind::kBlock:
        for (const auto& child : children) {
          if (const Flow flow = run(*child, scope, out); flow != Flow::kNormal) return flow;
        }
        break;
      case Kind::kIf: {
        const std::size_t branch = truth(evaluate(*children[0], scope)) ? 1 : 2;
        return children[branch] ? run(*children[branch], scope, out) : Flow::kNormal;
      }
      case Kind::kFor:
        return run_for(node, scope, out);
      case Kind::kSet:
        assign(*children[0], evaluate(*children[1], scope), scope);
        break;
      case Kind::kSetBlock: {
        Writer text(budget_);
        Scope inner{.parent = &scope};
        if (const Flow flow = run(*children[1], inner, text); flow != Flow::kNormal) return flow;
        assign(*children[0], make_text(std::move(text)), scope);
        break;
      }
      case Kind::kMacro:
        scope.set(node.text, &node);
        break;
      case Kind::kWith: {
        Scope inner{.parent = &scope};
        for (std::size_t i = 0; i + 1 < children.size(); i += 2) {
          assign(*children[i], evaluate(*children[i + 1], scope), inner);
        }
        return run(*children.back(), inner, out);
      }
      case Kind::kGeneration: {
        Scope inner{.parent = &scope};
        return run(*children[0], inner, out);
      }
      case Kind::kBreak:
        return Flow::kBreak;
      case Kind::kContinue:
        return Flow::kContinue;
      default:
        throw Failure("an expression where a statement should be");
    }
    return Flow::kNormal;
  }

  Flow run_for(const Node& node, Scope& scope, Writer& out) {
    const Node &target = *node.children[0], *filter = node.children[2].get(), *otherwise = node.children[4].get();
    Loop loop{.source = iterate(evaluate(*node.children[1], scope), budget_), .accepts = [&](const Value& value) {
                if (!filter) return true;
                Scope inner{.parent = &scope};
                assign(target, value, inner);
                return truth(evaluate(*filter, inner));
              }};
    bool finished_one = false;
    for (; const Value* item = loop.find(loop.index); ++loop.index) {
      Scope inner{.parent = &scope, .loop = &loop};
      assign(target, *item, inner);
      const Flow flow = run(*node.children[3], inner, out);
      if (flow == Flow::kBreak) break;
      finished_one = finished_one || flow == Flow::kNormal;
    }
    // Jinja runs the else where no item came to the end of the body: a break or continue in each one counts as none.
    if (!otherwise || finished_one) return Flow::kNormal;
    Scope inner{.parent = &scope};
    return run(*otherwise, inner, out);
  }

  void assign(const Node& target, const Value& value, Scope& scope) {
    if (target.kind == Kind::kName) {
      scope.set(target.text, value);
    } else if (target.kind == Kind::kTuple) {
      const Values values = iterate(value, budget_);
      if (as<Undefined>(value) || values.size() != target.children.size()) {
        throw Failure(fmt::format("{} values for {} names", values.size(), target.children.size()));
      }
      for (std::size_t i = 0; i < values.size(); ++i) assign(*target.children[i], values[i], scope);
    } else {
      const Value* found = scope.find(target.text);
      const auto* space = found ? as<Namespace*>(*found) : nullptr;
      if (!space) throw Failure(fmt::format("'{}' is not a namespace", target.text));
      set_attribute(**space, *as_text(target.value), value);
    }
  }

  static void set_attribute(Namespace& space, const std::string& name, const Value& value) {
    for (auto& [other, old] : space.items) {
      if (other == name) {
        old = value;
        return;
      }
    }
    space.items.emplace_back(name, value);
  }

  // ---- expressions
  Value evaluate(const Node& node, Scope& scope) {
    const Level level(depth_);
    budget_.charge(kStepWork);
    line_ = node.line;
    const auto& children = node.children;
    switch (node.kind) {
      case Kind::kConst:
        return node.value;
      case Kind::kName:
        return look_up(node.text, scope);
      case Kind::kLoopField:
        return loop_field(node.text, scope);
      case Kind::kList:
        return make_sequence(Sequence::kList, evaluate_all(node, scope), budget_);
      case Kind::kTuple:
        return make_sequence(Sequence::kTuple, evaluate_all(node, scope), budget_);
      case Kind::kDict:
        return evaluate_dict(node, scope);
      case Kind::kAttribute:
        return get_attribute(evaluate(*children[0], scope), node.text, budget_);
      case Kind::kItem:
        return evaluate_item(node, scope);
      case Kind::kSlice:
        return evaluate_slice(node, scope);
      case Kind::kCall:
        return evaluate_call(node, scope);
      case Kind::kFilter:
      case Kind::kTest:
        return evaluate_filter_or_test(node, scope);
      case Kind::kNot:
        return !truth(evaluate(*children[0], scope));
      case Kind::kNegate:
      case Kind::kPositive:
        return evaluate_sign(node, scope);
      case Kind::kAnd:
      case Kind::kOr: {
        Value left = evaluate(*children[0], scope);
        return truth(left) == (node.kind == Kind::kOr) ? left : evaluate(*children[1], scope);
      }
      case Kind::kBinary:
        return evaluate_binary(node, scope);
      case Kind::kConcat:
        return evaluate_concat(node, scope);
      case Kind::kCompare:
        return evaluate_compare(node, scope);
      case Kind::kCondition: {
        const std::size_t branch = truth(evaluate(*children[0], scope)) ? 1 : 2;
        if (!children[branch]) return Undefined{"an if without else"};
        return evaluate(*children[branch], scope);
      }
      default:
        throw Failure("a statement where an expression should be");
    }
  }

  Value look_up(const std::string& name, const Scope& scope) const {
    if (const Value* value = scope.find(name)) return *value;
    constexpr std::array<std::pair<std::string_view, Function>, 5> kFunctions{
        {{"range", Function::kRange},
         {"namespace", Function::kNamespace},
         {"dict", Function::kDict},
         {"raise_exception", Function::kRaiseException},
         {"strftime_now", Function::kStrftimeNow}}};
    for (const auto& [other, function] : kFunctions) {
      if (other == name) return function;
    }
    return Undefined{fmt::format("'{}'", name)};
  }

  Value loop_field(const std::string& name, const Scope& scope, const Arguments* arguments = nullptr) {
    const Scope* owner = &scope;
    while (owner && !owner->loop) owner = owner->parent;
    if (!owner) throw Failure(fmt::format("loop.{} outside a loop", name));
    Loop& loop = *owner->loop;
    if ((name == "cycle") != (arguments != nullptr)) throw Failure(fmt::format("loop.{} is used wrongly", name));
    const auto neighbour = [](const Value* item) { return item ? *item : Undefined{"an item beyond the loop"}; };
    const auto number = [](std::size_t value) { return static_cast<std::int64_t>(value); };
    if (name == "index") return number(loop.index + 1);
    if (name == "index0") return number(loop.index);
    if (name == "first") return loop.index == 0;
    if (name == "last") return loop.find(loop.index + 1) == nullptr;
    if (name == "length") return number(loop.length());
    if (name == "revindex") return number(loop.length() - loop.index);
    if (name == "revindex0") return number(loop.length() - loop.index - 1);
    if (name == "previtem") return neighbour(loop.index > 0 ? loop.find(loop.index - 1) : nullptr);
    if (name == "nextitem") return neighbour(loop.find(loop.index + 1));
    if (arguments->positional.empty() || !arguments->named.empty()) throw Failure("loop.cycle needs values");
    return arguments->positional[loop.index % arguments->positional.size()];
  }

  Values evaluate_all(const Node& node, Scope& scope) {
    Values values;
    for (const auto& child : node.children) values.push_back(evaluate(*child, scope));
    return values;
  }

  Value evaluate_dict(const Node& node, Scope& scope) {
    std::vector<std::pair<Value, Value>> items;
    for (std::size_t i = 0; i < node.children.size(); i += 2) {
      Value key = evaluate(*node.children[i], scope);
      items.emplace_back(std::move(key), evaluate(*node.children[i + 1], scope));
    }
    return make_dict(std::move(items), budget_);
  }

  Value evaluate_item(const Node& node, Scope& scope) {
    const Value object = evaluate(*node.children[0], scope);
    return get_item(object, evaluate(*node.children[1], scope), budget_);
  }

  Value evaluate_slice(const Node& node, Scope& scope) {
    std::array<Value, 4> values;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (node.children[i]) values[i] = evaluate(*node.children[i], scope);
    }
    return get_slice(values[0], values[1], values[2], values[3], budget_);
  }

  Arguments evaluate_arguments(const Node& node, Scope& scope) {
    Arguments arguments;
    for (std::size_t i = 1; i < node.children.size(); ++i) {
      const Node& child = *node.children[i];
      if (child.kind == Kind::kKeyword)
        arguments.named.emplace_back(child.text, evaluate(*child.children[0], scope));
      else
        arguments.positional.push_back(evaluate(child, scope));
    }
    line_ = node.line;  // of what is called, not of its last argument
    return arguments;
  }

  Value evaluate_call(const Node& node, Scope& scope) {
    const Node& callee = *node.children[0];
    if (callee.kind == Kind::kLoopField) {
      const Arguments arguments = evaluate_arguments(node, scope);
      return loop_field(callee.text, scope, &arguments);
    }
    Value function;
    if (callee.kind == Kind::kAttribute) {
      const Value object = evaluate(*callee.children[0], scope);
      if (has_python_attribute(object, callee.text)) {
        return call_method(object, callee.text, evaluate_arguments(node, scope), budget_);
      }
      function = get_attribute(object, callee.text, budget_);
    } else {
      function = evaluate(callee, scope);
    }
    const Arguments arguments = evaluate_arguments(node, scope);
    if (const auto* macro = as<const Node*>(function)) return call_macro(**macro, arguments);
    const auto* builtin = as<Function>(function);
    if (!builtin) throw Failure(fmt::format("{} cannot be called", type_name(function)));
    if (*builtin == Function::kNamespace) return make_namespace(arguments);
    return call_function(*builtin, arguments, now_, budget_);
  }

  Value make_namespace(const Arguments& arguments) {
    budget_.charge(sizeof(Namespace));
    namespaces_.emplace_back();
    const Value dict = call_function(Function::kDict, arguments, now_, budget_);
    for (const auto& [key, value] : as_dict(dict)->items) {
      const auto* name = as_text(key);
      if (!name || name->starts_with('_')) throw Failure("a namespace's attribute has no plain name");
      set_attribute(namespaces_.back(), *name, value);
    }
    return &namespaces_.back();
  }

  Value call_macro(const Node& macro, const Arguments& arguments) {
    const std::size_t num_parameters = macro.children.size() - 1;
    if (arguments.positional.size() > num_parameters) {
      throw Failure(fmt::format("the macro '{}' takes at most {} arguments", macro.text, num_parameters));
    }
    Scope scope{.parent = &top_};
    std::size_t num_named = 0;
    for (std::size_t i = 0; i < num_parameters; ++i) {
      const Node& parameter = *macro.children[i];
      const Value* given = i < arguments.positional.size() ? &arguments.positional[i] : nullptr;
      for (const auto& [name, value] : arguments.named) {
        if (given || name != parameter.text) continue;
        given = &value;
        ++num_named;
      }
      const auto& otherwise = parameter.children[0];
      scope.set(parameter.text, given       ? *given
                                : otherwise ? evaluate(*otherwise, scope)
                                            : Undefined{fmt::format("'{}'", parameter.text)});
    }
    if (num_named < arguments.named.size()) {
      throw Failure(fmt::format("the macro '{}' is given an argument that it has not, or twice", macro.text));
    }
    Writer out(budget_);
    run(*macro.children.back(), scope, out);
    return make_text(std::move(out));
  }

  Value evaluate_filter_or_test(const Node& node, Scope& scope) {
    const Value input = evaluate(*node.children[0], scope);
    const Arguments arguments = evaluate_arguments(node, scope);
    if (node.kind == Kind::kTest) return apply_test(node.text, input, arguments, budget_);
    return apply_filter(node.text, input, arguments, budget_);
  }

  Value evaluate_sign(const Node& node, Scope& scope) {
    const Value value = evaluate(*node.children[0], scope);
    if (!as_number(value)) throw Failure("a sign before " + type_name(value));
    const bool negative = node.kind == Kind::kNegate;
    if (const auto* number = as<double>(value)) return negative ? -*number : *number;
    return calculate(negative ? "-" : "+", std::int64_t{0}, value, budget_);
  }

  Value evaluate_binary(const Node& node, Scope& scope) {
    const Value left = evaluate(*node.children[0], scope);
    return calculate(node.text, left, evaluate(*node.children[1], scope), budget_);
  }

  Value evaluate_concat(const Node& node, Scope& scope) {
    Writer out(budget_);
    for (const auto& child : node.children) print(evaluate(*child, scope), out);
    return make_text(std::move(out));
  }

  Value evaluate_compare(const Node& node, Scope& scope) {
    Value left = evaluate(*node.children[0], scope);
    for (std::size_t i = 1; i < node.children.size(); ++i) {
      const Node& operand = *node.children[i];
      Value right = evaluate(*operand.children[0], scope);
      if (!compare(operand.text, left, right)) return false;
      left = std::move(right);
    }
    return true;
  }

  bool compare(const std::string& op, const Value& left, const Value& right) {
    if (op == "in") return contains(right, left, budget_);
    if (op == "not in") return !contains(right, left, budget_);
    return apply_test(op, left, {.positional = {right}}, budget_);
  }

  Clock::time_point now_;
  int& line_;
  Budget budget_;
  int depth_ = 0;
  std::deque<Namespace> namespaces_;  // may refer to each other; all go at the end
  Scope context_;
  Scope top_{.parent = &context_};
};

bool mentions_name(const Node& node, std::string_view name) {
  return (node.kind == Kind::kName && node.text == name) ||
         std::ranges::any_of(node.children, [&](const NodePtr& child) { return child && mentions_name(*child, name); });
}

}  // namespace

Template::Template(std::string_view source, std::string where) : where_(std::move(where)) {
  int line = 1;
  try {
    if (repair_utf8(source)) throw Failure("not valid UTF-8");
    root_ = parse(source, line);
  } catch (const Failure& e) {
    throw DataError(fmt::format("{}:{}: {}", where_, line, e.what()));
  }
}
Template::Template(Template&&) noexcept = default;
Template& Template::operator=(Template&&) noexcept = default;
Template::~Template() = default;

std::string Template::render(const Variables& variables, Clock::time_point now) const {
  int line = 1;
  try {
    return Interpreter(now, line).render(*root_, variables);
  } catch (const Failure& e) {
    throw DataError(fmt::format("{}:{}: {}", where_, line, e.what()));
  }
}

bool Template::mentions(std::string_view name) const {
  return mentions_name(*root_, name);
}

}  // namespace catenary::tokenizer::jinja
