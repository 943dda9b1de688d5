#include "tokenizer/jinja.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/tokenizer/chat_template.h"
#include "support/temporary_folder.h"
#include "tokenizer/chat_reference.h"

namespace catenary::tokenizer {
namespace {

using testing::HasSubstr;

// As a template's source with one message; an error is its message.
std::string render(std::string_view source, std::span<const Message> messages = test::kHello) {
  return ChatTemplate::from_source(source, "t", {{"bos_token", "<s>"}, {"eos_token", "</s>"}})
      .render(messages, true, test::kNoon);
}
std::string error_of(std::string_view source) {
  return test::message_of<DataError>([&] { render(source); });
}

// What Jinja prints and we refuse, with what we say.
bool is_refusal(std::string_view message) {
  return message.find("not supported") != std::string_view::npos ||
         message.find("used a second time") != std::string_view::npos;
}

TEST(Jinja, snippets_render_as_jinja_renders_them) {
  const auto reference = test::read_reference("snippets.json");
  const auto messages = test::read_messages(reference["conversation"]);
  const auto prefix = reference["prefix"].get<std::string>();
  int num_equal = 0, num_refused = 0;
  for (const auto& snippet : reference["snippets"]) {
    const std::string source = (snippet[1] ? prefix : "") + snippet[0].get<std::string>();
    std::optional<std::string> text, error;
    try {
      text = render(source, messages);
    } catch (const DataError& e) {
      error = e.what();
    }
    if (snippet[2].is_null()) {
      EXPECT_TRUE(error) << snippet[0] << "\nJinja raises, but this was rendered: " << *text;
    } else if (error) {
      ++num_refused;
      EXPECT_TRUE(is_refusal(*error)) << snippet[0] << "\n" << *error << "\nexpected: " << snippet[2];
    } else {
      ++num_equal;
      EXPECT_EQ(*text, snippet[2].get<std::string>()) << snippet[0];
    }
  }
  EXPECT_GT(num_equal, 800);
  EXPECT_LT(num_refused, 40);
}

// Upper, lower and title case are the only Unicode data that a template can see, beside what repr() escapes.
TEST(Jinja, changes_case_as_python_does_or_refuses_the_character) {
  const auto reference = test::read_reference("case.json");
  const auto characters = jinja::characters(reference["characters"].get_ref<const std::string&>());
  int num_refused = 0;
  for (const char* filter : {"upper", "lower", "capitalize"}) {
    const auto chat = ChatTemplate::from_source(fmt::format("{{{{ messages[0].content|{} }}}}", filter), "t", {});
    for (std::size_t i = 0; i < characters.size(); ++i) {
      const std::array<Message, 1> messages{{{"user", std::string(characters[i])}}};
      try {
        EXPECT_EQ(chat.render(messages, false), reference[filter][i].get<std::string>()) << filter << characters[i];
      } catch (const DataError& e) {
        ++num_refused;
        EXPECT_THAT(e.what(), HasSubstr("changing the case"));
      }
    }
  }
  EXPECT_LT(num_refused, 600);
}

TEST(Jinja, what_is_not_supported_is_refused_when_it_is_parsed) {
  const std::pair<std::string, std::string> cases[] = {
      {"{% include 'x' %}", "the tag 'include'"},
      {"{% import 'x' as y %}", "the tag 'import'"},
      {"{% extends 'x' %}", "the tag 'extends'"},
      {"{% block x %}{% endblock %}", "the tag 'block'"},
      {"{% raw %}{% endraw %}", "the tag 'raw'"},
      {"{% call m() %}{% endcall %}", "the tag 'call'"},
      {"{% filter upper %}{% endfilter %}", "the tag 'filter'"},
      {"{% do x %}", "the tag 'do'"},
      {"{% for x in y recursive %}{% endfor %}", "a recursive loop"},
      {"{% for x in y %}{{ loop.depth }}{% endfor %}", "loop.depth"},
      {"{% for x in y %}{{ loop }}{% endfor %}", "'loop' other than"},
      {"{% for x in y %}{% macro m() %}{% endmacro %}{% endfor %}", "a macro that is not at the top level"},
      {"{% macro m() %}{{ varargs }}{% endmacro %}", "'varargs'"},
      {"{% set x | upper %}{% endset %}", "a filter on a block set"},
      {"{% if false %}{{ 1|round }}{% endif %}", "the filter 'round'"},
      {"{{ 'a' is upper }}", "the test 'upper'"},
      {"{{ x.zfill(3) }}", "the method 'zfill'"},
      {"{{ x|map('round') }}", "the filter 'round'"},
      {"{{ x|selectattr('a', 'upper') }}", "the test 'upper'"},
      {"{% set x = 'a'|safe %}", "the filter 'safe'"},
      {"{{ 'a' + 'b'|safe }}", "the filter 'safe'"},
      {"{{ f(*x) }}", "* or **"},
      {"{{ x.__class__ }}", "'__class__'"},
      {"{{ joiner(', ') }}", "'joiner'"},
      {"{{ x[1, 2] }}", "a subscript of several values"},
      {"{{ 9223372036854775808 }}", "beyond 64 bits"},
      {"{{ 0x10 }}", "the number 0x"},
      {"{{ '\\N{DASH}' }}", "a backslash before N"},
      {"{{ x! }}", "unexpected character '!'"},
      {"{% set ns._x = 1 %}", "'_x'"},
  };
  for (const auto& [source, what] : cases) {
    EXPECT_THAT(test::message_of<DataError>([&] { ChatTemplate::from_source("\n" + source, "t", {}); }),
                testing::AllOf(testing::StartsWith("t:2: "), HasSubstr(what)))
        << source;
  }
}

TEST(Jinja, what_is_not_supported_is_refused_when_it_is_met) {
  const std::pair<std::string, std::string> cases[] = {
      {"{{ 'a%s' % 1 }}", "formatting a string with %"},
      {"{{ messages[0].items }}", "'items' of a dict is not supported but as a call"},
      {"{{ [].append(1) }}", "the method 'append'"},
      {"{{ messages|map('string') }}", "printing an iterator"},
      {"{{ namespace }}", "printing a function"},
      {"{{ 9223372036854775807 + 1 }}", "beyond 64 bits"},
      {"{{ {(1, 2): 3} }}", "a tuple as the key of a dict"},
      {"{{ strftime_now('%Q') }}", "strftime_now with '%Q'"},
      {"{{ 'ß'.upper() }}", "changing the case of 'ß'"},
      {"{{ messages|map(bos_token ~ 'x') }}", "the filter '<s>x'"},
      {"{{ 'x'['__class__'] }}", "'__class__'"},
  };
  for (const auto& [source, what] : cases) EXPECT_THAT(error_of(source), HasSubstr(what)) << source;
}

TEST(Jinja, a_message_has_the_line) {
  EXPECT_EQ(error_of("a\n{{ 1 }}\n{{ x.y }}\n"), "t:3: 'y' of the undefined value 'x'");
  EXPECT_EQ(error_of("{{ 1 }}\n\n{{ 1 + }}"), "t:3: unexpected '}}', expected an expression");
  EXPECT_EQ(error_of("{% if 1 %}\n{{ raise_exception('no\nway') }}{% endif %}"), "t:2: no\nway");
}

std::string times(int n, std::string_view text) {
  std::string out;
  for (int i = 0; i < n; ++i) out += text;
  return out;
}

TEST(Jinja, work_memory_and_nesting_are_limited) {
  const std::string sources[] = {
      "{{ " + times(100'000, "(") + "1" + times(100'000, ")") + " }}",
      "{{ " + times(100'000, "[") + times(100'000, "]") + " }}",
      "{{ " + times(100'000, "{1:") + "1" + times(100'000, "}") + " }}",
      "{{ " + times(100'000, "not ") + "1 }}",
      "{{ " + times(100'000, "-") + "1 }}",
      "{{ 1" + times(100'000, " + 1") + " }}",
      "{{ 1" + times(100'000, "|string") + " }}",
      "{{ x" + times(100'000, ".x") + " }}",
      "{{ " + times(100'000, "1 if 1 else ") + "1 }}",
      times(100'000, "{% if 1 %}"),
      "{% if 1 %}" + times(100'000, "{% elif 1 %}") + "{% endif %}",
      times(100'000, "{% for x in y %}"),
      "{% set " + times(100'000, "(") + "x" + times(100'000, ")") + " = 1 %}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro m() %}{{ n() }}{% endmacro %}{% macro n() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% macro m(a=m()) %}{% endmacro %}{{ m() }}",
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{% set n = namespace(s='a') %}{% for i in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}",
      "{% set n = namespace(s=[1]) %}{% for i in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}",
      "{% set n = namespace(s=[1]) %}{% for i in range(200) %}{% set n.s = [n.s] %}{% endfor %}",
      "{% set n = namespace(s=[1]) %}{% for i in range(90) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}",
      "{% set n = namespace(s=[1]) %}{% for i in range(90) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s|tojson }}",
      "{% set n = namespace(s=[1]) %}{% for i in range(90) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s == n.s }}",
      "{{ 'a' * 9223372036854775807 }}",
      "{{ [1] * 9223372036854775807 }}",
      "{{ 'ab' * 4611686018427387904 }}",
      "{{ 'a'|indent(9223372036854775807, true) }}",
      "{{ [1]|tojson(indent=9223372036854775807) }}",
      "{% set s = 'a' * 1000000 %}{{ s.replace('', s) }}",
      "{% set s = 'a' * 1000000 %}{{ s|join(s) }}",
      "{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{{ 'b' in s }}{% endfor %}",
      "{% set s = 'a' * 1000000 %}{% for i in range(99999) %}{% if s.strip() %}{% endif %}{% endfor %}",
      "{{ range(99999)|list|sort|map('string')|map('upper')|list|unique|list }}",
  };
  for (const auto& source : sources) {
    EXPECT_THAT(error_of(source), testing::ContainsRegex("deep|more work|beyond")) << source.substr(0, 200);
  }
}

// Mutants of the reference templates and snippets: text or DataError. CATENARY_FUZZ is how many.
TEST(Jinja, mutated_templates_render_or_throw) {
  std::vector<std::string> seeds;
  for (const auto& file : std::filesystem::directory_iterator(test::reference_folder() / "templates")) {
    std::ifstream stream(file.path());
    seeds.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  std::ranges::sort(seeds);
  const auto reference = test::read_reference("snippets.json");
  for (const auto& snippet : reference["snippets"]) seeds.push_back(snippet[0]);
  const auto messages = test::read_messages(reference["conversation"]);
  std::mt19937_64 random(7);
  const auto below = [&](std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(random() % n); };
  constexpr std::array<std::string_view, 40> kPieces{"{{",
                                                     "}}",
                                                     "{%",
                                                     "%}",
                                                     "{#",
                                                     "#}",
                                                     "-",
                                                     "+",
                                                     "(",
                                                     ")",
                                                     "[",
                                                     "]",
                                                     "{",
                                                     "}",
                                                     "'",
                                                     "\"",
                                                     "\\",
                                                     ".",
                                                     ",",
                                                     ":",
                                                     "|",
                                                     " is ",
                                                     " in ",
                                                     " if ",
                                                     " else ",
                                                     "~",
                                                     "*",
                                                     "**",
                                                     "range",
                                                     "999",
                                                     "\n",
                                                     "{% for x in range(999) %}",
                                                     "{% endfor %}",
                                                     "loop.last",
                                                     "none",
                                                     "messages",
                                                     "é",
                                                     "\xff",
                                                     "%",
                                                     "="};
  const int count = std::getenv("CATENARY_FUZZ") ? std::atoi(std::getenv("CATENARY_FUZZ")) : 2'000;
  int num_rendered = 0;
  for (int i = 0; i < count; ++i) {
    std::string source = i % 2 ? seeds[below(seeds.size())] : seeds[below(13)];
    for (std::size_t edits = 1 + below(4); edits > 0; --edits) {
      const std::size_t at = below(source.size() + 1), size = below(12);
      const auto& other = seeds[below(seeds.size())];
      const std::size_t kind = below(4);
      if (kind == 0)
        source.erase(at, size);
      else if (kind == 1)
        source.insert(at, kPieces[below(kPieces.size())]);
      else if (kind == 2)
        source.insert(at, other.substr(below(other.size()), below(40)));
      else
        source.replace(at, size, source.substr(below(source.size()), size));
    }
    try {
      render(source, messages);
      ++num_rendered;
    } catch (const DataError&) {
    }
  }
  EXPECT_GT(num_rendered, count / 50);
}

}  // namespace
}  // namespace catenary::tokenizer
