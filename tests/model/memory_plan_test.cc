#include "catenary/model/memory_plan.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "catenary/base/error.h"
#include "support/scarce_memory.h"
#include "support/temporary_folder.h"

namespace catenary::model {
namespace {

using testing::HasSubstr;

// Llama 2 7B: 6.74 billion parameters, 12.6 GiB in bfloat16.
weights::ModelConfig llama_7b() {
  weights::ModelConfig c;
  c.hidden_size = c.embedding_size = 4096;
  c.intermediate_size = 11008;
  c.num_layers = 32;
  c.num_heads = c.num_kv_heads = 32;
  c.head_dim = c.rope.dim = 128;
  c.vocab_size = 32000;
  c.max_position_embeddings = 4096;
  return c;
}

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

MemoryPlan plan(std::int64_t budget) {
  return plan_memory(llama_7b(), spec::DType::kBFloat16, at::Device(at::kCPU), budget, 16384);
}

TEST(MemoryPlan, what_fits_is_resident_with_as_many_tokens_as_there_is_room_for) {
  EXPECT_EQ(plan(64 * kGiB).placement, Placement::kResident);
  EXPECT_EQ(plan(64 * kGiB).max_tokens, 16384);
  const MemoryPlan tight = plan(14 * kGiB);
  EXPECT_EQ(tight.placement, Placement::kResident);
  EXPECT_GE(tight.max_tokens, 1024);
  EXPECT_LT(tight.max_tokens, 16384);
}

TEST(MemoryPlan, kept_tokens_have_room_beside_weights_and_batch) {
  // Keys and values of a token: 32 layers of 2 · 4,096 float32, 1 MiB. Of what the weights leave, batches have half.
  for (const std::int64_t gibibytes : {14, 16, 20, 24}) {
    const MemoryPlan p = plan(gibibytes * kGiB);
    const std::int64_t left = gibibytes * kGiB - std::int64_t{6'738'415'616} * 2;
    EXPECT_LT(p.max_kept_tokens << 20, left) << gibibytes;
    EXPECT_GT(p.max_kept_tokens << 20, left / 8) << gibibytes;
  }
}

TEST(MemoryPlan, texts_have_what_weights_leave) {
  // As above, and the hidden states of prompts; no batch and no prefix beside them.
  for (const std::int64_t gibibytes : {14, 16, 20, 24}) {
    const std::int64_t left = gibibytes * kGiB - std::int64_t{6'738'415'616} * 2;
    EXPECT_LT(plan(gibibytes * kGiB).max_text_tokens << 20, left) << gibibytes;
    EXPECT_GT(plan(gibibytes * kGiB).max_text_tokens << 20, left / 4) << gibibytes;
  }
  EXPECT_EQ(plan(12 * kGiB).max_text_tokens, 8192) << "streamed: layers leave 11 GiB";
}

TEST(MemoryPlan, a_little_more_or_less_memory_changes_no_batch) {
  for (std::int64_t mebibytes = 18'000; mebibytes < 18'100; ++mebibytes) {
    EXPECT_EQ(plan(mebibytes << 20).max_tokens, plan(18'000LL << 20).max_tokens);
    EXPECT_EQ(plan(mebibytes << 20).max_kept_tokens, plan(18'000LL << 20).max_kept_tokens);
  }
}

TEST(MemoryPlan, what_does_not_fit_is_streamed) {
  EXPECT_EQ(plan(12 * kGiB).placement, Placement::kStreamed);
  EXPECT_EQ(plan(12 * kGiB).max_tokens, 16384);
  EXPECT_EQ(plan(2 * kGiB).placement, Placement::kStreamed);
}

TEST(MemoryPlan, too_little_is_refused_with_what_is_needed) {
  const std::string message = test::message_of<SpecError>([] { plan(kGiB / 2); });
  EXPECT_THAT(message, HasSubstr("512 MiB of memory are too little"));
  const double needed = std::stod(message.substr(message.find("needs ") + 6));
  EXPECT_EQ(plan(static_cast<std::int64_t>(needed * (1 << 20))).placement, Placement::kStreamed);
}

TEST(MemoryPlan, the_limit_of_the_address_space_is_heeded) {
  if (!test::kMemoryIsOurs) GTEST_SKIP() << "a sanitizer has the memory";
  const test::AddressSpaceLimit limit(std::uint64_t{1} << 40);
  EXPECT_LT(available_bytes(at::Device(at::kCPU)), std::int64_t{1} << 40);
}

TEST(MemoryPlan, ranks_of_a_host_share_its_memory) {
  const std::int64_t alone = available_bytes(at::Device(at::kCPU));
  share_host_memory(4);
  const std::int64_t shared = available_bytes(at::Device(at::kCPU));
  share_host_memory(1);
  EXPECT_NEAR(static_cast<double>(shared), static_cast<double>(alone) / 4, static_cast<double>(alone) / 20);
}

TEST(MemoryPlan, a_lack_of_memory_is_told_from_other_errors) {
  if (!test::kMemoryIsOurs) GTEST_SKIP() << "a sanitizer has the memory";
  const auto is_lack = [](const auto& f) {
    try {
      f();
    } catch (const std::exception& e) {
      return is_out_of_memory(e);
    }
    return false;
  };
  EXPECT_TRUE(is_lack([] { at::empty({std::int64_t{1} << 60}, at::kByte); }));  // no system has an exbibyte
  EXPECT_TRUE(is_lack([] { std::vector<char>(std::size_t{1} << 60); }));
  EXPECT_FALSE(is_lack([] { at::empty({2, 3}, at::kByte).view({4}); }));
}

TEST(MemoryPlan, there_is_memory) {
  EXPECT_GT(available_bytes(at::Device(at::kCPU)), std::int64_t{64} << 20);
}

}  // namespace
}  // namespace catenary::model
