#include "tokenizer/jinja_text.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "tokenizer/unicode.h"

namespace catenary::tokenizer::jinja {
namespace {

using MapCodepoint = utf8proc_int32_t (*)(utf8proc_int32_t);

// utf8proc maps one character to one; Python also knows ß → SS and the like, and the Greek sigma that ends a word.
void add_mapped(std::string_view character, MapCodepoint map, Writer& out) {
  utf8proc_int32_t c = 0;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(character.data()), std::ssize(character), &c);
  constexpr std::array<std::pair<int, int>, 10> kSpecial{{{0xDF, 0xDF},
                                                          {0x149, 0x149},
                                                          {0x1F0, 0x1F0},
                                                          {0x390, 0x390},
                                                          {0x3B0, 0x3B0},
                                                          {0x587, 0x587},
                                                          {0x1E96, 0x1E9A},
                                                          {0x1F50, 0x1FFC},
                                                          {0xFB00, 0xFB17},
                                                          {0x1E9E, 0x1E9E}}};
  const bool is_special =
      map == utf8proc_tolower
          ? c == 0x130 || c == 0x3A3
          : std::ranges::any_of(kSpecial, [&](auto range) { return range.first <= c && c <= range.second; });
  if (is_special) fail_unsupported(fmt::format("changing the case of '{}'", character));
  std::string mapped;
  add_codepoint(map(c), mapped);
  out.add(mapped);
}

Value mapped_text(std::string_view text, MapCodepoint first, MapCodepoint rest, Budget& budget) {
  Writer out(budget);
  for (const auto character : characters(text)) add_mapped(character, std::exchange(first, rest), out);
  return make_text(std::move(out));
}
// The digits of Python's int(text) or float(text), or nothing: white space around them and underscores between go.
std::optional<std::string> number_text(std::string_view text) {
  std::string digits;
  text = strip_right(strip_left(text));
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto is_digit = [&](std::size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '9'; };
    if (static_cast<unsigned char>(text[i]) >= 0x80) fail_unsupported("a number beyond ASCII");
    if (text[i] != '_')
      digits += text[i];
    else if (i == 0 || !is_digit(i - 1) || !is_digit(i + 1))
      return std::nullopt;
  }
  if (digits.starts_with('+')) {
    digits.erase(0, 1);
    if (digits.starts_with('-') || digits.starts_with('+')) return std::nullopt;
  }
  return digits;
}

}  // namespace

std::string to_text(const Value& value, Budget& budget) {
  Writer out(budget);
  print(value, out);
  return out.take();
}

Value list_of(const std::vector<std::string_view>& parts, Budget& budget) {
  Values items;
  for (const auto part : parts) items.push_back(make_text(part, budget));
  return make_sequence(Sequence::kList, std::move(items), budget);
}

Value upper(std::string_view text, Budget& budget) {
  return mapped_text(text, utf8proc_toupper, utf8proc_toupper, budget);
}
Value lower(std::string_view text, Budget& budget) {
  return mapped_text(text, utf8proc_tolower, utf8proc_tolower, budget);
}
Value capitalize(std::string_view text, Budget& budget) {
  return mapped_text(text, utf8proc_totitle, utf8proc_tolower, budget);
}

Value title_filter(std::string_view text, Budget& budget) {
  Writer out(budget);
  bool begins = true;
  for (const auto character : characters(text)) {
    add_mapped(character, begins ? utf8proc_toupper : utf8proc_tolower, out);
    begins = is_space(character) || std::string_view("-({[<").find(character) != std::string_view::npos;
  }
  return make_text(std::move(out));
}

Value title_method(std::string_view text, Budget& budget) {
  Writer out(budget);
  bool begins = true;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) fail_unsupported("title() of a string beyond ASCII");
    const std::string_view character(&c, 1);
    add_mapped(character, begins ? utf8proc_toupper : utf8proc_tolower, out);
    begins = !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
  }
  return make_text(std::move(out));
}

std::string_view strip(std::string_view text, const std::string* set, bool left, bool right) {
  if (!set) {
    if (left) text = strip_left(text);
    return right ? strip_right(text) : text;
  }
  const auto all = characters(*set);
  const auto in_set = [&](std::string_view character) { return std::ranges::find(all, character) != all.end(); };
  while (left && !text.empty() && in_set(text.substr(0, char_length(text, 0))))
    text.remove_prefix(char_length(text, 0));
  while (right && !text.empty() && in_set(text.substr(previous_char(text, text.size())))) {
    text = text.substr(0, previous_char(text, text.size()));
  }
  return text;
}

void replace(std::string_view text, std::string_view old, std::string_view with, std::int64_t count, Writer& out) {
  if (count < 0) count = std::numeric_limits<std::int64_t>::max();
  std::size_t done = 0;
  if (old.empty()) {  // between all characters, and at both ends
    for (; count > 0; --count) {
      out.add(with);
      if (done == text.size()) return;
      const std::size_t size = char_length(text, done);
      out.add(text.substr(done, size));
      done += size;
    }
  }
  for (; count > 0; --count) {
    const std::size_t at = text.find(old, done);
    if (at == std::string_view::npos) break;
    out.add(text.substr(done, at - done));
    out.add(with);
    done = at + old.size();
  }
  out.add(text.substr(done));
}

std::vector<std::string_view> split_space(std::string_view text, std::int64_t max) {
  std::vector<std::string_view> parts;
  for (text = strip_left(text); !text.empty(); text = strip_left(text)) {
    if (max >= 0 && std::ssize(parts) == max) {
      parts.push_back(text);
      break;
    }
    std::size_t size = 0;
    while (size < text.size() && !is_space(text.substr(size, char_length(text, size)))) size += char_length(text, size);
    parts.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return parts;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator, std::int64_t max,
                                    bool from_right) {
  if (separator.empty()) throw Failure("split: the separator is empty");
  std::vector<std::string_view> parts;
  while (max < 0 || std::ssize(parts) < max) {
    const std::size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == std::string_view::npos) break;
    const auto before = text.substr(0, at), after = text.substr(at + separator.size());
    parts.push_back(from_right ? after : before);
    text = from_right ? before : after;
  }
  parts.push_back(text);
  if (from_right) std::ranges::reverse(parts);
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t size = char_length(text, i);
    const auto c = text.substr(i, size);
    constexpr std::array<std::string_view, 10> kEnds{"\n",   "\r",   "\v",       "\f",     "\x1c",
                                                     "\x1d", "\x1e", "\xc2\x85", "\u2028", "\u2029"};
    if (std::ranges::find(kEnds, c) != kEnds.end()) {
      lines.push_back(text.substr(begin, i - begin));
      if (text.substr(i).starts_with("\r\n")) size = 2;
      begin = i + size;
    }
    i += size;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

Value join(const std::string& separator, const Values& items, bool strings_only, Budget& budget) {
  Writer out(budget);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.add(separator);
    if (strings_only && !as_text(items[i])) {
      throw Failure(fmt::format("join: item {} is {}, not a string", i, type_name(items[i])));
    }
    print(items[i], out);
  }
  return make_text(std::move(out));
}

std::optional<double> parse_float(std::string_view text) {
  const auto digits = number_text(text);
  if (!digits || digits->find_first_of("xXpP(") != std::string::npos) return std::nullopt;
  double number = 0;
  const auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(), number);
  if (end != digits->data() + digits->size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) fail_unsupported("the number " + *digits);
  if (error != std::errc()) return std::nullopt;
  return number;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  const auto digits = number_text(text);
  if (!digits) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits->data(), digits->data() + digits->size(), number);
  if (error == std::errc() && end == digits->data() + digits->size()) return number;
  if (error == std::errc::result_out_of_range) fail_unsupported("an integer beyond 64 bits");
  return std::nullopt;
}

std::int64_t truncate(double number) {
  if (!(std::abs(number) < 9.2e18)) fail_unsupported("an integer beyond 64 bits");
  return static_cast<std::int64_t>(number);
}

}  // namespace catenary::tokenizer::jinja
