#include "cli/duration_text.h"

#include <gtest/gtest.h>

namespace catenary::cli {
namespace {

TEST(DurationText, tells_the_two_largest_units) {
  EXPECT_EQ(duration_text(0), "0 s");
  EXPECT_EQ(duration_text(0.254), "0.25 s");
  EXPECT_EQ(duration_text(41), "41 s");
  EXPECT_EQ(duration_text(59.6), "1 min 00 s");
  EXPECT_EQ(duration_text(200), "3 min 20 s");
  EXPECT_EQ(duration_text(7500), "2 h 05 min");
}

}  // namespace
}  // namespace catenary::cli
