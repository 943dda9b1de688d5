#include "cli/token_count.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace catenary::cli {
namespace {

using Sequence = std::vector<tokenizer::TokenId>;

TEST(TokenCount, a_trie_by_hand) {
  // a, ab, abc, abd, x
  std::vector<Sequence> sequences{{1, 2, 3}, {1, 2, 4}, {1, 2}, {9}, {1, 2, 4}};
  EXPECT_EQ(count_distinct_prefixes(sequences), 5);
  EXPECT_EQ(count_distinct_prefixes({}), 0);
}

TEST(TokenCount, equals_the_set_of_all_prefixes) {
  std::mt19937_64 generator(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Sequence> sequences(generator() % 40);
    std::set<Sequence> prefixes;
    for (Sequence& sequence : sequences) {
      for (auto length = generator() % 8; length > 0; --length) {
        sequence.push_back(static_cast<tokenizer::TokenId>(generator() % 3));
        prefixes.insert(sequence);
      }
    }
    EXPECT_EQ(count_distinct_prefixes(sequences), std::ssize(prefixes));
  }
}

TEST(TokenCount, what_a_range_feeds_by_hand) {
  // Contexts ab and ac, two classes of two tokens each: abx, aby, acx, acy are fed, and at b, c, x and y is scored.
  std::vector<FedTokens> range{{{1, 2, 8}, 2}, {{1, 2, 9}, 2}, {{1, 3, 8}, 2}, {{1, 3, 9}, 2}};
  Sequence header;
  const auto counts = count_range(range, header);
  EXPECT_EQ(counts.tokens, 7);
  EXPECT_EQ(counts.tokens_seen, 1 + 2 + 2 + 3 + 3 + 3 + 3);
  EXPECT_EQ(counts.rows, 6);
  EXPECT_TRUE(header.empty());
}

TEST(TokenCount, a_long_header_is_fed_once) {
  Sequence shared(40, 5);
  const auto with = [&](tokenizer::TokenId last) {
    FedTokens fed{shared, 41};
    fed.tokens.push_back(last);
    return fed;
  };
  std::vector<FedTokens> range{with(1), with(2)};
  Sequence header;
  EXPECT_EQ(count_range(range, header).tokens, 42);
  EXPECT_EQ(header, shared);
  const auto again = count_range(range, header);
  EXPECT_EQ(again.tokens, 2);
  EXPECT_EQ(again.tokens_seen, 2 * 41);
  EXPECT_EQ(again.rows, 2);
}

}  // namespace
}  // namespace catenary::cli
