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

// Expected: normalizers of tokenizers 0.23.3, whose tables of normal forms are of about Unicode 10.
TEST(Unicode, normal_forms_leave_newer_characters_alone) {
  for (const std::string_view newer : {"\U0001FBF8", "\u32FF", "\uA7F2", "\U0001E030"}) {
    EXPECT_EQ(normalize(newer, UnicodeForm::kNfkd), newer);
    EXPECT_EQ(normalize(newer, UnicodeForm::kNfkc), newer);
  }
  EXPECT_EQ(normalize("\U00011938", UnicodeForm::kNfd), "\U00011938");
  EXPECT_EQ(normalize("\U00011935\U00011930", UnicodeForm::kNfc), "\U00011935\U00011930");
  EXPECT_EQ(normalize("\u00E9\U0001E4EC\u0323\u0301", UnicodeForm::kNfd), "e\u0301\U0001E4EC\u0323\u0301");
  EXPECT_EQ(normalize("e\u0301\u1ACEe\u0301", UnicodeForm::kNfc), "\u00E9\u1ACE\u00E9");
}

TEST(Unicode, lower_case_is_that_of_unicode_17) {
  EXPECT_EQ(lowercase("A\u00C9\u0130\u1E9E\u2126"), "a\u00E9i\u0307\u00DF\u03C9");
  EXPECT_EQ(lowercase("\u1C89\uA7CB\uA7DC\U00010D50\U00016EA0"), "\u1C8A\u0264\u019B\U00010D70\U00016EBB");
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
