#include "catenary/weights/gguf.h"

#include <array>
#include <limits>
#include <random>

#include "weights/fixtures.h"

namespace catenary::weights {
namespace {

constexpr std::uint64_t kHuge = std::numeric_limits<std::uint64_t>::max();

class GgufBad : public testing::Test {
 protected:
  void expect_refused(const std::string& bytes, std::vector<std::string> parts) {
    const auto path = folder_.write("bad.gguf", bytes);
    parts.push_back(path.string());
    expect_data_error([&] { GgufFile file(path); }, parts);
  }
  TemporaryFolder folder_;
};

TEST(Gguf, reads_what_the_gguf_package_wrote) {
  const GgufFile file(reference("tiny.gguf"));
  EXPECT_EQ(file.path(), reference("tiny.gguf"));
  EXPECT_EQ(file.get_string("general.architecture"), "llama");
  EXPECT_EQ(file.get_integer("llama.embedding_length"), 32);
  EXPECT_EQ(file.get_number("llama.embedding_length"), 32.0);
  EXPECT_EQ(file.get_number("llama.rope.freq_base"), 50000.0);
  EXPECT_EQ(file.find_bool("tokenizer.ggml.add_bos_token"), false);
  EXPECT_EQ(file.get_strings("tokenizer.ggml.tokens").at(39), "token 39");
  EXPECT_EQ(file.find_integers("tokenizer.ggml.token_type"), std::vector<std::int64_t>(40, 1));
  EXPECT_EQ(file.find_numbers("tokenizer.ggml.scores")->at(7), -7.0);
  EXPECT_EQ(file.find_numbers("tokenizer.ggml.token_type")->at(7), 1.0);
  ASSERT_EQ(file.tensors().size(), 21u);
  const TensorInfo& embedding = file.tensors()[0];
  EXPECT_EQ(embedding.name, "token_embd.weight");
  EXPECT_EQ(embedding.shape, (std::vector<std::int64_t>{40, 32}));
  EXPECT_EQ(embedding.encoding, Encoding::kQ8_0);
  EXPECT_EQ(embedding.bytes.size(), 40u * 34);
}

TEST(Gguf, absent_keys_and_other_types_are_told_apart) {
  const GgufFile file(reference("tiny.gguf"));
  EXPECT_TRUE(file.has("llama.block_count"));
  EXPECT_FALSE(file.has("no.such.key"));
  EXPECT_EQ(file.find_integer("no.such.key"), std::nullopt);
  EXPECT_EQ(file.find_strings("no.such.key"), std::nullopt);
  EXPECT_EQ(file.find_numbers("no.such.key"), std::nullopt);
  expect_data_error([&] { file.get_integer("no.such.key"); }, {"tiny.gguf", "no.such.key is missing"});
  expect_data_error([&] { file.find_integer("general.architecture"); }, {"tiny.gguf", "is not an integer"});
  expect_data_error([&] { file.find_integer("llama.rope.freq_base"); }, {"is not an integer"});
  expect_data_error([&] { file.find_integer("tokenizer.ggml.add_bos_token"); }, {"is not an integer"});
  expect_data_error([&] { file.find_number("tokenizer.ggml.tokens"); }, {"is not a number"});
  expect_data_error([&] { file.find_bool("llama.block_count"); }, {"is not a bool"});
  expect_data_error([&] { file.find_string("llama.block_count"); }, {"is not a string"});
  expect_data_error([&] { file.find_strings("tokenizer.ggml.scores"); }, {"is not an array of strings"});
  expect_data_error([&] { file.find_integers("tokenizer.ggml.scores"); }, {"is not an array of integers"});
  expect_data_error([&] { file.find_integers("tokenizer.ggml.tokens"); }, {"is not an array of integers"});
  expect_data_error([&] { file.find_numbers("llama.block_count"); }, {"is not an array of numbers"});
}

TEST(Gguf, every_number_type_is_read_and_version_2_too) {
  GgufBuilder builder{.version = 2};
  builder.value("u8", Bytes().number<std::uint32_t>(0).number<std::uint8_t>(200))
      .value("i8", Bytes().number<std::uint32_t>(1).number<std::int8_t>(-100))
      .value("u16", Bytes().number<std::uint32_t>(2).number<std::uint16_t>(60000))
      .value("i16", Bytes().number<std::uint32_t>(3).number<std::int16_t>(-30000))
      .value("u32", Bytes().number<std::uint32_t>(4).number<std::uint32_t>(4'000'000'000))
      .value("i32", Bytes().number<std::uint32_t>(5).number<std::int32_t>(-2'000'000'000))
      .value("f32", Bytes().number<std::uint32_t>(6).number<float>(0.5))
      .value("u64", Bytes().number<std::uint32_t>(10).number<std::uint64_t>(1ull << 40))
      .value("too large", Bytes().number<std::uint32_t>(10).number(kHuge))
      .value("i64", Bytes().number<std::uint32_t>(11).number<std::int64_t>(-(1ll << 40)))
      .value("f64", Bytes().number<std::uint32_t>(12).number<double>(1e300));
  const TemporaryFolder folder;
  const GgufFile file(folder.write("numbers.gguf", builder.build()));
  EXPECT_EQ(file.get_integer("u8"), 200);
  EXPECT_EQ(file.get_integer("i8"), -100);
  EXPECT_EQ(file.get_integer("u16"), 60000);
  EXPECT_EQ(file.get_integer("i16"), -30000);
  EXPECT_EQ(file.get_integer("u32"), 4'000'000'000);
  EXPECT_EQ(file.get_integer("i32"), -2'000'000'000);
  EXPECT_EQ(file.get_integer("u64"), 1ll << 40);
  EXPECT_EQ(file.get_integer("i64"), -(1ll << 40));
  EXPECT_EQ(file.get_number("f32"), 0.5);
  EXPECT_EQ(file.get_number("f64"), 1e300);
  expect_data_error([&] { file.get_integer("too large"); }, {"is not an integer of at most 63 bits"});
  EXPECT_TRUE(file.tensors().empty());
}

TEST(Gguf, alignment_is_honoured) {
  GgufBuilder builder{.alignment = 128};
  builder.uint32("general.alignment", 128).tensor("a", {1}, 0, "1234").tensor("b", {1}, 0, "5678");
  const TemporaryFolder folder;
  const GgufFile file(folder.write("aligned.gguf", builder.build()));
  EXPECT_EQ(std::memcmp(file.tensors()[0].bytes.data(), "1234", 4), 0);
  EXPECT_EQ(std::memcmp(file.tensors()[1].bytes.data(), "5678", 4), 0);
}

TEST_F(GgufBad, other_formats_and_versions_are_named) {
  expect_refused("", {"not a GGUF file"});
  expect_refused("GGU", {"not a GGUF file"});
  expect_refused("PK\x03\x04 a zip file, rather", {"not a GGUF file"});
  expect_refused(GgufBuilder{.version = 1}.build(), {"GGUF version 1"});
  expect_refused(GgufBuilder{.version = 4}.build(), {"GGUF version 4"});
  expect_refused(GgufBuilder{.version = 3u << 24}.build(), {"big-endian"});
}

TEST_F(GgufBad, counts_and_lengths_that_the_file_cannot_hold) {
  const auto header = [](std::uint64_t num_tensors, std::uint64_t num_pairs) {
    return Bytes().raw("GGUF").number<std::uint32_t>(3).number(num_tensors).number(num_pairs);
  };
  expect_refused(header(kHuge, 0).str(), {"the number of tensors"});
  expect_refused(header(1, 0).str(), {"the number of tensors"});
  expect_refused(header(0, kHuge).str(), {"the number of metadata keys"});
  expect_refused(header(0, 1).number(kHuge).raw("12345").str(), {"a metadata key"});
  expect_refused(header(0, 1).text("k").number<std::uint32_t>(8).number(kHuge).str(), {"the value of \"k\""});
  for (const std::uint32_t element : {0u, 8u, 12u}) {
    const auto array = header(0, 1).text("k").number<std::uint32_t>(9).number(element);
    expect_refused(Bytes(array).number(kHuge).str(), {"the length of the value of \"k\""});
    expect_refused(Bytes(array).number(kHuge / 8 + 2).str(), {"the length of the value of \"k\""});
  }
  expect_refused(
      header(0, 1).text("k").number<std::uint32_t>(9).number<std::uint32_t>(9).number<std::uint64_t>(0).str(),
      {"array of arrays"});
  expect_refused(header(0, 1).text("k").number<std::uint32_t>(13).number<std::uint64_t>(0).str(), {"unknown type 13"});
}

TEST_F(GgufBad, tensors_that_do_not_fit) {
  const std::string data(256, '\0');
  const auto one = [&](GgufBuilder::Tensor tensor) {
    GgufBuilder builder{.data = data};
    builder.tensors.push_back(std::move(tensor));
    return builder.build();
  };
  expect_refused(one({"t", {65}, 0, 0}), {"tensor \"t\" takes 260 bytes from offset 0, and the file has 256"});
  expect_refused(one({"t", {1}, 0, 256}), {"tensor \"t\" takes 4 bytes from offset 256"});
  expect_refused(one({"t", {1}, 0, kHuge - 31}), {"tensor \"t\" takes 4 bytes"});
  expect_refused(one({"t", {1}, 0, 8}), {"not a multiple of 32"});
  expect_refused(one({"t", {kHuge}, 0, 0}), {"has a dimension of"});
  expect_refused(one({"t", {1ull << 32, 1ull << 32}, 0, 0}), {"cannot hold"});
  expect_refused(one({"t", {1ull << 62}, 0, 0}), {"cannot hold"});
  expect_refused(one({"t", {16, 2}, 8, 0}), {"has shape [2, 16], which Q8_0 cannot hold"});
  expect_refused(one({"t", {1}, 10, 0}), {"ggml type 10", "supported: F32"});
  expect_refused(one({"t", {}, 0, 0}), {"0 dimensions"});
  expect_refused(one({"t", {1, 1, 1, 1, 1}, 0, 0}), {"5 dimensions"});
}

TEST_F(GgufBad, duplicates_overlap_and_wrong_alignment) {
  GgufBuilder builder;
  builder.tensor("a", {8}, 0, std::string(32, '\0')).tensor("a", {8}, 0, std::string(32, '\0'));
  expect_refused(builder.build(), {"tensor \"a\" occurs twice"});
  builder.tensors[1].name = "b";
  builder.tensors[1].offset = 0;
  expect_refused(builder.build(), {"tensors", "overlap"});
  expect_refused(GgufBuilder().uint32("k", 1).uint32("k", 2).build(), {"the key \"k\" occurs twice"});
  expect_refused(GgufBuilder().uint32("general.alignment", 0).build(), {"general.alignment"});
  expect_refused(GgufBuilder().uint32("general.alignment", 24).build(), {"general.alignment"});
  expect_refused(GgufBuilder().string("general.alignment", "32").build(), {"general.alignment"});
}

TEST_F(GgufBad, every_random_damage_loads_or_is_a_data_error) {
  DamagedFile file(folder_, "bad.gguf", read_file(reference("tiny.gguf")));
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::array<std::size_t, 3> places{};
    for (std::size_t& place : places)
      file.flip(place = random() % 3000, static_cast<char>(random()));  // metadata mostly
    expect_no_worse_than_data_error([&] { GgufFile gguf(file.path()); });
    for (const std::size_t place : places) file.restore(place);
  }
}

TEST(Gguf, a_large_vocabulary_is_read_in_milliseconds) {
  Bytes tokens;
  constexpr int kTokens = 256 * 1024;
  tokens.number<std::uint32_t>(9).number<std::uint32_t>(8).number<std::uint64_t>(kTokens);
  for (int i = 0; i < kTokens; ++i) tokens.text("token " + std::to_string(i));
  const TemporaryFolder folder;
  const auto path = folder.write("vocabulary.gguf", GgufBuilder().value("tokens", tokens).build());
  const auto begin = std::chrono::steady_clock::now();
  const GgufFile file(path);
  const auto strings = file.get_strings("tokens");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  EXPECT_EQ(strings.size(), static_cast<std::size_t>(kTokens));
  EXPECT_EQ(strings.back(), "token 262143");
  EXPECT_LT(seconds.count(), 1.0);  // 5 ms on a quiet machine
}

}  // namespace
}  // namespace catenary::weights
