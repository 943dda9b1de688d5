#include "catenary/weights/checkpoint.h"

#include <chrono>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "weights/family.h"
#include "weights/fixtures.h"
#include "weights/needed_tensors.h"

namespace catenary::weights {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<float> floats_of(const Checkpoint& checkpoint, const TensorInfo& tensor) {
  std::vector<float> out(tensor.num_elements());
  checkpoint.read_float32(tensor, out);
  return out;
}

/// A Hugging Face folder in memory, to be changed and written out.
struct Folder {
  json config = json::parse(read_file(reference("tiny/config.json")));
  std::map<std::string, std::pair<std::vector<std::int64_t>, std::vector<float>>> tensors;

  Folder() {
    const Checkpoint tiny = Checkpoint::open(reference("tiny"));
    for (const TensorInfo& t : tiny.tensors()) tensors[t.name] = {t.shape, floats_of(tiny, t)};
  }

  /// The tensors whose index is `remainder` modulo `shards`.
  std::string shard(std::size_t shards = 1, std::size_t remainder = 0) const {
    json header = json::object();
    std::string data;
    std::size_t i = 0;
    for (const auto& [name, tensor] : tensors) {
      if (i++ % shards != remainder) continue;
      const std::size_t begin = data.size();
      data += bytes_of(tensor.second);
      header[name] = {{"dtype", "F32"}, {"shape", tensor.first}, {"data_offsets", {begin, data.size()}}};
    }
    return safetensors_bytes(header.dump(), data);
  }

  const fs::path& write(const TemporaryFolder& to) const {
    to.write("config.json", config.dump());
    to.write("model.safetensors", shard());
    return to.path();
  }

  const fs::path& write_shards(const TemporaryFolder& to) const {
    json map;
    std::size_t i = 0;
    for (const auto& entry : tensors) map[entry.first] = shard_name(i++ % 3);
    to.write("config.json", config.dump());
    to.write("model.safetensors.index.json", json{{"metadata", json::object()}, {"weight_map", map}}.dump());
    for (i = 0; i < 3; ++i) to.write(shard_name(i), shard(3, i));
    return to.path();
  }

  static std::string shard_name(std::size_t i) {
    return "model-0000" + std::to_string(i + 1) + "-of-00003.safetensors";
  }
};

/// The same model as GGUF, all float32, with the rows of q_proj and k_proj interleaved where `interleave`.
GgufBuilder gguf_of(const Folder& folder, const ModelConfig& c, bool interleave = true) {
  const auto u32 = [](std::int64_t size) { return static_cast<std::uint32_t>(size); };
  GgufBuilder builder;
  builder.string("general.architecture", "llama")
      .uint32("llama.block_count", u32(c.num_layers))
      .uint32("llama.context_length", u32(c.max_position_embeddings))
      .uint32("llama.embedding_length", u32(c.hidden_size))
      .uint32("llama.feed_forward_length", u32(c.intermediate_size))
      .uint32("llama.attention.head_count", u32(c.num_heads))
      .uint32("llama.attention.head_count_kv", u32(c.num_kv_heads))
      .float32("llama.attention.layer_norm_rms_epsilon", static_cast<float>(c.norm.eps))
      .float32("llama.rope.freq_base", static_cast<float>(c.rope.theta));
  const std::span<const TensorName> tables[] = {find_gguf_family("llama")->gguf->names, kGgufNames};
  for (const NeededTensor& needed : needed_tensors(c, c.num_layers)) {
    const auto& [shape, floats] = folder.tensors.at(needed.name());
    std::vector<float> stored = floats;
    if (interleave && (needed.part == "self_attn.q_proj" || needed.part == "self_attn.k_proj")) {
      for (std::int64_t row = 0; row < shape[0]; ++row) {
        std::copy_n(floats.begin() + row * shape[1], shape[1],
                    stored.begin() + interleaved_row(row, c.head_dim) * shape[1]);
      }
    }
    builder.tensor(locate(needed, c, tables).name, {shape.rbegin(), shape.rend()}, 0, bytes_of(stored));
  }
  return builder;
}

// ---- what is read -----------------------------------------------------------------------------------------------

TEST(Checkpoint, gguf_and_hugging_face_folder_of_one_model_give_the_same) {
  const Checkpoint gguf = Checkpoint::open(reference("tiny.gguf"));
  const Checkpoint folder = Checkpoint::open(reference("tiny"));
  EXPECT_EQ(gguf.config(), folder.config());
  EXPECT_EQ(gguf.config().num_kv_heads, 2);
  EXPECT_EQ(gguf.num_parameters(), folder.num_parameters());
  ASSERT_EQ(gguf.tensors().size(), folder.tensors().size());
  for (std::size_t i = 0; i < gguf.tensors().size(); ++i) {
    const TensorInfo& a = gguf.tensors()[i];
    const TensorInfo& b = folder.tensors()[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.shape, b.shape);
    EXPECT_EQ(floats_of(gguf, a), floats_of(folder, b)) << a.name;
  }
  EXPECT_NE(gguf.gguf(), nullptr);
  EXPECT_EQ(folder.gguf(), nullptr);
  EXPECT_NE(gguf.fingerprint(), folder.fingerprint());  // other encodings
}

TEST(Checkpoint, the_parts_of_a_split_gguf_are_one_model) {
  const Folder folder;
  const auto config = Checkpoint::open(reference("tiny")).config();
  const GgufBuilder whole = gguf_of(folder, config);
  // as llama-gguf-split makes them with --no-tensor-first-split: metadata, then tensors
  GgufBuilder first = whole, second, third;
  first.tensors.clear();
  first.data.clear();
  const auto name = [](int part) { return "model-0000" + std::to_string(part) + "-of-00003.gguf"; };
  int i = 0;
  for (const GgufBuilder::Tensor& t : whole.tensors) {
    std::size_t size = sizeof(float);
    for (const auto n : t.dimensions) size *= n;
    (i++ % 2 == 0 ? second : third).tensor(t.name, t.dimensions, t.type, whole.data.substr(t.offset, size));
  }
  const auto write_all = [&](const TemporaryFolder& to, std::uint32_t tensors) {
    std::uint32_t no = 0;
    for (GgufBuilder builder : {first, second, third}) {
      builder.uint32("split.no", no++).uint32("split.count", 3).uint32("split.tensors.count", tensors);
      to.write(name(static_cast<int>(no)), builder.build());
    }
  };
  const TemporaryFolder to;
  const auto num_tensors = static_cast<std::uint32_t>(whole.tensors.size());
  write_all(to, num_tensors);
  const Checkpoint split = Checkpoint::open(to.path() / name(1));
  EXPECT_EQ(split.fingerprint(), Checkpoint::open(reference("tiny")).fingerprint());
  EXPECT_THAT(split.files(), testing::ElementsAre(to.path() / name(1), to.path() / name(2), to.path() / name(3)));

  expect_data_error([&] { Checkpoint::open(to.path() / name(2)); }, {name(2), "give the first"});
  write_all(to, num_tensors + 1);
  expect_data_error([&] { Checkpoint::open(to.path() / name(1)); }, {"split.tensors.count is"});
  write_all(to, num_tensors);
  fs::copy_file(to.path() / name(2), to.path() / name(3), fs::copy_options::overwrite_existing);
  expect_data_error([&] { Checkpoint::open(to.path() / name(1)); }, {name(3), "this is part 3 of 3"});
  fs::remove(to.path() / name(3));
  expect_data_error([&] { Checkpoint::open(to.path() / name(1)); }, {name(3), "No such file"});
}

TEST(Checkpoint, tensors_are_found_by_name) {
  const Checkpoint checkpoint = Checkpoint::open(reference("tiny"));
  EXPECT_TRUE(std::ranges::is_sorted(checkpoint.tensors(), {}, &TensorInfo::name));
  for (const TensorInfo& tensor : checkpoint.tensors()) EXPECT_EQ(checkpoint.find_tensor(tensor.name), &tensor);
  EXPECT_EQ(checkpoint.find_tensor("model.layers.2.mlp.up_proj.weight"), nullptr);
  expect_data_error([&] { checkpoint.get_tensor("no.such.tensor"); }, {"tiny", "no.such.tensor"});
}

TEST(Checkpoint, a_part_outside_the_tensor_or_an_output_of_another_size_is_a_mistake) {
  const Checkpoint checkpoint = Checkpoint::open(reference("tiny"));
  const TensorInfo& tensor = checkpoint.get_tensor("model.layers.0.mlp.up_proj.weight");  // [32, 32]
  std::vector<std::byte> out(3 * 4 * sizeof(float));
  checkpoint.read(tensor, {29, 32}, {28, 32}, Encoding::kF32, out);
  EXPECT_THROW(checkpoint.read(tensor, {30, 33}, {0, 4}, Encoding::kF32, out), std::logic_error);
  EXPECT_THROW(checkpoint.read(tensor, {-1, 2}, {0, 4}, Encoding::kF32, out), std::logic_error);
  EXPECT_THROW(checkpoint.read(tensor, {0, 3}, {29, 33}, Encoding::kF32, out), std::logic_error);
  EXPECT_THROW(checkpoint.read(tensor, {3, 0}, {4, 0}, Encoding::kF32, out), std::logic_error);
  EXPECT_THROW(checkpoint.read(tensor, {0, 3}, {0, 5}, Encoding::kF32, out), std::logic_error);
  EXPECT_THROW(checkpoint.read(tensor, {0, 3}, {0, 4}, Encoding::kBF16, out), std::logic_error);
  EXPECT_THROW(checkpoint.read(tensor, {0, 3}, {0, 4}, Encoding::kQ8_0, out), std::logic_error);
}

TEST(Checkpoint, parameters_are_counted_once) {
  const Checkpoint checkpoint = Checkpoint::open(reference("tiny"));
  EXPECT_EQ(checkpoint.num_embedding_parameters(), 2 * 40 * 32);
  EXPECT_EQ(checkpoint.num_parameters(), 2 * 40 * 32 + 32 + 2 * (2 * 32 + 2 * 32 * 32 + 2 * 16 * 32 + 3 * 32 * 32));
  Folder folder;
  folder.config["tie_word_embeddings"] = true;
  folder.tensors.erase("lm_head.weight");
  const TemporaryFolder tied;
  const Checkpoint other = Checkpoint::open(folder.write(tied));
  EXPECT_EQ(other.num_embedding_parameters(), 40 * 32);
  EXPECT_EQ(other.num_parameters(), checkpoint.num_parameters() - 40 * 32);
}

TEST(Checkpoint, a_move_keeps_everything_valid) {
  Checkpoint a = Checkpoint::open(reference("tiny.gguf"));
  const TensorInfo& tensor = a.tensors()[0];
  const auto before = floats_of(a, tensor);
  const Checkpoint b = std::move(a);
  EXPECT_EQ(floats_of(b, tensor), before);
}

TEST(Checkpoint, a_file_that_is_written_to_after_it_was_opened_is_not_read_further) {
  const fs::path gpt2 = fs::path(CATENARY_SOURCE_DIR) / "tests/reference/model/gpt2";  // read through the mapping
  for (const fs::path& model : {reference("tiny"), gpt2}) {
    const std::string good = read_file(model / "model.safetensors");
    const TemporaryFolder to;
    fs::copy_file(model / "config.json", to.path() / "config.json");
    const fs::path file = to.write("model.safetensors", good);
    const auto expect_refused = [&](auto change) {
      const Checkpoint checkpoint = Checkpoint::open(to.path());
      const TensorInfo& tensor = checkpoint.get_tensor("model.layers.0.mlp.up_proj.weight");
      EXPECT_NO_THROW(floats_of(checkpoint, tensor));
      change();
      const std::vector<std::string> message{"model.safetensors: was written to since it was opened"};
      expect_data_error([&] { floats_of(checkpoint, tensor); }, message);
      expect_data_error([&] { checkpoint.fingerprint(); }, message);
      to.write("model.safetensors", good);
    };
    expect_refused([&] { fs::resize_file(file, good.size() + 1); });
    expect_refused([&] { fs::resize_file(file, 0); });
    expect_refused([&] { fs::last_write_time(file, fs::last_write_time(file) + std::chrono::nanoseconds(1)); });

    const Checkpoint checkpoint = Checkpoint::open(to.path());
    const std::string before = checkpoint.fingerprint();
    fs::rename(to.write("new", "another version"), file);
    EXPECT_EQ(checkpoint.fingerprint(), before);
  }
}

// ---- fingerprints -----------------------------------------------------------------------------------------------

TEST(Fingerprint, does_not_depend_on_how_the_weights_are_stored) {
  const Folder folder;
  const TemporaryFolder one, shards, gguf;
  const auto expected = Checkpoint::open(reference("tiny")).fingerprint();
  EXPECT_EQ(Checkpoint::open(folder.write(one)).fingerprint(), expected);
  const Checkpoint sharded = Checkpoint::open(folder.write_shards(shards));
  EXPECT_EQ(sharded.fingerprint(), expected);
  EXPECT_THAT(sharded.files(), testing::UnorderedElementsAre(shards.path() / Folder::shard_name(0),
                                                             shards.path() / Folder::shard_name(1),
                                                             shards.path() / Folder::shard_name(2)));
  const GgufBuilder builder = gguf_of(folder, sharded.config());
  EXPECT_EQ(Checkpoint::open(gguf.write("model.gguf", builder.build())).fingerprint(), expected);
}

TEST(Fingerprint, changes_with_config_weights_and_row_order) {
  const Folder original;
  const TemporaryFolder changed;
  const auto fingerprint = Checkpoint::open(original.write(changed)).fingerprint();
  {
    Folder folder;
    folder.config["rms_norm_eps"] = 2e-5;
    EXPECT_NE(Checkpoint::open(folder.write(changed)).fingerprint(), fingerprint);
  }
  {
    Folder folder;
    folder.tensors["model.norm.weight"].second.back() += 1e-6f;
    EXPECT_NE(Checkpoint::open(folder.write(changed)).fingerprint(), fingerprint);
  }
  {
    Folder folder;
    std::swap(folder.tensors["model.layers.0.mlp.up_proj.weight"],
              folder.tensors["model.layers.0.mlp.gate_proj.weight"]);
    EXPECT_NE(Checkpoint::open(folder.write(changed)).fingerprint(), fingerprint);
  }
  const auto config = Checkpoint::open(reference("tiny")).config();
  const auto path = changed.write("model.gguf", gguf_of(original, config, false).build());
  EXPECT_NE(Checkpoint::open(path).fingerprint(), fingerprint);
}

// ---- what is refused --------------------------------------------------------------------------------------------

class CheckpointBad : public testing::Test {
 protected:
  void expect_refused(std::vector<std::string> parts) { expect_refused(to_.path(), std::move(parts)); }
  static void expect_refused(const fs::path& path, std::vector<std::string> parts) {
    parts.push_back(path.filename().string());
    expect_data_error([&] { Checkpoint::open(path); }, parts);
  }
  TemporaryFolder to_;
  Folder folder_;
};

TEST_F(CheckpointBad, paths_that_are_no_checkpoint_say_what_to_do) {
  expect_refused("/nonexistent/model", {"/nonexistent/model: no such file or folder"});
  expect_refused({"no config.json in this folder"});
  to_.write("other.gguf", "");
  expect_refused({"to read a GGUF file, give its own path", "other.gguf"});
  to_.write("config.json", folder_.config.dump());
  expect_refused({"neither model.safetensors nor model.safetensors.index.json"});
  to_.write("pytorch_model.bin", "");
  expect_refused({"PyTorch's .bin format", "Convert them to safetensors", "save_pretrained"});
  expect_refused(to_.path() / "config.json", {"give the folder"});
  expect_refused(to_.write("model.safetensors", ""), {"give the folder"});
  expect_refused(to_.write("model.onnx", ""), {"expected a Hugging Face folder or a .gguf file"});
}

TEST_F(CheckpointBad, missing_and_misshapen_tensors_are_all_listed) {
  folder_.tensors.erase("model.norm.weight");
  folder_.tensors.erase("model.layers.1.self_attn.k_proj.weight");
  folder_.tensors["model.layers.0.mlp.up_proj.weight"].first = {16, 64};
  folder_.write(to_);
  expect_refused({"tensor \"model.norm.weight\" is missing",
                  "tensor \"model.layers.1.self_attn.k_proj.weight\" is missing",
                  "tensor \"model.layers.0.mlp.up_proj.weight\" has shape [16, 64], and the config needs [32, 32]"});
}

TEST_F(CheckpointBad, a_config_for_another_model_does_not_fit) {
  folder_.config["num_hidden_layers"] = 3;
  folder_.write(to_);
  expect_refused({"3 layers need more than the file's 21 tensors"});
  folder_.config["num_hidden_layers"] = 2147483647;
  folder_.write(to_);
  expect_refused({"2147483647 layers need more"});
  folder_.config["num_hidden_layers"] = 1;
  folder_.write(to_);
  expect_refused({"tensor \"model.layers.1.mlp.down_proj.weight\" is not part of a llama model with this config"});
}

TEST_F(CheckpointBad, a_bias_is_refused_and_rotary_frequencies_are_not) {
  folder_.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {{4}, std::vector<float>(4)};
  folder_.write(to_);
  const Checkpoint checkpoint = Checkpoint::open(to_.path());
  EXPECT_EQ(checkpoint.fingerprint(), Checkpoint::open(reference("tiny")).fingerprint());
  folder_.tensors["model.layers.0.self_attn.q_proj.bias"] = {{32}, std::vector<float>(32)};
  folder_.write(to_);
  expect_refused({"tensor \"model.layers.0.self_attn.q_proj.bias\" is not part of a llama model"});
}

TEST_F(CheckpointBad, lm_head_and_tie_word_embeddings_must_agree) {
  folder_.config["tie_word_embeddings"] = true;
  folder_.write(to_);
  expect_refused({"tensor \"lm_head.weight\" differs from the embedding, although tie_word_embeddings is true"});
  folder_.tensors["lm_head.weight"] = folder_.tensors["model.embed_tokens.weight"];
  folder_.write(to_);
  EXPECT_EQ(Checkpoint::open(to_.path()).find_tensor("lm_head.weight"), nullptr);
  folder_.config.erase("tie_word_embeddings");
  folder_.tensors.erase("lm_head.weight");
  folder_.write(to_);
  expect_refused({"tensor \"lm_head.weight\" is missing, and tie_word_embeddings is not true"});
}

TEST_F(CheckpointBad, an_index_names_files_of_its_own_folder_only) {
  for (const std::string name : {"../model.safetensors", "/etc/model.safetensors", "a/b.safetensors",
                                 "a\\b.safetensors", "..", "", ".", "model.bin"}) {
    folder_.write_shards(to_);
    to_.write("model.safetensors.index.json", json{{"weight_map", {{"a/b", name}}}}.dump());
    expect_refused({"model.safetensors.index.json", "/weight_map/a~1b: expected the name of a .safetensors file"});
  }
  to_.write("model.safetensors.index.json", json{{"weight_map", {{"a", std::string("x\0.safetensors", 14)}}}}.dump());
  expect_refused({"/weight_map/a: expected the name of a .safetensors file"});
}

TEST_F(CheckpointBad, an_index_that_does_not_match_its_shards) {
  folder_.write_shards(to_);
  fs::remove(to_.path() / Folder::shard_name(1));
  expect_refused({Folder::shard_name(1), "No such file"});
  to_.write(Folder::shard_name(1), folder_.shard(3, 0));
  expect_refused({Folder::shard_name(1), "lacks tensor"});
  to_.write(Folder::shard_name(1), folder_.shard());
  expect_refused({"is also in another shard"});
  for (const char* index : {"[]", "{}", R"({"weight_map": []})"}) {
    to_.write("model.safetensors.index.json", index);
    expect_refused({"model.safetensors.index.json", "/weight_map: expected an object"});
  }
  to_.write("model.safetensors.index.json", R"({"weight_map": {"a": 3}})");
  expect_refused({"/weight_map/a: expected a file name"});
  to_.write("model.safetensors.index.json", R"({"weight_map": {}})");
  expect_refused({"layers need more than the file's 0 tensors"});
}

TEST_F(CheckpointBad, gguf_tensors_are_checked_under_their_own_names) {
  const auto config = Checkpoint::open(reference("tiny")).config();
  GgufBuilder builder = gguf_of(folder_, config);
  builder.tensor("blk.0.attn_q.bias", {32}, 0, std::string(128, '\0'));
  expect_refused(to_.write("model.gguf", builder.build()), {"tensor \"blk.0.attn_q.bias\" is not part"});
  builder.tensors.back().name = "blk.0.attn_norm.weight2";
  builder.tensors.erase(builder.tensors.begin() + 5);
  expect_refused(to_.write("model.gguf", builder.build()), {"is missing"});
}

TEST_F(CheckpointBad, truncation_at_every_byte_is_a_data_error) {
  const DamagedFile file(to_, "model.gguf", read_file(reference("tiny.gguf")));
  EXPECT_NO_THROW(Checkpoint::open(file.path()));
  file.truncate_at_every_byte([&] { EXPECT_THROW(Checkpoint::open(file.path()), DataError); });
}

TEST_F(CheckpointBad, every_flipped_byte_of_the_metadata_loads_or_is_a_data_error) {
  DamagedFile file(to_, "model.gguf", read_file(reference("tiny.gguf")));
  std::size_t metadata_size = file.size();  // and a little more, for the padding between tensors
  const GgufFile good(reference("tiny.gguf"));
  for (const TensorInfo& tensor : good.tensors()) metadata_size -= tensor.bytes.size();
  int loaded = 0;
  for (std::size_t i = 0; i < metadata_size; ++i) {
    for (const char bits : {'\x01', '\x40', '\xff'}) {
      file.flip(i, bits);
      expect_no_worse_than_data_error([&] {
        const Checkpoint checkpoint = Checkpoint::open(file.path());
        for (const TensorInfo& tensor : checkpoint.tensors()) floats_of(checkpoint, tensor);
        ++loaded;
      });
    }
    file.restore(i);
  }
  EXPECT_GT(loaded, 0);  // with another letter in a token, for instance
  EXPECT_NO_THROW(Checkpoint::open(file.path()));
}

// ---- a real model -----------------------------------------------------------------------------------------------

class RealModel : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(CATENARY_TEST_MODEL)) GTEST_SKIP() << "no SmolLM2-135M at " CATENARY_TEST_MODEL " (cmake/setup.sh)";
  }
};

TEST_F(RealModel, config_and_parameters_are_those_published) {
  const Checkpoint checkpoint = Checkpoint::open(CATENARY_TEST_MODEL);
  ModelConfig expected =
      llama_config({.hidden_size = 576, .num_heads = 9, .num_kv_heads = 3, .theta = 100000, .eps = 1e-5});
  expected.intermediate_size = 1536;
  expected.num_layers = 30;
  expected.vocab_size = 49152;
  expected.max_position_embeddings = 8192;
  expected.tie_word_embeddings = true;
  EXPECT_EQ(checkpoint.config(), expected);
  EXPECT_EQ(checkpoint.num_parameters(), 134515008);
  EXPECT_EQ(checkpoint.num_embedding_parameters(), 49152 * 576);
  EXPECT_EQ(checkpoint.gguf()->get_strings("tokenizer.ggml.tokens").size(), 49152u);
}

// smollm2_sums.txt: sums in float64 by gguf 0.19.0 and numpy 2.4.6, see make_reference.py. Float64 sums of these
// lengths depend on their order by less than 1e-12 of the sum of magnitudes.
TEST_F(RealModel, sums_of_tensors_equal_those_of_the_gguf_package) {
  const Checkpoint checkpoint = Checkpoint::open(CATENARY_TEST_MODEL);
  std::ifstream in(reference("smollm2_sums.txt"));
  std::string name;
  double sum = 0, weighted = 0;
  int compared = 0;
  while (in >> name >> sum >> weighted) {
    const auto floats = floats_of(checkpoint, checkpoint.get_tensor(name));
    double got = 0, got_weighted = 0, magnitudes = 0, weighted_magnitudes = 0;
    for (std::size_t i = 0; i < floats.size(); ++i) {
      const double w = floats[i];
      const auto factor = static_cast<double>(i % 1009);
      got += w;
      got_weighted += w * factor;
      magnitudes += std::abs(w);
      weighted_magnitudes += std::abs(w) * factor;
    }
    EXPECT_NEAR(got, sum, 1e-12 * magnitudes) << name;
    EXPECT_NEAR(got_weighted, weighted, 1e-12 * weighted_magnitudes) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 8);
}

TEST_F(RealModel, loads_to_float32_in_seconds) {
  const auto begin = std::chrono::steady_clock::now();
  const Checkpoint checkpoint = Checkpoint::open(CATENARY_TEST_MODEL);
  const std::chrono::duration<double> opened = std::chrono::steady_clock::now() - begin;
  std::vector<float> floats(checkpoint.get_tensor("model.embed_tokens.weight").num_elements());
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    checkpoint.read_float32(tensor, std::span(floats).first(tensor.num_elements()));
  }
  const std::chrono::duration<double> loaded = std::chrono::steady_clock::now() - begin;
  RecordProperty("opened_seconds", std::to_string(opened.count()));
  RecordProperty("loaded_seconds", std::to_string(loaded.count()));
  EXPECT_LT(loaded.count(), 20.0);  // 0.2 s on a quiet machine; a sanitizer takes longer
}

}  // namespace
}  // namespace catenary::weights
