#include "catenary/base/short_number.h"

#include <gtest/gtest.h>

namespace catenary {
namespace {

TEST(ShortNumber, has_three_digits_and_a_letter) {
  EXPECT_EQ(short_number(12), "12");
  EXPECT_EQ(short_number(9010), "9.01K");
  EXPECT_EQ(short_number(1.642e6), "1.64M");
  EXPECT_EQ(short_number(134'515'008), "135M");
  EXPECT_EQ(short_number(7e10), "70B");
  EXPECT_EQ(short_number(3e12), "3T");
  EXPECT_EQ(short_number(2.1e20), "2.1e+20");
}

}  // namespace
}  // namespace catenary
