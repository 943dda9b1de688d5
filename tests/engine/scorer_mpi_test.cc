// A rank that lacks memory: all ranks that hold the model together go on with smaller batches.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <filesystem>
#include <optional>
#include <random>

#include "catenary/base/error.h"
#include "catenary/engine/generator.h"
#include "catenary/engine/scorer.h"
#include "catenary/tokenizer/tokenizer.h"
#include "support/scarce_memory.h"

namespace catenary::engine {
namespace {

class RanksInLimitedMemory : public testing::Test {
 protected:
  // Tensors that are freed go back to the system at once, so how much there is to limit does not depend on the past.
  static void SetUpTestSuite() { ::mallopt(M_MMAP_THRESHOLD, 64 << 10); }
  void SetUp() override {
    if (!test::kMemoryIsOurs) GTEST_SKIP() << "a sanitizer has the memory";
  }

  /// What `act` gives where the last rank has so much more memory than it takes now.
  template <class Act>
  auto on_little_memory(std::uint64_t more_bytes, Act act) const {
    std::optional<test::AddressSpaceLimit> limit;
    if (world_.rank() + 1 == world_.size()) limit.emplace(more_bytes);
    return act();
  }

  // The same on all ranks.
  static std::vector<Request> requests(std::size_t count, std::size_t length) {
    std::mt19937_64 random(11);
    std::vector<Request> requests;
    for (std::size_t i = 0; i < count; ++i) {
      std::vector<tokenizer::TokenId> context;
      for (std::size_t t = 0; t < length; ++t) context.push_back(static_cast<tokenizer::TokenId>(random() % 300));
      Request& request = requests.emplace_back();
      for (const tokenizer::TokenId last : {5, 6}) {
        request.emplace_back(context, context.size()).tokens.push_back(last);
      }
    }
    return requests;
  }

  std::vector<double> log_likelihoods(Scorer& scorer, std::span<const Request> requests) const {
    Scores scores;
    scorer.run_together([&] { scores = scorer.score(requests); });
    std::vector<double> all;
    for (const spec::ItemScore& item : scores.items) {
      all.insert(all.end(), item.log_likelihoods.begin(), item.log_likelihoods.end());
    }
    return all;
  }

  void expect_the_same_on_all_ranks(const std::string& what) const {
    for (const std::string& other : world_.all_gather(what)) EXPECT_EQ(other, what);
  }

  const parallel::Communicator world_ = parallel::Communicator::world();
  const std::unique_ptr<parallel::TensorParallelGroup> group_ = parallel::make_mpi_group(world_, 0, world_.size());
  const weights::Checkpoint checkpoint_ =
      weights::Checkpoint::open(std::filesystem::path(CATENARY_SOURCE_DIR) / "jobs/demo/models/demo-360k");
  const model::Decoder decoder_{checkpoint_,          spec::DType::kFloat32,
                                at::Device(at::kCPU), model::Placement::kResident,
                                model::Kernels::kOwn, *group_};
};

TEST_F(RanksInLimitedMemory, all_halve_their_batches_where_one_has_too_little) {
  const auto many = requests(800, 100);
  const BatchOptions all_at_once{.max_tokens = 1 << 20};
  // The code that oneDNN makes for each number of rows is there before memory is short; see scorer_test.cc.
  std::vector<double> expected;
  for (BatchOptions halved = all_at_once; halved.max_tokens > 8192;) {
    Scorer scorer(decoder_, halved);
    expected = log_likelihoods(scorer, many);
    halved.max_tokens = make_batches(many, decoder_.config(), halved).batches.front().tree.num_tokens() / 2;
  }
  Scorer scarce(decoder_, all_at_once);
  const auto actual = on_little_memory(48 << 20, [&] { return log_likelihoods(scarce, many); });
  EXPECT_LT(scarce.options().max_tokens, 80'000);
  EXPECT_GT(scarce.options().max_tokens, 4096);
  expect_the_same_on_all_ranks(std::to_string(scarce.options().max_tokens));
  expect_the_same_on_all_ranks({reinterpret_cast<const char*>(actual.data()), actual.size() * sizeof(double)});
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 5e-5) << i;  // of -10 to -30
}

TEST_F(RanksInLimitedMemory, a_failure_of_another_kind_fails_all_and_halves_nothing) {
  const auto few = requests(3, 40);
  Scorer scorer(decoder_);
  const auto expected = log_likelihoods(scorer, few);
  int num_runs = 0;
  EXPECT_THROW(scorer.run_together([&] {
    ++num_runs;
    if (world_.rank() + 1 == world_.size()) throw DataError("a bad item");
    scorer.score(few);
  }),
               Error);
  EXPECT_EQ(num_runs, 1);
  EXPECT_EQ(scorer.options().max_tokens, BatchOptions().max_tokens);
  EXPECT_EQ(log_likelihoods(scorer, few), expected);
}

TEST_F(RanksInLimitedMemory, fewer_texts_are_written_side_by_side_where_one_has_too_little) {
  const tokenizer::Tokenizer tokenizer = tokenizer::Tokenizer::open(checkpoint_);
  std::vector<Prompt> prompts;
  for (const Request& request : requests(64, 1000)) prompts.push_back({request.front().tokens, prompts.size()});
  const GenerationOptions options{.max_new_tokens = 4, .temperature = 1, .seed = 3};
  const auto texts_of = [&](Scorer& scorer) {
    std::string texts;
    scorer.run_together([&] {
      texts.clear();
      for (const auto& text : generate(decoder_, tokenizer, prompts, options, scorer.options().max_texts).items) {
        texts += text.text + "\n";
      }
    });
    return texts;
  };
  std::string expected;
  for (const std::int64_t max_texts : {64, 32, 16, 8}) {
    Scorer scorer(decoder_, {.max_texts = max_texts});
    expected = texts_of(scorer);
  }
  Scorer scarce(decoder_);
  const std::string actual = on_little_memory(36 << 20, [&] { return texts_of(scarce); });
  EXPECT_LT(scarce.options().max_texts, 64);
  expect_the_same_on_all_ranks(std::to_string(scarce.options().max_texts));
  EXPECT_EQ(actual, expected);
}

}  // namespace
}  // namespace catenary::engine
