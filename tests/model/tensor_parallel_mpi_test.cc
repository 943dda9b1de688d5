// Models that ranks hold together against the same models on one rank: every tiny checkpoint of tests/reference/model.
#include <ATen/ATen.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <optional>
#include <set>

#include "catenary/base/error.h"
#include "catenary/model/decoder.h"
#include "catenary/model/device.h"
#include "catenary/weights/cost.h"
#include "support/scarce_memory.h"
#include "support/temporary_folder.h"

namespace catenary::model {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(fs::path(CATENARY_SOURCE_DIR) / "tests/reference/model")) {
    if (fs::exists(entry.path() / "config.json")) names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

weights::Checkpoint open(const std::string& name) {
  return weights::Checkpoint::open(fs::path(CATENARY_SOURCE_DIR) / "tests/reference/model" / name);
}

class TensorParallel : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (const auto problem = weights::share_problem(checkpoint_.config(), world_.size()); !problem.empty()) {
      GTEST_SKIP() << "refused: " << problem;
    }
  }

  // Sequences that share prefixes; the same on all ranks.
  std::vector<std::vector<std::int32_t>> sequences() const {
    const std::int64_t vocab_size = checkpoint_.config().vocab_size;
    std::vector<std::vector<std::int32_t>> sequences;
    for (const std::int64_t shared : {0, 3, 11, 17}) {
      std::vector<std::int32_t> sequence;
      for (std::int64_t i = 0; i < 24; ++i) {
        sequence.push_back(static_cast<std::int32_t>((7 * i * i + (i < shared ? 0 : 13 * (shared + 1))) % vocab_size));
      }
      sequences.push_back(sequence);
    }
    std::ranges::sort(sequences);
    return sequences;
  }

  // Scores of each sequence's tokens given those before, after a prefix that is kept where sequences may share one.
  std::vector<TokenScore> scores(const Decoder& decoder) const {
    std::vector<TokenScore> scores;
    const bool shares = !checkpoint_.config().position_depends_on_length(28);
    Prefix prefix{{1, 2, 3, 4}};
    PrefixTree tree(shares ? prefix.length() : 0);
    std::vector<std::pair<std::int64_t, std::int32_t>> targets;
    for (const auto& sequence : sequences()) {
      const auto places = tree.add(std::span(sequence).first(sequence.size() - 1), shares);
      for (std::size_t i = 0; i < places.size(); ++i) targets.emplace_back(places[i], sequence[i + 1]);
    }
    std::ranges::sort(targets);
    std::vector<std::int64_t> rows(static_cast<std::size_t>(tree.num_tokens())), at;
    std::iota(rows.begin(), rows.end(), 0);
    std::vector<std::int32_t> tokens;
    for (const auto& [row, token] : targets) {
      at.push_back(row);
      tokens.push_back(token);
    }
    return decoder.score_next_tokens(decoder.hidden_states(tree, rows, shares ? &prefix : nullptr), at, tokens);
  }

  const parallel::Communicator world_ = parallel::Communicator::world();
  const std::unique_ptr<parallel::TensorParallelGroup> group_ = parallel::make_mpi_group(world_, 0, world_.size());
  const weights::Checkpoint checkpoint_ = open(GetParam());

  Decoder together(spec::DType dtype = spec::DType::kFloat32, Placement placement = Placement::kResident) const {
    return Decoder(checkpoint_, dtype, at::kCPU, placement, Kernels::kOwn, *group_);
  }
};

TEST_P(TensorParallel, log_likelihoods_are_those_of_one_rank) {
  const auto expected = scores(Decoder(checkpoint_, spec::DType::kFloat32, at::kCPU));
  const auto actual = scores(together());
  ASSERT_EQ(actual.size(), expected.size());
  double largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(actual[i].log_probability) -
                                         static_cast<double>(expected[i].log_probability)));
    EXPECT_EQ(actual[i].is_argmax, expected[i].is_argmax) << i;
  }
  if (world_.rank() == 0) {
    std::printf("%-22s %d ranks, max |difference| of log-likelihoods: %.1e\n", GetParam().c_str(), world_.size(),
                largest);
  }
  EXPECT_LT(largest, 1e-5);
}

TEST_P(TensorParallel, all_ranks_have_the_same_bits_on_repeat_and_streamed) {
  for (const auto dtype : {spec::DType::kFloat32, spec::DType::kBFloat16, spec::DType::kFloat16}) {
    const auto bits_of = [&](const Decoder& decoder) {
      std::string bytes;
      for (const TokenScore& score : scores(decoder)) {
        bytes.append(reinterpret_cast<const char*>(&score.log_probability), sizeof score.log_probability);
        bytes += score.is_argmax ? '1' : '0';
      }
      return bytes;
    };
    const Decoder resident = together(dtype);
    const std::string first = bits_of(resident);
    for (const std::string& other : world_.all_gather(first)) EXPECT_EQ(other, first);
    EXPECT_EQ(bits_of(resident), first);
    EXPECT_EQ(bits_of(together(dtype, Placement::kStreamed)), first);
  }
}

// Greedily, token by token, each rank for itself.
TEST_P(TensorParallel, the_next_tokens_are_those_of_one_rank) {
  const Decoder alone(checkpoint_, spec::DType::kFloat32, at::kCPU);
  const auto generate = [&](const Decoder& decoder) {
    PrefixTree tree;
    const auto path = tree.add(sequences().front());
    std::vector<KeyValues> kept;
    constexpr std::int64_t kNewTokens = 8;
    at::Tensor logits = decoder.logits(decoder.hidden_states(tree, std::vector{path.back()}, kNewTokens, kept));
    std::vector<at::Tensor> all{logits};
    NextToken next{0, tree.path(0)};
    next.path.push_back({tree.num_tokens(), tree.num_tokens(), tree.num_tokens()});
    for (std::int64_t i = 0; i < kNewTokens; ++i) {
      next.token = static_cast<std::int32_t>(logits.argmax().item<std::int64_t>());
      ++next.path.back().end;
      logits = decoder.logits(decoder.next_hidden_states(std::vector{next}, kept));
      all.push_back(logits);
    }
    return at::cat(all);
  };
  const at::Tensor expected = generate(alone), actual = generate(together());
  EXPECT_LT((actual - expected).abs().max().item<double>(), 1e-5);
  EXPECT_TRUE(at::equal(actual.argmax(1), expected.argmax(1)));
}

TEST_P(TensorParallel, a_rank_that_fails_fails_all_and_the_model_goes_on) {
  const Decoder decoder = together();
  const auto expected = scores(decoder);
  EXPECT_ANY_THROW(agree(*group_, [&] {
    if (group_->rank() + 1 == group_->size()) throw Error("out of order");
    scores(decoder);
  }));
  const auto again = scores(decoder);
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(again[i].log_probability, expected[i].log_probability);
}

INSTANTIATE_TEST_SUITE_P(Tiny, TensorParallel, testing::ValuesIn(names()), [](const auto& instance) {
  std::string name = instance.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

TEST(TensorParallelDecoder, what_cannot_be_split_is_refused_by_name) {
  const parallel::Communicator world = parallel::Communicator::world();
  const auto group = parallel::make_mpi_group(world, 0, world.size());
  for (const std::string& name : names()) {
    const weights::Checkpoint checkpoint = open(name);
    const std::string problem = weights::share_problem(checkpoint.config(), world.size());
    if (problem.empty()) continue;
    if (world.rank() == 0) std::printf("%-22s %d ranks: refused, %s\n", name.c_str(), world.size(), problem.c_str());
    try {
      const Decoder decoder(checkpoint, spec::DType::kFloat32, at::kCPU, Placement::kResident, Kernels::kOwn, *group);
      ADD_FAILURE() << name;
    } catch (const SpecError& e) {
      EXPECT_THAT(e.what(), testing::HasSubstr(problem));
    }
  }
}

// A Llama of 8 heads and 16 MB, all zeros.
void write_model(const test::TemporaryFolder& folder) {
  folder.write("config.json", R"({"model_type": "llama", "vocab_size": 4096, "hidden_size": 256, "num_hidden_layers": 2,
    "intermediate_size": 1024, "num_attention_heads": 8, "num_key_value_heads": 4, "tie_word_embeddings": false,
    "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "hidden_act": "silu"})");
  std::vector<std::pair<std::string, std::vector<int>>> tensors{
      {"model.embed_tokens", {4096, 256}}, {"lm_head", {4096, 256}}, {"model.norm", {256}}};
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    for (const auto& [name, shape] :
         std::initializer_list<std::pair<const char*, std::vector<int>>>{{"input_layernorm", {256}},
                                                                         {"post_attention_layernorm", {256}},
                                                                         {"self_attn.q_proj", {256, 256}},
                                                                         {"self_attn.k_proj", {128, 256}},
                                                                         {"self_attn.v_proj", {128, 256}},
                                                                         {"self_attn.o_proj", {256, 256}},
                                                                         {"mlp.gate_proj", {1024, 256}},
                                                                         {"mlp.up_proj", {1024, 256}},
                                                                         {"mlp.down_proj", {256, 1024}}}) {
      tensors.emplace_back(std::string(layer) + name, shape);
    }
  }
  std::string header;
  std::size_t end = 0;
  for (const auto& [name, shape] : tensors) {
    const std::size_t begin = end;
    end += sizeof(float) * std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
    header += fmt::format("{}\"{}.weight\": {{\"dtype\": \"F32\", \"shape\": [{}], \"data_offsets\": [{}, {}]}}",
                          header.empty() ? "{" : ", ", name, fmt::join(shape, ", "), begin, end);
  }
  header += "}";
  const std::uint64_t length = header.size();
  const std::string size(reinterpret_cast<const char*>(&length), sizeof length);
  folder.write("model.safetensors", size + header + std::string(end, '\0'));
}

TEST(TensorParallelMemory, each_rank_has_its_part_of_what_is_split) {
  if (!test::kMemoryIsOurs) GTEST_SKIP() << "a sanitizer has the memory";
  const parallel::Communicator world = parallel::Communicator::world();
  const auto group = parallel::make_mpi_group(world, 0, world.size());
  const test::TemporaryFolder folder;
  write_model(folder);
  const auto checkpoint = weights::Checkpoint::open(folder.path());
  const auto allocated_bytes = [] {
    const struct mallinfo2 info = ::mallinfo2();
    return static_cast<double>(info.uordblks + info.hblkhd);
  };
  const auto load = [&] {
    return std::make_unique<Decoder>(checkpoint, spec::DType::kFloat32, at::kCPU, Placement::kResident, Kernels::kOwn,
                                     *group);
  };
  load();  // what libraries keep for themselves
  const double before = allocated_bytes();
  const auto decoder = load();
  const double measured = allocated_bytes() - before;
  const auto whole = weights::rank_share(checkpoint.config(), 1),
             own = weights::rank_share(checkpoint.config(), world.size());
  const double replicated = 4.0 * static_cast<double>(own->replicated_parameters);
  const double expected = 4.0 * static_cast<double>(whole->split_parameters) / world.size();
  if (world.rank() == 0) {
    std::printf("%d ranks: %.0f bytes of what is split, %.4f of 1/%d of it\n", world.size(), measured - replicated,
                (measured - replicated) / expected, world.size());
  }
  EXPECT_NEAR(measured - replicated, expected, 0.05 * expected);
}

// One rank, through the same calls of NCCL as several.
TEST(NcclGroup, of_one_rank_leaves_sums_as_they_are) {
  const at::Device device = choose_device("auto", 0);
  if (!device.is_cuda() || !parallel::has_nccl()) GTEST_SKIP() << "no GPU, or no NCCL";
  const parallel::Communicator world = parallel::Communicator::world();
  const auto group = parallel::make_nccl_group(world, world.rank(), 1);
  EXPECT_TRUE(group->is_asynchronous());
  const at::Tensor x = at::arange(1000, at::TensorOptions().device(device).dtype(at::kFloat)), expected = x.cpu();
  const parallel::Elements elements{.data = x.mutable_data_ptr(), .count = 1000};  // made in the default stream
  agree(*group, [&] {
    group->begin_all_reduce(elements, parallel::Reduction::kSum);
    group->end_all_reduce();
    group->all_reduce(elements, parallel::Reduction::kMax);
  });
  EXPECT_TRUE(at::equal(x.cpu(), expected));
  EXPECT_THROW(agree(*group, [] { throw Error("out of order"); }), Error);
  agree(*group, [&] { group->all_reduce(elements, parallel::Reduction::kSum); });
  EXPECT_TRUE(at::equal(x.cpu(), expected));
}

TEST(NcclGroup, without_nccl_is_refused) {
  if (parallel::has_nccl()) GTEST_SKIP() << "this build has NCCL";
  const parallel::Communicator world = parallel::Communicator::world();
  EXPECT_THROW(parallel::make_nccl_group(world, world.rank(), 1), SpecError);
}

}  // namespace
}  // namespace catenary::model
