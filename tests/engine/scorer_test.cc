// Sharing, cutting and keeping prefixes change no log-likelihood.
#include "catenary/engine/scorer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

#include "catenary/base/error.h"
#include "support/scarce_memory.h"
#include "support/temporary_folder.h"

namespace catenary::engine {
namespace {

const std::filesystem::path kModels = std::filesystem::path(CATENARY_SOURCE_DIR) / "jobs/demo/models";

const model::Decoder& decoder() {
  static const model::Decoder instance(weights::Checkpoint::open(kModels / "demo-83k"), spec::DType::kFloat32,
                                       at::Device(at::kCPU));
  return instance;
}

struct Shape {
  const char* name;
  std::size_t header, items, context, classes, continuation;
  std::uint64_t alphabet;  // fewer tokens, more sharing
};

void PrintTo(const Shape& shape, std::ostream* out) {
  *out << shape.name;
}

std::vector<Request> random_requests(const Shape& shape) {
  std::mt19937_64 random(11);
  const auto tokens = [&](std::size_t count) {
    std::vector<std::int32_t> result;
    for (std::size_t i = 0; i < count; ++i) result.push_back(static_cast<std::int32_t>(random() % shape.alphabet));
    return result;
  };
  const auto header = tokens(shape.header);
  std::vector<Request> requests;
  for (std::size_t i = 0; i < shape.items; ++i) {
    auto context = header;
    for (const auto token : tokens(1 + random() % shape.context)) context.push_back(token);
    Request& request = requests.emplace_back();
    for (std::size_t c = 0; c < shape.classes; ++c) {
      EncodedContinuation& continuation = request.emplace_back(context, context.size());
      for (const auto token : tokens(1 + random() % shape.continuation)) continuation.tokens.push_back(token);
    }
  }
  return requests;
}

// Within `tolerance` nats, and float32's error on what is far from 0: random tokens have log-likelihoods of -100.
void expect_equal(const Scores& a, const Scores& b, double tolerance) {
  ASSERT_EQ(a.items.size(), b.items.size());
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    EXPECT_EQ(a.items[i].num_tokens, b.items[i].num_tokens);
    for (std::size_t c = 0; c < a.items[i].log_likelihoods.size(); ++c) {
      const double value = b.items[i].log_likelihoods[c];
      EXPECT_NEAR(a.items[i].log_likelihoods[c], value, tolerance + tolerance / 10 * std::abs(value));
    }
  }
}

class Sharing : public testing::TestWithParam<Shape> {};

TEST_P(Sharing, changes_no_log_likelihood) {
  const auto requests = random_requests(GetParam());
  Scorer unshared(decoder(), {.share_prefixes = false});
  const Scores expected = unshared.score(requests);
  for (const std::int64_t max_tokens : {16384, 300, 40, 1}) {
    Scorer shared(decoder(), {.max_tokens = max_tokens});
    const Scores actual = shared.score(requests);
    expect_equal(actual, expected, 1e-5);
    EXPECT_LE(actual.num_tokens_fed, expected.num_tokens_fed);
    const Scores again = shared.score(requests);  // the prefix is there already
    expect_equal(again, actual, 0);
  }
}

TEST_P(Sharing, and_streaming_changes_no_bit) {
  const auto requests = random_requests(GetParam());
  const auto checkpoint = weights::Checkpoint::open(kModels / "demo-83k");
  for (const spec::DType dtype : {spec::DType::kFloat32, spec::DType::kBFloat16}) {
    const model::Decoder resident(checkpoint, dtype, at::Device(at::kCPU)),
        streamed(checkpoint, dtype, at::Device(at::kCPU), model::Placement::kStreamed);
    for (const BatchOptions& options :
         {BatchOptions{}, BatchOptions{.max_tokens = 300}, BatchOptions{.share_prefixes = false}}) {
      Scorer from_memory(resident, options), from_file(streamed, options);
      const Scores expected = from_memory.score(requests);
      expect_equal(from_file.score(requests), expected, 0);
      // bfloat16 has 8 bits: what is far from 0, as random tokens are, is a few thousandths off.
      Scorer exact(decoder(), options);
      expect_equal(expected, exact.score(requests), dtype == spec::DType::kFloat32 ? 1e-5 : 0.25);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(RandomTries, Sharing,
                         testing::Values(Shape{"deep", 0, 30, 60, 2, 20, 2}, Shape{"wide", 0, 200, 1, 4, 2, 300},
                                         Shape{"header", 50, 40, 10, 2, 4, 300}, Shape{"one_item", 40, 1, 5, 1, 1, 300},
                                         Shape{"thousand_classes", 0, 1, 10, 1000, 4, 12},
                                         Shape{"one_token_answers", 33, 50, 8, 5, 1, 100}),
                         [](const auto& instance) { return instance.param.name; });

TEST(ScorerInLimitedMemory, batches_are_halved_until_they_fit) {
  if (!test::kMemoryIsOurs) GTEST_SKIP() << "a sanitizer has the memory";
  const model::Decoder decoder(weights::Checkpoint::open(kModels / "demo-188k"), spec::DType::kFloat32,
                               at::Device(at::kCPU));
  const auto requests = random_requests({"long", 60, 900, 180, 2, 15, 300});
  const BatchOptions all_at_once{.max_tokens = 1 << 20};
  // oneDNN makes code for each number of rows, and if it lacks memory for that a thread's products are broken for good.
  // So whatever will be needed is made before; of a real model tensors are larger than code.
  Scores expected;
  for (BatchOptions halved = all_at_once; halved.max_tokens > 8192;) {
    expected = Scorer(decoder, halved).score(requests);
    halved.max_tokens = make_batches(requests, decoder.config(), halved).batches.front().tree.num_tokens() / 2;
  }
  Scorer scarce(decoder, all_at_once);
  const Scores actual = [&] {
    const test::AddressSpaceLimit limit(24 << 20);
    return scarce.score(requests);
  }();
  EXPECT_LT(scarce.options().max_tokens, expected.num_tokens_fed / 2);
  EXPECT_GT(scarce.options().max_tokens, 4096);
  expect_equal(actual, expected, 1e-5);
}

TEST(ScorerInLimitedMemory, a_sequence_that_does_not_fit_alone_is_told) {
  if (!test::kMemoryIsOurs) GTEST_SKIP() << "a sanitizer has the memory";
  // A model with a context of a million tokens: hidden states of that many take 256 MB.
  const test::TemporaryFolder folder;
  for (const auto& file : std::filesystem::directory_iterator(kModels / "demo-188k")) {
    std::filesystem::copy(file, folder.path());
  }
  std::ifstream config(kModels / "demo-188k/config.json");
  std::string text{std::istreambuf_iterator(config), {}};
  const std::string_view context = "\"max_position_embeddings\": 8192";
  folder.write("config.json", text.replace(text.find(context), context.size(), "\"max_position_embeddings\": 1000000"));
  const model::Decoder decoder(weights::Checkpoint::open(folder.path()), spec::DType::kFloat32, at::Device(at::kCPU));
  std::vector<std::int32_t> long_context(999'999, 1);
  const std::vector<Request> requests{{{{1, 2}, 1}, {long_context, 999'998}}};
  Scorer scorer(decoder, {.max_tokens = 1 << 20});
  const std::string message = test::message_of<Error>([&] {
    const test::AddressSpaceLimit limit(128 << 20);
    scorer.score(requests);
  });
  EXPECT_EQ(message, "out of memory: a prompt with its continuation, 999998 tokens, does not fit even alone");
}

TEST(Scorer, no_requests_no_scores) {
  EXPECT_TRUE(Scorer(decoder()).score({}).items.empty());
}

}  // namespace
}  // namespace catenary::engine
