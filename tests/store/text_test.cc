#include "store/text.h"

#include <gtest/gtest.h>

namespace catenary::store {
namespace {

TEST(Text, a_cut_never_splits_a_character) {
  const std::string text = "abc€def";  // the euro sign has three bytes
  EXPECT_EQ(cut_utf8(text, 3), "abc");
  EXPECT_EQ(cut_utf8(text, 4), "abc");
  EXPECT_EQ(cut_utf8(text, 5), "abc");
  EXPECT_EQ(cut_utf8(text, 6), "abc€");
  EXPECT_EQ(cut_utf8(text, 100), text);
  EXPECT_EQ(cut_utf8("€", 2), "");
}

TEST(Text, bytes_that_are_not_utf8_become_question_marks) {
  EXPECT_EQ(to_valid_utf8("naïve 😀 €"), "naïve 😀 €");
  EXPECT_EQ(to_valid_utf8("a\xFF"
                          "b"),
            "a?b");
  EXPECT_EQ(to_valid_utf8("\xE2\x82"), "??");
  EXPECT_EQ(to_valid_utf8("\xC0\xAF"), "??");            // overlong
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), "???");       // surrogate
  EXPECT_EQ(to_valid_utf8("\xF4\x90\x80\x80"), "????");  // past U+10FFFF
}

}  // namespace
}  // namespace catenary::store
