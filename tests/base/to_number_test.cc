#include "catenary/base/to_number.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace catenary {
namespace {

TEST(ToNumber, is_the_whole_text_or_nothing) {
  EXPECT_EQ(to_number<int>("-17"), -17);
  EXPECT_EQ(to_number<double>("2.5e-3"), 0.0025);
  for (const char* text : {"", " 1", "1 ", "+1", "1x", "x1", "0x10", "1,5", "1-2"}) {
    EXPECT_EQ(to_number<int>(text), std::nullopt) << text;
    EXPECT_EQ(to_number<double>(text), std::nullopt) << text;
  }
}

TEST(ToNumber, beyond_its_type_is_nothing) {
  EXPECT_EQ(to_number<std::int64_t>("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(to_number<std::int64_t>("9223372036854775808"), std::nullopt);
  EXPECT_EQ(to_number<int>("3000000000"), std::nullopt);
  EXPECT_EQ(to_number<double>("1e400"), std::nullopt);
}

}  // namespace
}  // namespace catenary
