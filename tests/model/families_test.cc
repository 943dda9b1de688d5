// Every family's logits and parameter counts against Hugging Face transformers in float32, through whole checkpoints,
// on the CPU and on a GPU where there is one: tests/reference/model/make_checkpoints.py makes them.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "catenary/model/decoder.h"
#include "support/devices.h"

namespace catenary::model {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const fs::path kFolder = fs::path(CATENARY_SOURCE_DIR) / "tests/reference/model";

/// Of the folders that hold `file`.
std::vector<std::string> names(std::string_view file = "config.json") {
  std::vector<std::string> result;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (fs::exists(entry.path() / file)) result.push_back(entry.path().filename().string());
  }
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<float> floats_of_base64(const std::string& text) {
  static const std::string kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int num_bits = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(kDigits.find(c));
    num_bits += 6;
    if (num_bits >= 8) bytes.push_back(static_cast<char>(bits >> (num_bits -= 8) & 0xff));
  }
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), floats.size() * sizeof(float));
  return floats;
}

struct Expected {
  std::int64_t num_parameters = 0;
  std::vector<std::vector<std::int32_t>> sequences;
  at::Tensor logits;  // [rows, vocab_size]: all of the first sequence, the last of each other
};

Expected read_expected(const fs::path& folder) {
  const json file = json::parse(std::ifstream(folder / "expected.json"));
  Expected expected{.num_parameters = file["num_parameters"]};
  for (const json& tokens : file["sequences"]) expected.sequences.push_back(tokens);
  const auto floats = floats_of_base64(file["logits_float32_base64"]);
  const std::int64_t num_rows = std::ssize(expected.sequences.front()) + std::ssize(expected.sequences) - 1;
  expected.logits = at::tensor(floats).view({num_rows, -1});
  return expected;
}

class Families : public testing::TestWithParam<std::tuple<std::string, at::Device>> {
 protected:
  const std::string name_ = std::get<0>(GetParam());
  const at::Device device_ = std::get<1>(GetParam());
  const fs::path folder_ = kFolder / name_;
  const weights::Checkpoint checkpoint_ = weights::Checkpoint::open(folder_);
  const Expected expected_ = read_expected(folder_);

  double max_difference(const at::Tensor& logits, const at::Tensor& expected) const {
    return (logits.cpu() - expected).abs().max().item<double>();
  }

  double max_difference(spec::DType dtype) const { return max_difference(checkpoint_, dtype); }

  double max_difference(const weights::Checkpoint& checkpoint, spec::DType dtype,
                        Kernels kernels = Kernels::kOwn) const {
    const Decoder decoder(checkpoint, dtype, device_, Placement::kResident, kernels);
    PrefixTree tree;
    std::vector<std::int64_t> rows;
    for (const auto& sequence : expected_.sequences) {
      const auto path = tree.add(sequence, /*shares=*/false);
      if (rows.empty()) {
        rows = path;
      } else {
        rows.push_back(path.back());
      }
    }
    return max_difference(decoder.logits(decoder.hidden_states(tree, rows)), expected_.logits);
  }
};

TEST_P(Families, logits_agree_with_transformers) {
  const double float32 = max_difference(spec::DType::kFloat32), float16 = max_difference(spec::DType::kFloat16),
               bfloat16 = max_difference(spec::DType::kBFloat16);
  std::printf("%-22s %s, max |difference| of logits: float32 %.1e, float16 %.1e, bfloat16 %.1e\n", name_.c_str(),
              device_.str().c_str(), float32, float16, bfloat16);
  EXPECT_LT(float32, 1e-4);
  EXPECT_LT(float16, device_.is_cpu() ? 4e-3 : 1e-2);  // an eighth of bfloat16's: three bits more
  EXPECT_LT(bfloat16, device_.is_cpu() ? 3e-2 : 6e-2);
}

// What other devices do where they have no kernels of ours.
TEST_P(Families, logits_by_libtorch_alone_agree_with_transformers) {
  EXPECT_LT(max_difference(checkpoint_, spec::DType::kFloat32, Kernels::kAten), 1e-4);
  EXPECT_LT(max_difference(checkpoint_, spec::DType::kFloat16, Kernels::kAten), 1e-2);
  EXPECT_LT(max_difference(checkpoint_, spec::DType::kBFloat16, Kernels::kAten), 6e-2);
}

// The first sequence in pieces: as a branch that leaves another one, and after a prefix that was read before.
TEST_P(Families, shared_prefixes_change_nothing) {
  const Decoder decoder(checkpoint_, spec::DType::kFloat32, device_);
  const auto& sequence = expected_.sequences.front();
  const std::int64_t length = std::ssize(sequence);
  if (decoder.config().position_depends_on_length(length)) GTEST_SKIP() << "its positions depend on the length";
  const at::Tensor expected = expected_.logits.slice(0, 0, length);
  for (const std::int64_t cut : {std::int64_t{1}, length / 3, length / 2, length - 1}) {
    // Another sequence branches off at every third token, so that the one in question has many parents.
    PrefixTree tree;
    std::vector<std::int64_t> rows;
    for (std::int64_t shared = 3; shared < cut; shared += 3) {
      std::vector<std::int32_t> other(sequence.begin(), sequence.begin() + shared);
      other.insert(other.end(), {1, 2, 3});
      tree.add(other);
    }
    rows = tree.add(sequence);
    EXPECT_LT(max_difference(decoder.logits(decoder.hidden_states(tree, rows)), expected), 1e-4) << cut;

    Prefix prefix{{sequence.begin(), sequence.begin() + cut}};
    PrefixTree rest(prefix.length());
    rows = rest.add(std::span(sequence).subspan(static_cast<std::size_t>(cut)));
    const at::Tensor at_first = decoder.hidden_states(rest, rows, &prefix);
    EXPECT_TRUE(at::equal(decoder.hidden_states(rest, rows, &prefix), at_first)) << "read before, the same bits";
    EXPECT_LT(max_difference(decoder.logits(at_first), expected.slice(0, cut)), 1e-4) << cut;
  }
}

// The rest of the first sequence token by token, as generation does, in company of another sequence.
TEST_P(Families, tokens_that_follow_what_is_kept) {
  const Decoder decoder(checkpoint_, spec::DType::kFloat32, device_);
  const auto& sequence = expected_.sequences.front();
  const std::int64_t length = std::ssize(sequence), cut = length / 3;
  if (decoder.config().position_depends_on_length(length)) GTEST_SKIP() << "its positions depend on the length";
  PrefixTree tree;
  tree.add(std::span(sequence).first(static_cast<std::size_t>(cut)));
  const auto other = tree.add(std::vector<std::int32_t>{sequence[0], 4, 4});
  std::vector<KeyValues> kept;
  decoder.hidden_states(tree, {}, 2 * length, kept);
  const std::int64_t own = tree.num_tokens(), others = own + length;
  for (std::int64_t i = cut; i < length; ++i) {
    NextToken next{sequence[static_cast<std::size_t>(i)], tree.path(0)};
    next.path.push_back({own, own + i - cut + 1, cut});
    NextToken company{5, tree.path(tree.branch_of(other.back()))};
    company.path.push_back({others, others + i - cut + 1, 3});
    const at::Tensor logits = decoder.logits(decoder.next_hidden_states(std::vector{company, next}, kept));
    EXPECT_LT(max_difference(logits[1], expected_.logits[i]), 1e-4) << i;
  }
}

TEST_P(Families, layers_read_when_they_are_needed_give_the_same_bits) {
  for (const auto dtype : {spec::DType::kFloat32, spec::DType::kBFloat16, spec::DType::kFloat16}) {
    const Decoder resident(checkpoint_, dtype, device_);
    const Decoder streamed(checkpoint_, dtype, device_, Placement::kStreamed);
    PrefixTree tree;
    const auto rows = tree.add(expected_.sequences.front());
    const at::Tensor hidden = resident.hidden_states(tree, rows);
    ASSERT_TRUE(at::equal(streamed.hidden_states(tree, rows), hidden));
    const std::vector<std::int32_t> targets(rows.size(), 3);
    const auto expected = resident.score_next_tokens(hidden, rows, targets);
    const auto actual = streamed.score_next_tokens(hidden, rows, targets);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(actual[i].log_probability, expected[i].log_probability);
      EXPECT_EQ(actual[i].is_argmax, expected[i].is_argmax);
    }
  }
}

TEST_P(Families, parameters_are_as_many_as_transformers_counts) {
  EXPECT_EQ(checkpoint_.num_parameters(), expected_.num_parameters);
}

std::string test_name(const testing::TestParamInfo<std::tuple<std::string, at::Device>>& instance) {
  return test::test_name(std::get<0>(instance.param), std::get<1>(instance.param));
}

INSTANTIATE_TEST_SUITE_P(Tiny, Families,
                         testing::Combine(testing::ValuesIn(names()), testing::ValuesIn(test::devices())), test_name);

// The same weights as llama.cpp's converter stores them: tests/reference/model/make_gguf.py.
class GgufFamilies : public Families {};

TEST_P(GgufFamilies, logits_agree_with_transformers) {
  const auto gguf = weights::Checkpoint::open(folder_ / "model.gguf");
  EXPECT_EQ(gguf.num_parameters(), expected_.num_parameters);
  const double difference = max_difference(gguf, spec::DType::kFloat32);
  std::printf("%-22s max |difference| of logits: float32 %.1e from GGUF\n", name_.c_str(), difference);
  EXPECT_LT(difference, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Tiny, GgufFamilies,
                         testing::Combine(testing::ValuesIn(names("model.gguf")),
                                          testing::Values(at::Device(at::kCPU))),
                         test_name);

TEST(FamilyConfigs, no_two_read_alike) {
  std::set<std::string> texts;
  for (const std::string& name : names()) {
    texts.insert(weights::to_text(weights::Checkpoint::open(kFolder / name).config()));
  }
  EXPECT_EQ(texts.size(), names().size());
}

}  // namespace
}  // namespace catenary::model
