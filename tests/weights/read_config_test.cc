#include "weights/read_config.h"

#include <nlohmann/json.hpp>

#include "weights/fixtures.h"

namespace catenary::weights {
namespace {

using nlohmann::json;

json good_config() {
  return json::parse(R"({
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 128,
    "num_hidden_layers": 3, "num_attention_heads": 8, "vocab_size": 100, "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6})");
}

class HfConfig : public testing::Test {
 protected:
  ModelConfig read(const json& config) { return read_hf_config(folder_.write("config.json", config.dump())).config; }
  ModelConfig read(const char* patch) {
    json config = good_config();
    config.merge_patch(json::parse(patch));
    return read(config);
  }
  void expect_refused(const char* patch, std::vector<std::string> parts) {
    parts.push_back("config.json");
    expect_data_error([&] { read(patch); }, parts);
  }
  TemporaryFolder folder_;
};

TEST_F(HfConfig, defaults_are_those_of_transformers) {
  ModelConfig expected =
      llama_config({.hidden_size = 64, .num_heads = 8, .num_kv_heads = 8, .theta = 10000, .eps = 1e-6});
  expected.intermediate_size = 128;
  expected.num_layers = 3;
  expected.vocab_size = 100;
  expected.max_position_embeddings = 512;
  EXPECT_EQ(read(good_config()), expected);
}

TEST_F(HfConfig, fields_that_are_given_win_over_defaults) {
  EXPECT_EQ(read(R"({"num_key_value_heads": 2})").num_kv_heads, 2);
  EXPECT_EQ(read(R"({"head_dim": 16})").head_dim, 16);
  EXPECT_EQ(read(R"({"tie_word_embeddings": true})").tie_word_embeddings, true);
  EXPECT_EQ(read(R"({"rope_theta": 1e5})").rope.theta, 1e5);
  EXPECT_EQ(read(R"({"rope_theta": 500000})").rope.theta, 5e5);
  EXPECT_EQ(read(R"({"rope_parameters": {"rope_theta": 1e5, "rope_type": "default"}})").rope.theta, 1e5);
}

TEST_F(HfConfig, null_means_absent) {
  json config = good_config();
  for (const char* key : {"num_key_value_heads", "head_dim", "rope_scaling", "quantization_config", "rope_theta"}) {
    config[key] = nullptr;
  }
  EXPECT_EQ(read(config), read(good_config()));
}

TEST_F(HfConfig, harmless_features_switched_off_are_accepted) {
  EXPECT_EQ(
      read(R"({"attention_bias": false, "mlp_bias": false, "hidden_act": "silu", "rope_scaling": {"type": "default"},
                     "partial_rotary_factor": 1.0, "pretraining_tp": 1, "torch_dtype": "bfloat16"})"),
      read(good_config()));
}

TEST_F(HfConfig, features_that_change_the_numbers_are_refused_by_name) {
  expect_refused(R"({"hidden_act": "xielu"})", {"/hidden_act", "xielu", "not supported yet"});
  expect_refused(R"({"rope_scaling": {"type": "axial", "factor": 2}})", {"/rope_scaling/type", "axial"});
  expect_refused(R"({"rope_scaling": {"rope_type": "llama3", "factor": 8}})",
                 {"/rope_scaling/low_freq_factor: is missing", "/rope_scaling/high_freq_factor: is missing"});
  expect_refused(R"({"rope_parameters": {"full_attention": {"rope_theta": 1e4}}})",
                 {"/rope_parameters", "kind of layer"});
  expect_refused(R"({"partial_rotary_factor": 0.5})", {"/partial_rotary_factor", "not supported yet"});
  expect_refused(R"({"quantization_config": {"quant_method": "gptq"}})", {"/quantization_config", "gptq"});
  expect_refused(R"({"rope_theta": 1e4, "rope_parameters": {"rope_theta": 2e4}})",
                 {"/rope_parameters/rope_theta", "differs"});
}

TEST_F(HfConfig, other_architectures_are_named_and_nothing_else_is_said) {
  try {
    read(R"({"model_type": "mamba", "hidden_size": "nonsense"})");
    FAIL();
  } catch (const DataError& e) {
    EXPECT_THAT(e.what(),
                testing::HasSubstr("/model_type: \"mamba\" is not supported yet (supported: "));
    EXPECT_THAT(e.what(), testing::Not(testing::HasSubstr("hidden_size")));
  }
  expect_refused(R"({"architectures": ["LlamaForSequenceClassification"]})",
                 {"/architectures", "LlamaForSequenceClass"});
  expect_refused(R"({"model_type": null, "architectures": null})", {"/model_type: is missing"});
  EXPECT_EQ(read(R"({"model_type": null})").architecture, "llama");
  EXPECT_EQ(read(R"({"architectures": null})").architecture, "llama");
}

TEST_F(HfConfig, all_problems_are_reported_at_once) {
  expect_refused(
      R"({"hidden_size": "64", "intermediate_size": 0, "num_hidden_layers": null, "vocab_size": 3000000000,
                     "max_position_embeddings": 1.5, "rms_norm_eps": -1, "tie_word_embeddings": 1, "rope_theta": "x",
                     "rope_scaling": 3})",
      {"/hidden_size: expected an integer from 1 to 2147483647, found \"64\"",
       "/intermediate_size: expected an integer from 1 to 2147483647, found 0", "/num_hidden_layers: is missing",
       "/vocab_size: expected an integer from 1 to 2147483647, found 3000000000",
       "/max_position_embeddings: expected an integer from 1 to 2147483647, found 1.5",
       "/rms_norm_eps: expected a positive number, found -1", "/tie_word_embeddings: expected true or false",
       "/rope_theta: expected a positive number, found \"x\"", "/rope_scaling: expected an object, found 3"});
}

TEST_F(HfConfig, sizes_must_fit_together) {
  expect_refused(R"({"num_key_value_heads": 3})", {"/num_key_value_heads: 3 does not divide num_attention_heads (8)"});
  expect_refused(R"({"head_dim": 7})", {"/head_dim: 7 is odd"});
  expect_refused(R"({"hidden_size": 65})", {"/head_dim: is missing"});
  expect_refused(R"({"num_attention_heads": 2147483647, "head_dim": 2147483646})",
                 {"num_attention_heads", "more than"});
  expect_refused(R"({"hidden_size": 18446744073709551615})", {"/hidden_size"});
}

TEST_F(HfConfig, a_file_that_is_no_json_object_is_named) {
  expect_data_error([&] { read_hf_config(folder_.write("config.json", "{")); }, {"config.json", "not valid JSON"});
  expect_data_error([&] { read_hf_config(folder_.write("config.json", "3")); },
                    {"config.json", "expected a JSON object"});
}

GgufBuilder good_gguf() {
  GgufBuilder builder;
  builder.string("general.architecture", "llama")
      .uint32("llama.block_count", 3)
      .uint32("llama.context_length", 512)
      .uint32("llama.embedding_length", 64)
      .uint32("llama.feed_forward_length", 128)
      .uint32("llama.attention.head_count", 8)
      .float32("llama.attention.layer_norm_rms_epsilon", 1e-6f)
      .tensor("token_embd.weight", {64, 100}, 1, std::string(12800, '\0'));
  return builder;
}

class GgufConfig : public testing::Test {
 protected:
  ModelConfig read(const GgufBuilder& builder) {
    return read_gguf_config(GgufFile(folder_.write("model.gguf", builder.build()))).config;
  }
  void expect_refused(const GgufBuilder& builder, std::vector<std::string> parts) {
    parts.push_back("model.gguf");
    expect_data_error([&] { read(builder); }, parts);
  }
  TemporaryFolder folder_;
};

TEST_F(GgufConfig, equals_that_of_the_same_hugging_face_model) {
  ModelConfig expected = read_hf_config(folder_.write("config.json", good_config().dump())).config;
  expected.tie_word_embeddings = true;  // GGUF has no field for it: there is no output.weight
  EXPECT_EQ(read(good_gguf()), expected);
  expected.tie_word_embeddings = false;
  EXPECT_EQ(read(good_gguf().tensor("output.weight", {1}, 0, "1234")), expected);
}

TEST_F(GgufConfig, optional_keys_are_read) {
  GgufBuilder builder = good_gguf();
  builder.uint32("llama.attention.head_count_kv", 2)
      .uint32("llama.attention.key_length", 16)
      .uint32("llama.attention.value_length", 16)
      .uint32("llama.rope.dimension_count", 16)
      .uint32("llama.vocab_size", 100)
      .float32("llama.rope.freq_base", 1e5f)
      .string("llama.rope.scaling.type", "none");
  const ModelConfig config = read(builder);
  EXPECT_EQ(config.num_kv_heads, 2);
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.rope.theta, 1e5);
}

TEST_F(GgufConfig, features_that_change_the_numbers_are_refused_by_name) {
  expect_refused(good_gguf().string("llama.rope.scaling.type", "yarn"), {"llama.rope.scaling.type", "yarn"});
  expect_refused(good_gguf().float32("llama.rope.scaling.factor", 2), {"llama.rope.scaling.factor"});
  expect_refused(good_gguf().tensor("rope_freqs.weight", {4}, 0, std::string(16, '\0')),
                 {"rope_freqs.weight: expected one positive number for each pair"});
  expect_refused(good_gguf().uint32("llama.rope.dimension_count", 4), {"llama.rope.dimension_count"});
  expect_refused(good_gguf().uint32("llama.expert_count", 8), {"llama.expert_count"});
  EXPECT_NO_THROW(read(good_gguf().uint32("llama.expert_count", 0).float32("llama.rope.scaling.factor", 1)));
}

TEST_F(GgufConfig, all_problems_are_reported_at_once) {
  GgufBuilder builder;
  builder.string("general.architecture", "llama")
      .uint32("llama.block_count", 0)
      .uint32("llama.attention.head_count", 3);
  expect_refused(builder, {"llama.block_count: expected an integer from 1 to 2147483647, found 0",
                           "llama.embedding_length: is missing", "llama.feed_forward_length: is missing",
                           "llama.context_length: is missing", "llama.vocab_size: is missing",
                           "llama.attention.layer_norm_rms_epsilon: is missing"});
}

TEST_F(GgufConfig, other_architectures_and_types_are_named) {
  expect_refused(GgufBuilder().string("general.architecture", "mamba"),
                 {"\"mamba\" is not supported yet (supported: gemma3, llama, qwen2, qwen3)"});
  expect_refused(GgufBuilder(), {"general.architecture is missing"});
  expect_refused(GgufBuilder().string("general.architecture", "llama").string("llama.embedding_length", "64"),
                 {"llama.embedding_length is not an integer"});
}

}  // namespace
}  // namespace catenary::weights
