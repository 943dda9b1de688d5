#include "weights/needed_tensors.h"

#include <set>

#include "weights/family.h"
#include "weights/fixtures.h"

namespace catenary::weights {
namespace {

ModelConfig small_config() {
  ModelConfig config = llama_config({.hidden_size = 32, .num_heads = 4, .num_kv_heads = 2, .theta = 1e4, .eps = 1e-5});
  config.intermediate_size = 10;
  config.num_layers = 12;
  config.vocab_size = 20;
  return config;
}

const NeededTensor& find(const std::vector<NeededTensor>& tensors, std::string_view name) {
  return *std::ranges::find_if(tensors, [&](const NeededTensor& tensor) { return tensor.name() == name; });
}

TEST(NeededTensors, names_are_distinct_here_and_in_the_files) {
  const ModelConfig config = small_config();
  const auto tensors = needed_tensors(config, config.num_layers);
  const std::span<const TensorName> tables[] = {kGgufNames};
  std::set<std::string> names, stored;
  for (const NeededTensor& tensor : tensors) {
    names.insert(tensor.name());
    stored.insert(locate(tensor, config, tables).name);
  }
  EXPECT_EQ(names.size(), 3u + 12 * 9);
  EXPECT_EQ(stored.size(), names.size());
  const NeededTensor& o_proj = find(tensors, "model.layers.11.self_attn.o_proj.weight");
  EXPECT_EQ(locate(o_proj, config, tables).name, "blk.11.attn_output.weight");
  EXPECT_EQ(o_proj.shape, (std::vector<std::int64_t>{32, 32}));
}

/// The rows of the file that hold the tensor's, as `layout` says.
std::vector<std::int64_t> rows_of(const Layout& layout, std::int64_t count) {
  std::vector<std::int64_t> rows;
  for (std::int64_t r = 0; r < count; ++r) {
    rows.push_back(layout.first_row + r / layout.run_rows * layout.run_stride + r % layout.run_rows);
  }
  return rows;
}

// view(num_kv_heads, num_heads / num_kv_heads + 2, head_dim) of modeling_falcon.py, with heads of 2 elements.
TEST(Locate, queries_keys_and_values_fused_by_group) {
  ModelConfig config = llama_config({.hidden_size = 8, .num_heads = 4, .num_kv_heads = 2, .theta = 1e4, .eps = 1e-5});
  config.num_layers = config.intermediate_size = config.vocab_size = 1;
  constexpr TensorName kTable[] = {{"self_attn.q_proj", "h.{}.qkv", Rows::kFusedByGroup},
                                   {"self_attn.k_proj", "h.{}.qkv", Rows::kFusedByGroup},
                                   {"self_attn.v_proj", "h.{}.qkv", Rows::kFusedByGroup}};
  const std::span<const TensorName> tables[] = {kTable};
  const auto tensors = needed_tensors(config, 1);
  const auto stored = [&](std::string_view name) { return locate(find(tensors, name), config, tables); };
  using Ints = std::vector<std::int64_t>;
  EXPECT_EQ(rows_of(stored("model.layers.0.self_attn.q_proj.weight").layout, 8), (Ints{0, 1, 2, 3, 8, 9, 10, 11}));
  EXPECT_EQ(rows_of(stored("model.layers.0.self_attn.k_proj.weight").layout, 4), (Ints{4, 5, 12, 13}));
  EXPECT_EQ(rows_of(stored("model.layers.0.self_attn.v_proj.weight").layout, 4), (Ints{6, 7, 14, 15}));
  EXPECT_EQ(stored("model.layers.0.self_attn.k_proj.weight").shape, (Ints{16, 8}));
  EXPECT_EQ(stored("model.layers.0.self_attn.k_proj.weight").name, "h.0.qkv.weight");
}

TEST(Locate, fused_and_transposed) {
  const ModelConfig config = small_config();
  constexpr TensorName kTable[] = {{"self_attn.v_proj", "h.{}.c_attn", Rows::kFusedTransposed}};
  const std::span<const TensorName> tables[] = {kTable};
  const StoredTensor stored =
      locate(find(needed_tensors(config, 1), "model.layers.0.self_attn.v_proj.weight"), config, tables);
  EXPECT_EQ(stored.shape, (std::vector<std::int64_t>{32, 64}));  // [in, out]
  EXPECT_EQ(stored.layout.first_row, 48);
  EXPECT_TRUE(stored.layout.transposed);
}

TEST(InterleavedRow, puts_the_halves_of_each_head_side_by_side) {
  std::vector<std::int64_t> rows;
  for (std::int64_t row = 0; row < 12; ++row) rows.push_back(interleaved_row(row, 6));
  EXPECT_EQ(rows, (std::vector<std::int64_t>{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}));
}

}  // namespace
}  // namespace catenary::weights
