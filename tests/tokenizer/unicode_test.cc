#include "tokenizer/unicode.h"

#include <gtest/gtest.h>

namespace catenary::tokenizer {
namespace {

TEST(Unicode, valid_utf8_needs_no_repair) {
  using namespace std::string_view_literals;
  for (const auto text : {""sv, "a\0b"sv, "é\u07FF\u0800\uFFFF\U00010000\U0010FFFF"sv}) EXPECT_FALSE(repair_utf8(text));
}

// The examples of the Unicode standard, section 3.9, "U+FFFD substitution of maximal subparts", and the edges of its
// table 3-7.
TEST(Unicode, each_maximal_subpart_becomes_one_replacement) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", "????????A"},
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "????????A"},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "?????A??B"},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "????A"},
      {"\xF0\x90\x80", "?"},
      {"\xF0\x8F\xBF\xBF", "????"},
      {"\xF4\x8F\xBF", "?"},
      {"\xF5\x80\x80\x80", "????"},
      {"\xE0\xA0", "?"},
      {"\xE0\x9F", "??"},
      {"\xED\x9F", "?"},
      {"\xC2", "?"},
      {"a\x80z", "a?z"},
  };
  for (const auto& [text, pattern] : cases) {
    std::string expected;
    for (const char c : pattern) expected += c == '?' ? "\uFFFD" : std::string(1, c);
    EXPECT_EQ(repair_utf8(text), expected) << testing::PrintToString(text);
  }
}

TEST(Unicode, nfc_composes) {
  EXPECT_EQ(normalize("cafe\u0301", UnicodeForm::kNfc), "caf\u00E9");
  EXPECT_EQ(normalize("\u1100\u1161\u11A8", UnicodeForm::kNfc), "\uAC01");
  EXPECT_EQ(normalize("q\u0307\u0323", UnicodeForm::kNfc), "q\u0323\u0307");
  EXPECT_EQ(normalize("\u212B\u0958", UnicodeForm::kNfc), "\u00C5\u0915\u093C");
  EXPECT_EQ(normalize(std::string_view("a\0e\u0301", 5), UnicodeForm::kNfc), std::string_view("a\0\u00E9", 4));
}

TEST(Unicode, previous_char_is_where_the_character_before_starts) {
  const std::string_view text = "aé\U0001F642";
  EXPECT_EQ(previous_char(text, 7), 3u);
  EXPECT_EQ(previous_char(text, 3), 1u);
  EXPECT_EQ(previous_char(text, 1), 0u);
  EXPECT_EQ(char_length(text, 3), 4u);
}

}  // namespace
}  // namespace catenary::tokenizer
