#include "catenary/task/known_task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "catenary/base/error.h"
#include "task/generators/toolkit.h"

namespace catenary::task {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

// The C++ standard, [rand.predef]: the 10,000th number of a mt19937_64 with the default seed.
TEST(Random, draws_the_numbers_of_the_standard_generator) {
  Random random(5489);
  for (int i = 1; i < 10000; ++i) random.below(std::numeric_limits<std::size_t>::max());
  EXPECT_EQ(random.below(std::numeric_limits<std::size_t>::max()), 9981545732273789042u);
}

TEST(Random, draws_uniformly) {
  Random random(1);
  constexpr int kLimit = 7, kDraws = 70000;
  std::map<int, int> counts;
  for (int i = 0; i < kDraws; ++i) ++counts[random.between(3, 2 + kLimit)];
  EXPECT_EQ(counts.size(), 7u);
  EXPECT_EQ(counts.begin()->first, 3);
  double chi_square = 0;
  for (const auto& [number, count] : counts) chi_square += (count - 10000.0) * (count - 10000.0) / 10000.0;
  EXPECT_LT(chi_square, 22.46);  // 6 degrees of freedom, p = 0.001
}

TEST(Random, shuffles_every_order_alike) {
  Random random(2);
  std::map<std::vector<int>, int> counts;
  for (int i = 0; i < 60000; ++i) {
    std::vector<int> list = {0, 1, 2};
    random.shuffle(list);
    ++counts[list];
  }
  EXPECT_EQ(counts.size(), 6u);
  double chi_square = 0;
  for (const auto& [order, count] : counts) chi_square += (count - 10000.0) * (count - 10000.0) / 10000.0;
  EXPECT_LT(chi_square, 20.52);  // 5 degrees of freedom, p = 0.001
}

TEST(Generate, an_unknown_task_throws_and_names_the_known_ones) {
  EXPECT_THAT([] { generate({.name = "neqb", .num_items = 1}); },
              ThrowsMessage<SpecError>(HasSubstr("no task is called \"neqb\"; expected one of hindsight-neglect, ")));
}

TEST(Generate, all_wrong_settings_are_told_at_once) {
  EXPECT_THAT(
      [] {
        generate({.name = "redefine", .num_items = 1, .settings = {{"kind", 5}, {"shots", 1}}});
      },
      ThrowsMessage<SpecError>("kind of redefine: expected a whole number from 0 to 4, found 5\n"
                               "redefine has no setting \"shots\"; it has kind, largest, others"));
}

TEST(Generate, more_items_than_there_are_throws) {
  EXPECT_THAT(
      [] {
        generate({.name = "redefine", .num_items = 20000, .settings = {{"kind", 2}, {"largest", 9}}});
      },
      ThrowsMessage<SpecError>(HasSubstr("different items with these settings, and 20000 were asked for")));
}

}  // namespace
}  // namespace catenary::task
