#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/jinja_value.h"

/// Source to tree, after jinja2/lexer.py and jinja2/parser.py with trim_blocks and lstrip_blocks.
namespace catenary::tokenizer::jinja {

/// What a Node is, and its children in order; [x] may be null, x… is any number.
enum class Kind {
  // expressions
  kConst,      // value
  kName,       // text
  kLoopField,  // loop.text
  kList,       // item…
  kTuple,      // item…
  kDict,       // (key value)…
  kAttribute,  // object; .text
  kItem,       // object key
  kSlice,      // object [start] [stop] [step]
  kCall,       // callee argument…
  kFilter,     // input argument…; |text
  kTest,       // input argument…; is text
  kKeyword,    // value: the argument `text=value`
  kNot,        // operand
  kNegate,     // operand
  kPositive,   // operand
  kAnd,        // left right
  kOr,         // left right
  kBinary,     // left right; the operator is text
  kConcat,     // operand…
  kCompare,    // left kOperand…
  kOperand,    // right; the comparison is text
  kCondition,  // condition then [else]
  // statements
  kText,            // text as it is
  kOutput,          // expression
  kBlock,           // statement…
  kIf,              // condition then [else]
  kFor,             // target iterable [filter] body [else]
  kSet,             // target value; a target is a kName, a kTuple of targets, or a kNamespaceField
  kSetBlock,        // target body
  kNamespaceField,  // text.value
  kMacro,           // (kKeyword of a parameter, its default or null)… body; text is the name
  kWith,            // (target value)… body
  kGeneration,      // body
  kBreak,
  kContinue,
};

struct Node {
  Kind kind;
  int line = 0;
  int depth = 1;
  std::string text;
  Value value;
  std::vector<std::unique_ptr<Node>> children;
};
using NodePtr = std::unique_ptr<Node>;

struct Token {
  enum Type {
    kText,
    kBlockBegin,
    kBlockEnd,
    kVariableBegin,
    kVariableEnd,
    kName,
    kString,
    kInteger,
    kFloat,
    kOperator,
    kEnd
  };
  Type type = kEnd;
  std::string text;  // of a string: what it means
  int line = 0;
};

/// Throws Failure after setting `line` to the line that it is about.
std::vector<Token> tokenize(std::string_view source, int& line);
NodePtr parse(std::string_view source, int& line);

}  // namespace catenary::tokenizer::jinja
