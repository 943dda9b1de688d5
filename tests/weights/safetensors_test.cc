#include "catenary/weights/safetensors.h"

#include <limits>

#include "weights/fixtures.h"

namespace catenary::weights {
namespace {

class SafetensorsBad : public testing::Test {
 protected:
  void expect_refused(const std::string& bytes, std::vector<std::string> parts) {
    const auto path = folder_.write("bad.safetensors", bytes);
    parts.push_back(path.string());
    expect_data_error([&] { SafetensorsFile file(path); }, parts);
  }
  TemporaryFolder folder_;
};

TEST(Safetensors, reads_what_the_safetensors_package_wrote) {
  const SafetensorsFile file(reference("plain.safetensors"));
  EXPECT_EQ(file.path(), reference("plain.safetensors"));
  ASSERT_EQ(file.tensors().size(), 3u);
  for (const TensorInfo& tensor : file.tensors()) {
    EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{2, 3})) << tensor.name;
    std::vector<float> floats(6);
    dequantize(tensor.encoding, tensor.bytes, floats);
    EXPECT_EQ(floats, (std::vector<float>{0, -0.25, -0.5, -0.75, -1, -1.25})) << tensor.name;
  }
}

TEST(Safetensors, scalars_empty_tensors_and_files_without_tensors_are_fine) {
  const TemporaryFolder folder;
  const auto path = folder.write("odd.safetensors", safetensors_bytes(R"({
    "scalar": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
    "empty": {"dtype": "F32", "shape": [0, 7], "data_offsets": [4, 4]}})",
                                                                      "1234"));
  const SafetensorsFile file(path);
  ASSERT_EQ(file.tensors().size(), 2u);
  for (const TensorInfo& tensor : file.tensors()) EXPECT_EQ(tensor.bytes.size(), tensor.name == "scalar" ? 4u : 0u);
  EXPECT_TRUE(SafetensorsFile(folder.write("none.safetensors", safetensors_bytes("{}"))).tensors().empty());
}

TEST_F(SafetensorsBad, the_header_is_malformed) {
  expect_refused("", {"truncated"});
  expect_refused("1234567", {"truncated"});
  expect_refused(Bytes().number<std::uint64_t>(3).raw("{}").str(), {"the header's length is 3, and 2 bytes are left"});
  expect_refused(Bytes().number(std::numeric_limits<std::uint64_t>::max()).raw("{}").str(), {"not safetensors"});
  expect_refused(safetensors_bytes("{"), {"not valid JSON"});
  expect_refused(safetensors_bytes(""), {"not valid JSON"});
  expect_refused(safetensors_bytes("{\"\xff\": 1}"), {"not valid JSON"});
  expect_refused(safetensors_bytes("{\"a\": 1e999}"), {"not valid JSON"});
  expect_refused(safetensors_bytes("[]"), {"not a JSON object"});
  expect_refused(safetensors_bytes(std::string(100'000, '[')), {"nested deeper"});
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  expect_refused(safetensors_bytes(deep), {"nested deeper"});
  expect_refused(safetensors_bytes(R"({"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]},
                                       "a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}})"),
                 {"the key \"a\" occurs twice"});
}

TEST_F(SafetensorsBad, an_entry_is_wrong) {
  const auto one = [](std::string_view entry) {
    return safetensors_bytes("{\"a/b\": " + std::string(entry) + "}", std::string(16, '\0'));
  };
  expect_refused(one("7"), {"/a~1b: expected an object, found 7"});
  expect_refused(one(R"({"shape": [4], "data_offsets": [0, 16]})"),
                 {"/a~1b/dtype: expected F32, F16 or BF16, found nothing"});
  expect_refused(one(R"({"dtype": "I32", "shape": [4], "data_offsets": [0, 16]})"), {"/a~1b/dtype", "found \"I32\""});
  expect_refused(one(R"({"dtype": 4, "shape": [4], "data_offsets": [0, 16]})"), {"/a~1b/dtype"});
  expect_refused(one(R"({"dtype": "F32", "shape": 4, "data_offsets": [0, 16]})"), {"/a~1b/shape", "found 4"});
  expect_refused(one(R"({"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]})"), {"/a~1b/shape"});
  expect_refused(one(R"({"dtype": "F32", "shape": [4.0], "data_offsets": [0, 16]})"), {"/a~1b/shape"});
  expect_refused(one(R"({"dtype": "F32", "shape": [18446744073709551615], "data_offsets": [0, 16]})"), {"/a~1b/shape"});
  expect_refused(one(R"({"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 16]})"),
                 {"16 bytes do not hold shape [4294967296, 4294967296] of F32"});
  expect_refused(one(R"({"dtype": "F32", "shape": [5], "data_offsets": [0, 16]})"),
                 {"16 bytes do not hold shape [5] of F32"});
  expect_refused(one(R"({"dtype": "F32", "shape": [4]})"), {"/a~1b/data_offsets"});
  expect_refused(one(R"({"dtype": "F32", "shape": [4], "data_offsets": [0]})"), {"/a~1b/data_offsets"});
  expect_refused(one(R"({"dtype": "F32", "shape": [4], "data_offsets": [16, 0]})"), {"/a~1b/data_offsets"});
  expect_refused(one(R"({"dtype": "F32", "shape": [5], "data_offsets": [0, 20]})"), {"truncated", "ends at offset 20"});
  expect_refused(one(R"({"dtype": "F32", "shape": [3], "data_offsets": [0, 12]})"),
                 {"take 12 bytes, but the file has 16"});
  expect_refused(one(R"({"dtype": "F32", "shape": [3], "data_offsets": [4, 16]})"), {"starts at offset 4"});
}

TEST_F(SafetensorsBad, tensors_overlap) {
  expect_refused(safetensors_bytes(R"({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]},
                                       "b": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}})",
                                   std::string(16, '\0')),
                 {"tensor \"b\" starts at offset 8, but the one before it ends at 12"});
}

TEST_F(SafetensorsBad, truncation_at_every_byte_is_a_data_error) {
  const DamagedFile file(folder_, "bad.safetensors", read_file(reference("plain.safetensors")));
  file.truncate_at_every_byte([&] { EXPECT_THROW(SafetensorsFile{file.path()}, DataError); });
}

TEST_F(SafetensorsBad, every_flipped_byte_loads_or_is_a_data_error) {
  DamagedFile file(folder_, "bad.safetensors", read_file(reference("plain.safetensors")));
  for (std::size_t i = 0; i < file.size(); ++i) {
    for (const char bits : {'\x01', '\x10', '\x80', '\xff'}) {
      file.flip(i, bits);
      expect_no_worse_than_data_error([&] { SafetensorsFile damaged(file.path()); });
    }
    file.restore(i);
  }
}

}  // namespace
}  // namespace catenary::weights
