// The grammar of jinja2/parser.py, function by function. What Jinja has and we have not is refused here, by name.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <initializer_list>

#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_syntax.h"

namespace catenary::tokenizer::jinja {
namespace {

constexpr int kMaxDepth = 150;   // of the tree
constexpr int kMaxLevels = 500;  // of the grammar's recursion

class Parser {
 public:
  Parser(std::vector<Token> tokens, int& line) : tokens_(std::move(tokens)), line_(line) {}

  NodePtr run() {
    NodePtr body = parse_body({});
    if (current().type != Token::kEnd) fail_unexpected();
    return body;
  }

 private:
  using Names = std::initializer_list<std::string_view>;

  // ---- tokens
  const Token& current() {
    line_ = tokens_[next_].line;
    return tokens_[next_];
  }
  const Token& look() const { return tokens_[std::min(next_ + 1, tokens_.size() - 1)]; }
  Token take() {
    Token token = current();
    if (next_ + 1 < tokens_.size()) ++next_;
    return token;
  }
  bool at(Token::Type type, std::string_view text) { return current().type == type && current().text == text; }
  bool at_op(std::string_view text) { return at(Token::kOperator, text); }
  bool at_name(std::string_view text) { return at(Token::kName, text); }
  bool at_any_name(Names names) {
    return current().type == Token::kName && std::ranges::find(names, current().text) != names.end();
  }
  bool skip_op(std::string_view text) { return at_op(text) && (take(), true); }
  bool skip_name(std::string_view text) { return at_name(text) && (take(), true); }
  void expect_op(std::string_view text) {
    if (!skip_op(text)) fail_unexpected(fmt::format("'{}'", text));
  }
  std::string expect_name() {
    if (current().type != Token::kName) fail_unexpected("a name");
    return take().text;
  }
  void expect_block_end() {
    if (current().type != Token::kBlockEnd) fail_unexpected("%}");
    take();
  }
  [[noreturn]] void fail_unexpected(std::string_view expected = "") {
    const Token& token = current();
    throw Failure(fmt::format("unexpected {}{}{}", token.type == Token::kEnd ? "end" : fmt::format("'{}'", token.text),
                              expected.empty() ? "" : ", expected ", expected));
  }

  // ---- nodes
  template <class... Children>
  NodePtr make(Kind kind, Children... children) {
    auto node = std::make_unique<Node>(Node{.kind = kind, .line = line_});
    (add(*node, std::move(children)), ...);
    return node;
  }
  template <class... Children>
  NodePtr make_named(Kind kind, std::string text, Children... children) {
    auto node = make(kind, std::move(children)...);
    node->text = std::move(text);
    return node;
  }
  NodePtr make_const(Value value) {
    auto node = make(Kind::kConst);
    node->value = std::move(value);
    return node;
  }
  static void add(Node& node, NodePtr child) {
    if (child && node.children.empty()) node.line = child->line;
    if (child) node.depth = std::max(node.depth, child->depth + 1);
    check_depth(node.depth);
    node.children.push_back(std::move(child));
  }
  static void check_depth(int depth) {
    if (depth > kMaxDepth) throw Failure(fmt::format("nested deeper than {} levels", kMaxDepth));
  }

  // Counts the levels of the grammar's recursion.
  class Level {
   public:
    explicit Level(int& depth) : depth_(depth) {
      if (depth_ == kMaxLevels) throw Failure("nested too deeply");
      ++depth_;
    }
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int& depth_;
  };

  // ---- statements
  // Up to {% followed by one of `ends`, which is left as the current token; up to the end without `ends`.
  NodePtr parse_body(Names ends) {
    const Level level(depth_);
    NodePtr body = make(Kind::kBlock);
    for (;;) {
      switch (current().type) {
        case Token::kText:
          add(*body, make_const_text(Kind::kText));
          break;
        case Token::kVariableBegin:
          take();
          add(*body, make(Kind::kOutput, parse_output()));
          if (current().type != Token::kVariableEnd) fail_unexpected("}}");
          take();
          break;
        case Token::kBlockBegin:
          take();
          if (at_any_name(ends)) return body;
          add(*body, parse_statement());
          expect_block_end();
          break;
        default:
          if (ends.size() > 0) fail_unexpected(fmt::format("{{% {} %}}", *(ends.end() - 1)));
          return body;
      }
    }
  }

  // `|safe` marks HTML that need not be escaped. Nothing is escaped in a chat, so at the end of an output it does
  // nothing; anywhere else its value would still differ from a string.
  NodePtr parse_output() {
    NodePtr expression = parse_tuple();
    if (expression->kind == Kind::kFilter && expression->text == "safe") expression->text = "string";
    refuse_safe(*expression);
    return expression;
  }
  void refuse_safe(const Node& node) {
    if (node.kind == Kind::kFilter && node.text == "safe") fail_unsupported("the filter 'safe' inside an expression");
    for (const auto& child : node.children) {
      if (child) refuse_safe(*child);
    }
  }

  NodePtr make_const_text(Kind kind) {
    auto node = make(kind);
    node->text = take().text;
    return node;
  }

  NodePtr parse_statements(Names ends) {
    skip_op(":");
    expect_block_end();
    return parse_body(ends);
  }
  // The same with the end taken.
  NodePtr parse_until(std::string_view end) {
    NodePtr body = parse_statements({end});
    take();
    return body;
  }

  NodePtr parse_statement() {
    const Level level(depth_);
    const std::string name = expect_name();
    if (name == "if") return parse_if();
    if (name == "for") return parse_for();
    if (name == "set") return parse_set();
    if (name == "macro") return parse_macro();
    if (name == "with") return parse_with();
    if (name == "generation") {
      const auto loops = std::exchange(loops_, 0);  // its body is a function in Jinja: no break out of it
      const Level scope(scopes_);
      NodePtr body = parse_until("endgeneration");
      loops_ = loops;
      return make(Kind::kGeneration, std::move(body));
    }
    if (name == "break" || name == "continue") {
      if (loops_ == 0) throw Failure(name + " outside a loop");
      return make(name == "break" ? Kind::kBreak : Kind::kContinue);
    }
    if (name == "else" || name == "elif" || name.starts_with("end"))
      throw Failure(fmt::format("unexpected '{}'", name));
    fail_unsupported(fmt::format("the tag '{}'", name));
  }

  // After `if` or `elif`; an elif is an if in the else.
  NodePtr parse_if() {
    const Level level(depth_);
    NodePtr condition = parse_expression_tuple(false);
    NodePtr then = parse_statements({"elif", "else", "endif"});
    NodePtr otherwise;
    const std::string end = take().text;
    if (end == "elif") otherwise = parse_if();
    if (end == "else") otherwise = parse_until("endif");
    return make(Kind::kIf, std::move(condition), std::move(then), std::move(otherwise));
  }

  NodePtr parse_for() {
    NodePtr target = parse_target("in", false);
    if (!skip_name("in")) fail_unexpected("'in'");
    NodePtr iterable = parse_expression_tuple(false, "recursive");
    NodePtr filter, otherwise;
    if (skip_name("if")) filter = parse_expression();
    if (at_name("recursive")) fail_unsupported("a recursive loop");
    NodePtr body;
    {
      const Level scope(scopes_);
      const Level loop(loops_);
      body = parse_statements({"endfor", "else"});
    }
    if (take().text == "else") {
      const Level scope(scopes_);
      otherwise = parse_until("endfor");
    }
    return make(Kind::kFor, std::move(target), std::move(iterable), std::move(filter), std::move(body),
                std::move(otherwise));
  }

  NodePtr parse_set() {
    NodePtr target = parse_target("", true);
    if (skip_op("=")) {
      NodePtr value = parse_expression_tuple(true);
      return make(Kind::kSet, std::move(target), std::move(value));
    }
    if (at_op("|")) fail_unsupported("a filter on a block set");
    const Level scope(scopes_);
    NodePtr body = parse_until("endset");
    return make(Kind::kSetBlock, std::move(target), std::move(body));
  }

  NodePtr parse_macro() {
    // Then the scope that a macro sees outlives it.
    if (scopes_ > 0) fail_unsupported("a macro that is not at the top level");
    NodePtr macro = make_named(Kind::kMacro, check_target(expect_name()));
    expect_op("(");
    bool has_default = false;
    while (!at_op(")")) {
      if (!macro->children.empty()) expect_op(",");
      std::string name = check_target(expect_name());
      for (const auto& other : macro->children) {
        if (other->text == name) throw Failure(fmt::format("the parameter '{}' occurs twice", name));
      }
      NodePtr otherwise;
      if (skip_op("="))
        otherwise = parse_expression();
      else if (has_default)
        throw Failure(fmt::format("the parameter '{}' needs a default", name));
      has_default = otherwise != nullptr;
      add(*macro, make_named(Kind::kKeyword, std::move(name), std::move(otherwise)));
    }
    expect_op(")");
    const auto loops = std::exchange(loops_, 0);
    const Level scope(scopes_);
    add(*macro, parse_until("endmacro"));
    loops_ = loops;
    return macro;
  }

  NodePtr parse_with() {
    NodePtr with = make(Kind::kWith);
    while (current().type != Token::kBlockEnd) {
      if (!with->children.empty()) expect_op(",");
      add(*with, parse_target("", false));
      expect_op("=");
      add(*with, parse_expression());
    }
    const Level scope(scopes_);
    add(*with, parse_until("endwith"));
    return with;
  }

  // What a name may not be: these mean something else in Jinja, or are special to us.
  std::string check_target(std::string name) {
    constexpr std::array kReserved{"true", "false", "none", "True", "False", "None"};
    if (std::ranges::find(kReserved, name) != kReserved.end()) throw Failure("cannot assign to " + name);
    constexpr std::array kSpecial{"loop", "caller", "varargs", "kwargs", "self"};
    if (std::ranges::find(kSpecial, name) != kSpecial.end()) fail_unsupported(fmt::format("a variable '{}'", name));
    return name;
  }

  NodePtr parse_one_target(bool with_namespace) {
    const Level level(depth_);
    if (skip_op("(")) {
      NodePtr target = parse_target(")", with_namespace);
      expect_op(")");
      return target;
    }
    std::string name = check_target(expect_name());
    if (with_namespace && skip_op(".")) {
      auto field = make_named(Kind::kNamespaceField, std::move(name));
      const std::string attribute = expect_name();
      if (attribute.starts_with('_')) fail_unsupported(fmt::format("a namespace's attribute '{}'", attribute));
      field->value = std::make_shared<const std::string>(attribute);
      return field;
    }
    return make_named(Kind::kName, std::move(name));
  }

  NodePtr parse_target(std::string_view end, bool with_namespace) {
    NodePtr first = parse_one_target(with_namespace);
    if (!at_op(",")) return first;
    NodePtr tuple = make(Kind::kTuple, std::move(first));
    while (skip_op(",")) {
      if (current().text == end || at_op("=") || current().type == Token::kBlockEnd) break;
      add(*tuple, parse_one_target(with_namespace));
    }
    return tuple;
  }

  // ---- expressions
  NodePtr parse_tuple() { return parse_expression_tuple(true); }

  bool at_tuple_end(std::string_view end_name) {
    return current().type == Token::kVariableEnd || current().type == Token::kBlockEnd || at_op(")") ||
           (!end_name.empty() && at_name(end_name));
  }

  // An expression, or several with commas between them.
  NodePtr parse_expression_tuple(bool with_condition, std::string_view end_name = "", bool in_parentheses = false) {
    NodePtr tuple = make(Kind::kTuple);
    bool is_tuple = false;
    while (!at_tuple_end(end_name)) {
      add(*tuple, with_condition ? parse_expression() : parse_or());
      if (!skip_op(",")) break;
      is_tuple = true;
    }
    if (is_tuple || (tuple->children.empty() && in_parentheses)) return tuple;
    if (tuple->children.empty()) fail_unexpected("an expression");
    return std::move(tuple->children[0]);
  }

  NodePtr parse_expression() {
    const Level level(depth_);
    NodePtr expression = parse_or();
    while (skip_name("if")) {
      NodePtr condition = parse_or(), otherwise;
      if (skip_name("else")) otherwise = parse_expression();
      expression = make(Kind::kCondition, std::move(condition), std::move(expression), std::move(otherwise));
    }
    return expression;
  }

  NodePtr parse_or() {
    const Level level(depth_);
    NodePtr left = parse_and();
    while (skip_name("or")) left = make(Kind::kOr, std::move(left), parse_and());
    return left;
  }

  NodePtr parse_and() {
    NodePtr left = parse_not();
    while (skip_name("and")) left = make(Kind::kAnd, std::move(left), parse_not());
    return left;
  }

  NodePtr parse_not() {
    const Level level(depth_);
    if (skip_name("not")) return make(Kind::kNot, parse_not());
    return parse_compare();
  }

  NodePtr parse_compare() {
    NodePtr left = parse_sum();
    NodePtr compare = make(Kind::kCompare);
    constexpr std::array kOperators{"==", "!=", "<", ">", "<=", ">="};
    for (;;) {
      std::string op;
      if (current().type == Token::kOperator && std::ranges::find(kOperators, current().text) != kOperators.end()) {
        op = take().text;
      } else if (skip_name("in")) {
        op = "in";
      } else if (at_name("not") && look().type == Token::kName && look().text == "in") {
        take();
        take();
        op = "not in";
      } else {
        break;
      }
      if (left) add(*compare, std::move(left));
      add(*compare, make_named(Kind::kOperand, std::move(op), parse_sum()));
    }
    return left ? std::move(left) : std::move(compare);
  }

  NodePtr parse_sum() {
    NodePtr left = parse_concat();
    while (at_op("+") || at_op("-")) {
      std::string op = take().text;
      left = make_named(Kind::kBinary, std::move(op), std::move(left), parse_concat());
    }
    return left;
  }

  NodePtr parse_concat() {
    NodePtr first = parse_product();
    if (!at_op("~")) return first;
    NodePtr concat = make(Kind::kConcat, std::move(first));
    while (skip_op("~")) add(*concat, parse_product());
    return concat;
  }

  NodePtr parse_product() {
    NodePtr left = parse_power();
    while (at_op("*") || at_op("/") || at_op("//") || at_op("%")) {
      std::string op = take().text;
      left = make_named(Kind::kBinary, std::move(op), std::move(left), parse_power());
    }
    return left;
  }

  NodePtr parse_power() {
    NodePtr left = parse_unary(true);
    while (skip_op("**")) left = make_named(Kind::kBinary, "**", std::move(left), parse_unary(true));
    return left;
  }

  NodePtr parse_unary(bool with_filter) {
    const Level level(depth_);
    NodePtr node;
    if (skip_op("-"))
      node = make(Kind::kNegate, parse_unary(false));
    else if (skip_op("+"))
      node = make(Kind::kPositive, parse_unary(false));
    else
      node = parse_primary();
    node = parse_postfix(std::move(node));
    if (with_filter) node = parse_filters(std::move(node));
    if (node->kind == Kind::kName && node->text == "loop") fail_unsupported("'loop' other than loop.attribute");
    return node;
  }

  NodePtr parse_primary() {
    const Level level(depth_);
    const Token token = take();
    switch (token.type) {
      case Token::kName:
        return parse_name(token.text);
      case Token::kString: {
        std::string text = token.text;
        while (current().type == Token::kString) text += take().text;
        return make_const(std::make_shared<const std::string>(std::move(text)));
      }
      case Token::kInteger:
        return make_const(parse_integer(token.text));
      case Token::kFloat: {
        double number = 0;
        const auto [end, error] = std::from_chars(token.text.data(), token.text.data() + token.text.size(), number);
        if (error != std::errc()) fail_unsupported("the number " + token.text);
        return make_const(number);
      }
      case Token::kOperator:
        if (token.text == "(") {
          NodePtr inner = parse_expression_tuple(true, "", true);
          expect_op(")");
          return inner;
        }
        if (token.text == "[") return parse_list();
        if (token.text == "{") return parse_dict();
        [[fallthrough]];
      default:
        throw Failure(fmt::format("unexpected {}, expected an expression",
                                  token.type == Token::kEnd ? "end" : fmt::format("'{}'", token.text)));
    }
  }

  NodePtr parse_name(const std::string& name) {
    if (name == "true" || name == "True") return make_const(true);
    if (name == "false" || name == "False") return make_const(false);
    if (name == "none" || name == "None") return make_const(None());
    constexpr std::array kGlobals{"lipsum", "cycler", "joiner", "caller", "varargs", "kwargs", "self"};
    if (std::ranges::find(kGlobals, name) != kGlobals.end()) fail_unsupported(fmt::format("'{}'", name));
    return make_named(Kind::kName, name);
  }

  static std::int64_t parse_integer(const std::string& text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) fail_unsupported(fmt::format("the integer {}, beyond 64 bits,", text));
    return value;
  }

  NodePtr parse_list() {
    NodePtr list = make(Kind::kList);
    while (!at_op("]")) {
      add(*list, parse_expression());
      if (!skip_op(",")) break;
    }
    expect_op("]");
    return list;
  }

  NodePtr parse_dict() {
    NodePtr dict = make(Kind::kDict);
    while (!at_op("}")) {
      add(*dict, parse_expression());
      expect_op(":");
      add(*dict, parse_expression());
      if (!skip_op(",")) break;
    }
    expect_op("}");
    return dict;
  }

  NodePtr parse_postfix(NodePtr node) {
    for (;;) {
      if (skip_op(".")) {
        node = parse_dot(std::move(node));
      } else if (skip_op("[")) {
        node = parse_subscript(std::move(node));
      } else if (at_op("(")) {
        node = parse_call(std::move(node));
      } else {
        return node;
      }
    }
  }

  NodePtr parse_dot(NodePtr object) {
    if (current().type == Token::kInteger) {
      NodePtr index = make_const(parse_integer(take().text));
      return make(Kind::kItem, std::move(object), std::move(index));
    }
    std::string name = expect_name();
    if (name.starts_with("__")) fail_unsupported(fmt::format("the attribute '{}'", name));
    if (object->kind == Kind::kName && object->text == "loop") {
      constexpr std::array kFields{"index", "index0", "revindex", "revindex0", "first",
                                   "last",  "length", "previtem", "nextitem",  "cycle"};
      if (std::ranges::find(kFields, name) == kFields.end()) fail_unsupported(fmt::format("loop.{}", name));
      return make_named(Kind::kLoopField, std::move(name));
    }
    if (at_op("(") && !is_method(name)) fail_unsupported(fmt::format("the method '{}'", name));
    return make_named(Kind::kAttribute, std::move(name), std::move(object));
  }

  NodePtr parse_subscript(NodePtr object) {
    std::array<NodePtr, 3> bounds;
    bool is_slice = false;
    if (!at_op(":")) bounds[0] = parse_expression();
    for (std::size_t i = 1; i < bounds.size() && skip_op(":"); ++i) {
      is_slice = true;
      if (!at_op(":") && !at_op("]")) bounds[i] = parse_expression();
    }
    if (at_op(",")) fail_unsupported("a subscript of several values");
    expect_op("]");
    if (!is_slice) return make(Kind::kItem, std::move(object), std::move(bounds[0]));
    return make(Kind::kSlice, std::move(object), std::move(bounds[0]), std::move(bounds[1]), std::move(bounds[2]));
  }

  NodePtr parse_call(NodePtr callee) {
    NodePtr call = make(Kind::kCall, std::move(callee));
    parse_arguments(*call);
    return call;
  }

  void parse_arguments(Node& call) {
    expect_op("(");
    bool has_keyword = false;
    while (!at_op(")")) {
      if (at_op("*") || at_op("**")) fail_unsupported("* or ** before an argument");
      if (current().type == Token::kName && look().type == Token::kOperator && look().text == "=") {
        std::string name = take().text;
        for (const auto& other : call.children) {
          if (other && other->kind == Kind::kKeyword && other->text == name) {
            throw Failure(fmt::format("the argument '{}' occurs twice", name));
          }
        }
        take();
        add(call, make_named(Kind::kKeyword, std::move(name), parse_expression()));
        has_keyword = true;
      } else {
        if (has_keyword) throw Failure("an argument without a name after one with a name");
        add(call, parse_expression());
      }
      if (!skip_op(",")) break;
    }
    expect_op(")");
  }

  NodePtr parse_filters(NodePtr node) {
    for (;;) {
      if (skip_op("|")) {
        node = make_named(Kind::kFilter, expect_name(), std::move(node));
        if (!is_filter(node->text) && node->text != "safe")
          fail_unsupported(fmt::format("the filter '{}'", node->text));
        if (at_op("(")) parse_arguments(*node);
        if (node->text == "safe" && current().type != Token::kVariableEnd) refuse_safe(*node);
        check_named_function(*node);
      } else if (skip_name("is")) {
        node = parse_test(std::move(node));
      } else if (at_op("(")) {
        node = parse_call(std::move(node));
      } else {
        return node;
      }
    }
  }

  // map('name'), select('name') and selectattr('attribute', 'name') name a filter or a test.
  void check_named_function(const Node& node) {
    const bool is_map = node.text == "map", by_attribute = node.text == "selectattr" || node.text == "rejectattr";
    if (!is_map && !by_attribute && node.text != "select" && node.text != "reject") return;
    const std::size_t position = by_attribute ? 2 : 1;
    if (node.children.size() <= position) return;
    const std::string* name = as_text(node.children[position]->value);
    if (name && !(is_map ? is_filter(*name) : is_test(*name))) {
      fail_unsupported(fmt::format("the {} '{}'", is_map ? "filter" : "test", *name));
    }
  }

  NodePtr parse_test(NodePtr node) {
    const bool negated = skip_name("not");
    NodePtr test = make_named(Kind::kTest, expect_name(), std::move(node));
    if (!is_test(test->text)) fail_unsupported(fmt::format("the test '{}'", test->text));
    const Token& token = current();
    const bool starts_value = token.type == Token::kName || token.type == Token::kString ||
                              token.type == Token::kInteger || token.type == Token::kFloat || at_op("[") || at_op("{");
    if (at_op("(")) {
      parse_arguments(*test);
    } else if (starts_value && !at_any_name({"else", "or", "and"})) {
      if (at_name("is")) throw Failure("tests cannot be chained with 'is'");
      add(*test, parse_postfix(parse_primary()));
    }
    return negated ? make(Kind::kNot, std::move(test)) : std::move(test);
  }

  std::vector<Token> tokens_;
  int& line_;
  std::size_t next_ = 0;
  int depth_ = 0;
  int scopes_ = 0;  // around the current statement
  int loops_ = 0;   // that break would leave
};

}  // namespace

NodePtr parse(std::string_view source, int& line) {
  return Parser(tokenize(source, line), line).run();
}

}  // namespace catenary::tokenizer::jinja
