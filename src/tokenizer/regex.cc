#include "tokenizer/regex.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <new>

#include "catenary/base/error.h"
#include "tokenizer/character_sets.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

// Where Oniguruma (the syntax that tokenizer.json is written in) and PCRE2 differ in what published patterns use:
//   \s        Oniguruma: the property White_Space. PCRE2 adds U+180E.
//   \p{Han}   Oniguruma: the script. PCRE2: the script's extensions, unless written \p{sc:Han}.
//   ^ $       Oniguruma: at every line. PCRE2: only with PCRE2_MULTILINE.
//   {1,3}+    Oniguruma: a repeated repetition. PCRE2: a possessive one. Refused, as {1,3}? and {,3} are.
//   [a[b]]    Oniguruma: the union. PCRE2: literal characters. Written [ab]; [a[^b]] and [a&&b] are refused.
//   \p{L}     PCRE2 10.42 knows Unicode 14; what was assigned later is written beside it.
// \w, \b and \h differ as well and are refused with everything else that is not in the lists below.
// Checked for every code point, against tokenizers 0.23.3: \s, \d, all general categories and 35 scripts are the same
// sets, but that Unicode 15 and later moved U+1171E from Mn to Mc.

namespace catenary::tokenizer {
namespace {

constexpr std::array<std::string_view, 8> kGroups{"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "("};
constexpr std::string_view kEscapes = "nrt";
constexpr std::size_t kMaxPattern = 1 << 16;  // bytes; published ones have some hundred

[[noreturn]] void refuse(std::string_view pattern, std::string_view what) {
  throw DataError(fmt::format("pattern \"{}\": {}", pattern, what));
}

// `rest` starts with \p{…} or \P{…}; returns how long that is.
std::size_t translate_property(std::string_view pattern, std::string_view rest, std::string& out) {
  const std::size_t close = rest.find('}');
  if (rest.size() < 3 || rest[2] != '{' || close == std::string_view::npos) refuse(pattern, "expected {…} after \\p");
  std::string_view name = rest.substr(3, close - 3);
  out += rest.substr(0, 3);
  if (name.starts_with('^')) {
    out += '^';
    name.remove_prefix(1);
  }
  const bool is_category = name.size() <= 2;
  out += fmt::format("{}{}}}", is_category ? "" : "sc:", name);
  return close + 1;
}

std::string to_pcre2(std::string_view pattern) {
  std::string out;
  int class_depth = 0;
  for (std::size_t i = 0; i < pattern.size();) {
    const std::string_view rest = pattern.substr(i);
    std::size_t length = 1;
    if (rest[0] == '\\' && rest.size() > 1) {
      length = 2;
      const char escaped = rest[1];
      if (escaped == 's' || escaped == 'S') {
        out += escaped == 's' ? "\\p{White_Space}" : "\\P{White_Space}";
      } else if (escaped == 'd' || escaped == 'D') {
        out += escaped == 'd' ? "\\p{Nd}" : "\\P{Nd}";
      } else if (escaped == 'p' || escaped == 'P') {
        length = translate_property(pattern, rest, out);
      } else if (kEscapes.find(escaped) != std::string_view::npos ||
                 std::ispunct(static_cast<unsigned char>(escaped))) {
        out += rest.substr(0, 2);
      } else {
        refuse(pattern,
               fmt::format("\\{} is not supported; supported are \\s \\S \\p{{…}} \\P{{…}} \\d \\D \\n \\r \\t "
                           "and escaped punctuation",
                           escaped));
      }
      i += length;
      continue;
    }
    if (class_depth > 0) {
      if (rest.starts_with("[^") || rest.starts_with("[:") || rest.starts_with("[]") || rest.starts_with("-[") ||
          rest.starts_with("&&")) {
        refuse(pattern, "class arithmetic ([^, [:, [], -[ or && in […]) is not supported");
      }
      if (rest[0] == '[') ++class_depth;
      if (rest[0] == ']') --class_depth;
      // What a class within a class holds belongs to the outer one.
      if ((rest[0] == '[' || rest[0] == ']') && class_depth > 0) length = 0;
    } else if (rest[0] == '[') {
      if (rest.starts_with("[]") || rest.starts_with("[^]")) refuse(pattern, "an empty class is not supported");
      class_depth = 1;
    } else if (rest[0] == '(') {
      const auto group = std::ranges::find_if(kGroups, [&](std::string_view known) { return rest.starts_with(known); });
      length = group->size();
      if (length == 1 && (rest.starts_with("(?") || rest.starts_with("(*"))) {
        refuse(pattern, "of the groups (?… only (?: (?i: (?= (?! (?<= (?<! (?> are supported");
      }
    } else if (rest.starts_with("}+") || rest.starts_with("}?") || rest.starts_with("{,")) {
      refuse(pattern, "{…}+, {…}? and {,n} are not supported");
    }
    out += rest.substr(0, length);
    i += std::max<std::size_t>(length, 1);
  }
  return out;
}

// As a part of a class; empty if there are none.
std::string newer_characters(std::string_view property) {
  std::string found;
  for (const auto& [name, characters] : kNewerProperties) {
    const bool is_part = property.size() == 1 && name.size() == 2 && name.starts_with(property);  // L: Lu, Ll, …
    if (name == property || is_part) found += characters;
  }
  return found;
}

// The PCRE2 pattern `translated`, its properties with the characters that PCRE2 does not know yet.
std::string with_newer_characters(std::string_view pattern, std::string_view translated) {
  std::string out;
  bool in_class = false;
  for (std::size_t i = 0; i < translated.size();) {
    if (out.size() > kMaxPattern) refuse(pattern.substr(0, 100), "too long, or too many properties");
    const std::string_view rest = translated.substr(i);
    const bool is_property = rest.starts_with("\\p{") || rest.starts_with("\\P{");
    const std::string_view part = rest.substr(0, is_property ? rest.find('}') + 1 : rest[0] == '\\' ? 2 : 1);
    i += part.size();
    if (part == "[") in_class = true;
    if (part == "]") in_class = false;
    std::string_view name = is_property ? part.substr(3, part.size() - 4) : "";
    const bool is_negated = is_property && (part[1] == 'P') != name.starts_with('^');
    if (name.starts_with('^')) name.remove_prefix(1);
    const std::string newer = newer_characters(name.starts_with("sc:") ? name.substr(3) : name);
    if (newer.empty()) {
      out += part;
    } else if (!in_class) {
      out += fmt::format("[{}\\p{{{}}}{}]", is_negated ? "^" : "", name, newer);
    } else if (is_negated) {
      refuse(pattern, fmt::format("{} inside […] is not supported", part));
    } else {
      out.append(part).append(newer);
    }
  }
  return out;
}

std::string error_text(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

// What a search needs besides the pattern; one for each thread.
struct Workspace {
  static constexpr std::size_t kMinStack = 32 * 1024;
  static constexpr std::size_t kMaxStack = 8 * 1024 * 1024;

  std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> match{pcre2_match_data_create(1, nullptr),
                                                                            &pcre2_match_data_free};
  std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context{pcre2_match_context_create(nullptr),
                                                                                    &pcre2_match_context_free};
  std::unique_ptr<pcre2_jit_stack, decltype(&pcre2_jit_stack_free)> stack{
      pcre2_jit_stack_create(kMinStack, kMaxStack, nullptr), &pcre2_jit_stack_free};

  Workspace() {
    if (!match || !context || !stack) throw std::bad_alloc();
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
};

}  // namespace

Regex::Regex(std::string_view pattern, PatternSyntax syntax) : pattern_(pattern) {
  const std::string translated = syntax == PatternSyntax::kOniguruma ? to_pcre2(pattern) : pattern_;
  newer_code_ = code_ = compile(translated, syntax);
  if (syntax == PatternSyntax::kLiteral) return;
  if (const std::string newer = with_newer_characters(pattern, translated); newer != translated) {
    newer_code_ = compile(newer, syntax);
  }
}

Regex::Code Regex::compile(std::string_view translated, PatternSyntax syntax) const {
  const std::uint32_t options =
      PCRE2_UTF | (syntax == PatternSyntax::kLiteral ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_MULTILINE);
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  if (!context) throw std::bad_alloc();
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE error_offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(), options, &error,
                                   &error_offset, context.get());
  if (code == nullptr) refuse(pattern_, error_text(error));
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where there is no JIT the interpreter does the same, slower
  return {code, [code](const pcre2_code*) { pcre2_code_free(code); }};
}

Regex::Search Regex::in(std::string_view text) const {
  const bool has_newer = code_ != newer_code_ && has_newer_characters(text);
  return {*this, text, has_newer ? newer_code_.get() : code_.get()};
}

std::optional<Regex::Match> Regex::Search::find(std::size_t from) const {
  return regex_->search(code_, text_, from, 0);
}

std::optional<Regex::Match> Regex::match_at(std::string_view text, std::size_t position) const {
  return search(newer_code_.get(), text, position, PCRE2_ANCHORED);
}

std::optional<Regex::Match> Regex::search(const pcre2_code* code, std::string_view text, std::size_t from,
                                          std::uint32_t options) const {
  thread_local Workspace workspace;
  const int result = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                 options | PCRE2_NO_UTF_CHECK, workspace.match.get(), workspace.context.get());
  if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (result < 0) throw DataError(fmt::format("pattern \"{}\": {}", pattern_, error_text(result)));
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(workspace.match.get());
  return Match{range[0], range[1]};
}

}  // namespace catenary::tokenizer
