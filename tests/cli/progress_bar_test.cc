#include "cli/progress_bar.h"

#include <gtest/gtest.h>

namespace catenary::cli {
namespace {

TEST(ProgressBar, takes_what_the_text_leaves_of_the_line) {
  EXPECT_EQ(progress_bar({.num_columns = 30}, 0.5, "12 s left", false), "######......  50 %  12 s left");
  EXPECT_EQ(progress_bar({.num_columns = 300}, 0, "", false), std::string(30, '.') + "   0 %  ");
  EXPECT_EQ(progress_bar({.num_columns = 20}, 0.5, "12 s left", false), "  50 %  12 s left");
  EXPECT_EQ(progress_bar({.num_columns = 12}, 1, "12 s left", false), " 100 %  12 ");
}

TEST(ProgressBar, leaves_out_the_last_parts_of_a_text_that_is_too_long) {
  const std::string text = "12 s left, 7 items/s, 3 GFLOP/s";
  EXPECT_EQ(progress_bar({.num_columns = 45}, 0.5, text, false), "########........  50 %  12 s left, 7 items/s");
  EXPECT_EQ(progress_bar({.num_columns = 24}, 0.5, text, false), "###...  50 %  12 s left");
}

TEST(ProgressBar, has_colour_and_unicode_where_the_terminal_has_them) {
  EXPECT_EQ(progress_bar({.num_columns = 14, .has_unicode = true}, 0.6, "", false), "███░░  60 %  ");
  EXPECT_EQ(progress_bar({.num_columns = 14, .has_colour = true}, 0.6, "", false), "\033[32m###..\033[0m  60 %  ");
  EXPECT_EQ(progress_bar({.num_columns = 14, .has_colour = true}, 0.6, "", true), "\033[31m###..\033[0m  60 %  ");
}

}  // namespace
}  // namespace catenary::cli
