#include "tokenizer/regex.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catenary/base/error.h"

namespace catenary::tokenizer {
namespace {

bool matches(std::string_view pattern, std::string_view text) {
  return Regex(pattern, PatternSyntax::kOniguruma).in(text).find(0).has_value();
}

TEST(Regex, white_space_is_that_of_oniguruma) {
  for (const auto space :
       {"\t", "\n", "\v", "\f", "\r", " ", "\u0085", "\u00A0", "\u1680", "\u2028", "\u202F", "\u3000"}) {
    EXPECT_TRUE(matches(R"(\s)", space)) << space;
    EXPECT_FALSE(matches(R"([^\s])", space)) << space;
    EXPECT_FALSE(matches(R"([\S])", space)) << space;
  }
  for (const auto other : {"\x1C", "\u180E", "\u200B", "\uFEFF", "a"}) {
    EXPECT_FALSE(matches(R"(\s)", other)) << other;
    EXPECT_TRUE(matches(R"(\S)", other)) << other;
  }
}

TEST(Regex, scripts_are_scripts_and_not_their_extensions) {
  EXPECT_TRUE(matches(R"(\p{Han})", "天"));
  EXPECT_FALSE(matches(R"(\p{Han})", "\u3006"));  // shared by Han and others
  EXPECT_FALSE(matches(R"(\p{^Han})", "天"));
}

// Of Unicode 15 and 16, which PCRE2 10.42 does not know: U+1FA77 pink heart (So), U+31350 (Han, Lo), U+1E4F0 (Nd),
// U+1E4EC (Mn), U+16D6D (Po). Expected: tokenizers 0.23.3.
TEST(Regex, properties_have_newer_characters) {
  for (const auto& [pattern, text] : {std::pair{R"(\p{S})", "\U0001FA77"},
                                      {R"(\p{So})", "\U0001FA77"},
                                      {R"([\p{P}\p{S}])", "\U0001FA77"},
                                      {R"(\p{L})", "\U00031350"},
                                      {R"(\p{Han})", "\U00031350"},
                                      {R"(\P{Latin})", "\U00031350"},
                                      {R"(\p{^N})", "\U00031350"},
                                      {R"(\d)", "\U0001E4F0"},
                                      {R"(\p{N}{1,3})", "\U0001E4F0"},
                                      {R"([x\d])", "\U0001E4F0"},
                                      {R"(\p{M})", "\U0001E4EC"},
                                      {R"(\p{P})", "\U00016D6D"},
                                      {R"(a\p{L}+b)", "天a\U00031350天b"},
                                      {R"([^\s\p{L}\p{N}]+z)", "\U00031350\U0001FA77\U0001E4ECz"}}) {
    EXPECT_TRUE(matches(pattern, text)) << pattern;
  }
  for (const auto& [pattern, text] : {std::pair{R"(\P{S})", "\U0001FA77"},
                                      {R"(\p{^S})", "\U0001FA77"},
                                      {R"([^\s\p{S}])", "\U0001FA77"},
                                      {R"(\p{L})", "\U0001FA77"},
                                      {R"([^\s\p{L}\p{N}])", "\U00031350"},
                                      {R"(\p{Lu})", "\U00031350"},
                                      {R"(\P{Han})", "\U00031350"},
                                      {R"(\D)", "\U0001E4F0"}}) {
    EXPECT_FALSE(matches(pattern, text)) << pattern;
  }
  EXPECT_TRUE(Regex(R"(\p{L})", PatternSyntax::kOniguruma).match_at("a\U00031350", 1));
  EXPECT_THROW(Regex(R"([a\P{L}])", PatternSyntax::kOniguruma), DataError);
  std::string many;
  for (int i = 0; i < 200; ++i) many += R"(\p{L})";
  EXPECT_THROW(Regex(many, PatternSyntax::kOniguruma), DataError);
}

TEST(Regex, lines_begin_and_end_at_every_newline) {
  EXPECT_TRUE(matches("^b$", "a\nb\nc"));
  EXPECT_FALSE(matches("^b", "a\rb"));
}

TEST(Regex, case_is_folded_as_unicode_does) {
  EXPECT_TRUE(matches("(?i:'s)", "'\u017F"));
  EXPECT_TRUE(matches("(?i:k)", "\u212A"));
}

TEST(Regex, a_class_within_a_class_is_part_of_it) {
  for (const auto in : {"a", "b", "c", "(", "."}) {
    EXPECT_TRUE(matches("[(a[b.]c]", in)) << in;
    EXPECT_FALSE(matches("[^(a[b.]c]", in)) << in;
  }
  EXPECT_TRUE(matches("[^(a[b.]c]+]", "x]"));
}

TEST(Regex, what_another_library_may_read_differently_is_refused) {
  for (const auto pattern :
       {R"(\w)",       R"(\b)",  R"(\h)",           R"(\R)",     R"(\K)",   R"(\1)", R"(\pL)",  R"(\p{)",
        "[[:alpha:]]", "[a&&b]", "[a[^b]]",         "[a-[b]]",   "[]a]",    "[^]",   "a{1,3}+", "a{1,3}?",
        "a{,3}",       "(?i)a",  "(?<name>a)",      "(?m:a)",    "(*UTF)a", "(",     "[a",      "a)",
        "*",           "\\",     R"(\p{Nonsense})", R"(\p{Xan})"}) {
    EXPECT_THROW(Regex(pattern, PatternSyntax::kOniguruma), DataError) << pattern;
  }
}

TEST(Regex, a_literal_has_no_syntax) {
  const Regex regex("a.[", PatternSyntax::kLiteral);
  EXPECT_FALSE(regex.in("ab[").find(0));
  EXPECT_EQ(regex.in("xa.[").find(0)->begin, 1u);
}

TEST(Regex, a_search_that_does_not_end_is_an_error) {
  const Regex regex("(?:a|a)*[bc]", PatternSyntax::kOniguruma);
  EXPECT_THROW(regex.in(std::string(100, 'a')).find(0), DataError);
}

}  // namespace
}  // namespace catenary::tokenizer
