// The tokens of jinja2/lexer.py. `-` beside a tag strips all white space on that side, `+` keeps it; without either, a
// newline after a block or comment goes (trim_blocks), and so do blanks between the start of a line and one
// (lstrip_blocks).

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "tokenizer/jinja_syntax.h"
#include "tokenizer/unicode.h"

namespace catenary::tokenizer::jinja {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

class Lexer {
 public:
  Lexer(std::string_view source, int& line) : line_(line) {
    for (std::size_t i = 0; i < source.size(); ++i) {  // \r\n and \r are \n; one newline at the end goes
      if (source[i] != '\r')
        source_ += source[i];
      else if (i + 1 == source.size() || source[i + 1] != '\n')
        source_ += '\n';
    }
    if (source_.ends_with('\n')) source_.pop_back();
    rest_ = source_;
    line_ = 1;
  }

  std::vector<Token> run() {
    while (!rest_.empty()) read_text_and_tag();
    push(Token::kEnd, "");
    return std::move(tokens_);
  }

 private:
  void push(Token::Type type, std::string text) { tokens_.push_back({type, std::move(text), line_}); }

  std::string_view take(std::size_t size) {
    const auto taken = rest_.substr(0, size);
    line_ += static_cast<int>(std::ranges::count(taken, '\n'));
    rest_.remove_prefix(size);
    return taken;
  }
  bool take_if(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    take(text.size());
    return true;
  }
  void take_space() { take(rest_.size() - strip_left(rest_).size()); }

  // Text up to the next tag, and that tag whole.
  void read_text_and_tag() {
    std::size_t size = 0;
    while (size < rest_.size() && !(rest_[size] == '{' && size + 1 < rest_.size() &&
                                    std::string_view("{%#").find(rest_[size + 1]) != std::string_view::npos)) {
      ++size;
    }
    const bool has_tag = size < rest_.size();
    std::string_view text = rest_.substr(0, size);
    const char tag = has_tag ? rest_[size + 1] : ' ';
    const char sign = has_tag && size + 2 < rest_.size() ? rest_[size + 2] : ' ';
    if (has_tag && sign == '-') {
      text = strip_right(text);
    } else if (has_tag && sign != '+' && tag != '{') {
      const std::size_t line_start = text.rfind('\n') + 1;  // 0 without a newline
      if ((line_start > 0 || at_line_start_) && strip_left(text.substr(line_start)).empty()) {
        text = text.substr(0, line_start);
      }
    }
    if (!text.empty()) push(Token::kText, std::string(text));
    take(size);
    if (!has_tag) return;
    take(sign == '-' || sign == '+' ? 3 : 2);
    if (tag == '#') return read_comment();
    push(tag == '%' ? Token::kBlockBegin : Token::kVariableBegin, tag == '%' ? "{%" : "{{");
    read_expression(tag == '%');
  }

  void read_comment() {
    const std::size_t end = rest_.find("#}");
    if (end == std::string_view::npos) throw Failure("a comment without its end, #}");
    const std::size_t sign = end > 0 && (rest_[end - 1] == '-' || rest_[end - 1] == '+') ? end - 1 : end;
    take(sign);
    take_tag_end("#}");
  }

  // The end of a tag with its sign and the white space that goes with it, if it is here.
  bool take_tag_end(std::string_view end) {
    const auto before = rest_;
    const bool is_variable = end == "}}";
    if (rest_.starts_with('-') && rest_.substr(1).starts_with(end)) {
      take(3);
      take_space();
    } else if (!is_variable && rest_.starts_with('+') && rest_.substr(1).starts_with(end)) {
      take(3);
    } else if (take_if(end)) {
      if (!is_variable) take_if("\n");
    } else {
      return false;
    }
    at_line_start_ = before[before.size() - rest_.size() - 1] == '\n';
    return true;
  }

  void read_expression(bool is_block) {
    std::string open;  // the brackets that wait for their partners
    for (;;) {
      if (open.empty() && take_tag_end(is_block ? "%}" : "}}")) {
        push(is_block ? Token::kBlockEnd : Token::kVariableEnd, is_block ? "%}" : "}}");
        return;
      }
      if (rest_.empty()) throw Failure("a tag without its end");
      const char c = rest_[0];
      if (is_space(rest_.substr(0, char_length(rest_, 0)))) {
        take_space();
      } else if (is_digit(c)) {
        read_number();
      } else if (is_name_start(c)) {
        std::size_t size = 1;
        while (size < rest_.size() && (is_name_start(rest_[size]) || is_digit(rest_[size]))) ++size;
        push(Token::kName, std::string(take(size)));
      } else if (c == '\'' || c == '"') {
        read_string(c);
      } else {
        read_operator(open);
      }
    }
  }

  // Digits with single underscores between them.
  std::size_t digits_at(std::size_t i) const {
    std::size_t size = 0;
    while (i + size < rest_.size() &&
           (is_digit(rest_[i + size]) ||
            (size > 0 && rest_[i + size] == '_' && i + size + 1 < rest_.size() && is_digit(rest_[i + size + 1])))) {
      ++size;
    }
    return size;
  }

  void read_number() {
    std::size_t size = digits_at(0);
    const bool after_dot = !tokens_.empty() && tokens_.back().text == "." && tokens_.back().type == Token::kOperator;
    bool is_float = false;
    if (!after_dot) {
      std::size_t fraction = 0, exponent = 0;
      if (size < rest_.size() && rest_[size] == '.') {
        if (fraction = digits_at(size + 1); fraction > 0) ++fraction;
      }
      const std::size_t e = size + fraction;
      if (e < rest_.size() && (rest_[e] == 'e' || rest_[e] == 'E')) {
        const std::size_t sign = e + 1 < rest_.size() && (rest_[e + 1] == '+' || rest_[e + 1] == '-') ? 1 : 0;
        if (exponent = digits_at(e + 1 + sign); exponent > 0) exponent += 1 + sign;
      }
      is_float = fraction + exponent > 0;
      size += fraction + exponent;
    }
    std::string number(take(size));
    std::erase(number, '_');
    const bool zeros = number.find_first_not_of('0') == std::string::npos;
    if (!is_float && number.size() > 1 && number[0] == '0' && !zeros) throw Failure(number + " starts with a 0");
    if (!rest_.empty() && is_name_start(rest_[0])) {
      throw Failure(fmt::format("the number {}{} is not supported", number, rest_[0]));
    }
    push(is_float ? Token::kFloat : Token::kInteger, std::move(number));
  }

  void read_string(char quote) {
    std::size_t end = 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) throw Failure("a string without its end");
    push(Token::kString, unescape(rest_.substr(1, end - 1)));
    take(end + 1);
  }

  // Python's unicode-escape.
  static std::string unescape(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        out += text[i];
        continue;
      }
      const char c = text[++i];
      constexpr std::string_view kLetters = "\\'\"abfnrtv", kMeant = "\\'\"\a\b\f\n\r\t\v";
      constexpr std::string_view kHex = "xuU", kHexDigits = "0123456789abcdefABCDEF";
      if (const auto at = kLetters.find(c); at != std::string_view::npos) {
        out += kMeant[at];
      } else if (c >= '0' && c <= '7') {
        std::size_t size = 1;
        while (size < 3 && i + size < text.size() && text[i + size] >= '0' && text[i + size] <= '7') ++size;
        add_codepoint(std::stoi(std::string(text.substr(i, size)), nullptr, 8), out);
        i += size - 1;
      } else if (const auto kind = kHex.find(c); kind != std::string_view::npos) {
        const auto digits = text.substr(i + 1, std::size_t{2} << kind);
        if (digits.size() != std::size_t{2} << kind || digits.find_first_not_of(kHexDigits) != std::string_view::npos) {
          throw Failure(fmt::format("\\{} in a string needs {} hexadecimal digits", c, 2 << kind));
        }
        const auto codepoint = std::stoul(std::string(digits), nullptr, 16);
        if (codepoint > 0x10FFFF || (codepoint >= 0xD800 && codepoint < 0xE000)) {
          throw Failure(fmt::format("\\{}{} in a string is not a character", c, digits));
        }
        add_codepoint(static_cast<std::int32_t>(codepoint), out);
        i += digits.size();
      } else if (c == 'N' || static_cast<unsigned char>(c) >= 0x80) {
        throw Failure("a backslash before N or a character beyond ASCII is not supported");
      } else if (c != '\n') {
        out += '\\';
        out += c;
      }
    }
    return out;
  }

  void read_operator(std::string& open) {
    constexpr std::array<std::string_view, 26> kOperators{"==", "!=", ">=", "<=", "//", "**", "+", "-", "/",
                                                          "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                          ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    const auto op = std::ranges::find_if(kOperators, [&](std::string_view text) { return rest_.starts_with(text); });
    if (op == kOperators.end()) {
      throw Failure(fmt::format("unexpected character '{}'", rest_.substr(0, char_length(rest_, 0))));
    }
    constexpr std::string_view kOpening = "([{", kClosing = ")]}";
    if (const auto at = kOpening.find(*op); at != std::string_view::npos) open += kClosing[at];
    if (kClosing.find(*op) != std::string_view::npos) {
      if (!open.ends_with(*op)) throw Failure(fmt::format("unexpected '{}'", *op));
      open.pop_back();
    }
    push(Token::kOperator, std::string(take(op->size())));
  }

  int& line_;
  std::string source_;
  std::string_view rest_;
  std::vector<Token> tokens_;
  bool at_line_start_ = true;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source, int& line) {
  return Lexer(source, line).run();
}

}  // namespace catenary::tokenizer::jinja
