#include "weights/llama_tensors.h"

#include <set>

#include "weights/fixtures.h"

namespace catenary::weights {
namespace {

TEST(LlamaTensors, there_are_as_many_as_num_layers_says_under_different_names) {
  const ModelConfig config{.architecture = "llama",
                           .hidden_size = 6,
                           .intermediate_size = 10,
                           .num_layers = 12,
                           .num_heads = 4,
                           .num_kv_heads = 2,
                           .head_dim = 8,
                           .vocab_size = 20};
  std::set<std::string> names, gguf_names;
  for (const NeededTensor& tensor : llama_tensors(config)) {
    names.insert(tensor.name);
    gguf_names.insert(tensor.gguf_name);
    if (tensor.name == "model.layers.11.self_attn.o_proj.weight") {
      EXPECT_EQ(tensor.gguf_name, "blk.11.attn_output.weight");
      EXPECT_EQ(tensor.shape, (std::vector<std::int64_t>{6, 32}));  // queries are wider than hidden_size here
    }
  }
  EXPECT_EQ(names.size(), 3u + 12 * kTensorsPerLayer);
  EXPECT_EQ(gguf_names.size(), names.size());
}

TEST(GgufRow, interleaves_the_halves_of_each_head) {
  std::vector<std::int64_t> rows;
  for (std::int64_t row = 0; row < 12; ++row) rows.push_back(gguf_row(row, 6));
  EXPECT_EQ(rows, (std::vector<std::int64_t>{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}));
}

}  // namespace
}  // namespace catenary::weights
