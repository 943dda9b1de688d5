#include "catenary/weights/share.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "catenary/weights/cost.h"

namespace catenary::weights {
namespace {

namespace fs = std::filesystem;

const fs::path kModels = fs::path(CATENARY_SOURCE_DIR) / "tests/reference/model";

std::vector<Checkpoint> all_models() {
  std::vector<Checkpoint> models;
  for (const auto& folder : fs::directory_iterator(kModels)) {
    if (folder.is_directory()) models.push_back(Checkpoint::open(folder));
  }
  return models;
}

TEST(Share, parts_follow_one_another) {
  for (const int size : {1, 2, 3, 4, 8}) {
    std::int64_t end = 0;
    for (int rank = 0; rank < size; ++rank) {
      const Range part = part_of(50, {rank, size});
      EXPECT_EQ(part.begin, end);
      EXPECT_GE(part_of(50, {size - 1, size}).size(), part.size());
      end = part.end;
    }
    EXPECT_EQ(end, 50);
  }
}

TEST(Share, few_key_value_heads_are_those_of_the_ranks_queries) {
  ModelConfig config;
  config.num_heads = 8;
  config.num_kv_heads = 2;
  for (int rank = 0; rank < 8; ++rank) {
    const Range heads = heads_of(config, {rank, 8}), kv_heads = kv_heads_of(config, {rank, 8});
    EXPECT_EQ(heads.size(), 1);
    EXPECT_EQ(kv_heads.size(), 1);
    EXPECT_EQ(kv_heads.begin, heads.begin / 4);
  }
}

TEST(Share, ranks_together_hold_every_row_and_column_and_what_is_split_once) {
  for (const Checkpoint& model : all_models()) {
    const ModelConfig& config = model.config();
    for (const int size : {2, 4}) {
      if (!share_problem(config, size).empty()) continue;
      SCOPED_TRACE(model.path().string() + " " + std::to_string(size));
      for (const TensorInfo& tensor : model.tensors()) {
        std::int64_t num_elements = 0;
        for (int rank = 0; rank < size; ++rank) {
          const auto part = part_of(tensor.name, tensor.num_rows(), tensor.num_columns(), config, {rank, size});
          num_elements += part.rows.size() * part.columns.size();
          if (!part.is_split) EXPECT_EQ(part.rows.size() * part.columns.size(), tensor.num_elements());
        }
        const bool repeats = num_elements != tensor.num_elements();
        const bool is_kv =
            tensor.name.find(".k_") != std::string::npos || tensor.name.find(".v_") != std::string::npos;
        const auto part = part_of(tensor.name, tensor.num_rows(), tensor.num_columns(), config, {0, size});
        EXPECT_TRUE(!repeats || !part.is_split || (is_kv && config.num_kv_heads < size)) << tensor.name;
      }
    }
  }
}

TEST(Share, seen_as_a_model_it_has_as_many_weights_as_its_parts) {
  for (const Checkpoint& model : all_models()) {
    const ModelConfig& config = model.config();
    for (const int size : {1, 2, 4}) {
      if (!share_problem(config, size).empty()) continue;
      SCOPED_TRACE(model.path().string() + " " + std::to_string(size));
      const auto share = rank_share(config, size);
      const Share last{size - 1, size};
      std::int64_t expected = share->split_parameters + share->replicated_parameters;
      if (config.qk_norm_kind == ModelConfig::QkNorm::kEachHead) {  // read by head
        expected -=
            config.num_layers * config.head_dim *
            (config.num_heads - heads_of(config, last).size() + config.num_kv_heads - kv_heads_of(config, last).size());
      }
      EXPECT_EQ(count_parameters(config_of(config, last)).total, expected);
    }
  }
}

TEST(Share, of_what_is_split_each_rank_holds_its_fraction) {
  ModelConfig config;  // Llama 3 8B
  config.hidden_size = config.embedding_size = 4096;
  config.num_layers = config.num_heads = 32;
  config.num_kv_heads = 8;
  config.head_dim = 128;
  config.intermediate_size = 14336;
  config.vocab_size = 128256;
  const auto whole = static_cast<double>(rank_share(config, 1)->split_parameters);
  for (const int size : {2, 4, 8}) {
    EXPECT_NEAR(static_cast<double>(rank_share(config, size)->split_parameters) * size / whole, 1, 1e-3);
  }
  const double of_16 = static_cast<double>(rank_share(config, 16)->split_parameters) * 16 / whole;
  EXPECT_GT(of_16, 1.01);  // two ranks hold each key-value head
  EXPECT_LT(of_16, 1.05);
}

TEST(Share, what_cannot_be_split_is_told) {
  ModelConfig config;
  config.num_heads = 9;
  config.num_kv_heads = 3;
  config.intermediate_size = config.vocab_size = 100;
  EXPECT_EQ(share_problem(config, 2), "num_heads is 9, which 2 does not divide");
  EXPECT_EQ(share_problem(config, 3), "");
  EXPECT_EQ(share_problem(config, 9), "");
  config.num_heads = config.num_kv_heads = 12;
  config.num_kv_heads = 6;
  EXPECT_EQ(share_problem(config, 4), "num_kv_heads is 6, neither a multiple nor a divisor of 4");
  config.vocab_size = 5;
  EXPECT_EQ(share_problem(config, 6), "vocab_size is 5, less than 6");
}

}  // namespace
}  // namespace catenary::weights
