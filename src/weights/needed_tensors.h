#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/weights/model_config.h"

namespace catenary::weights {

/// A tensor that a model needs, under the name that the decoder asks for. The names are those of transformers' Llama,
/// whatever the family; what Llama lacks is named alike.
struct NeededTensor {
  std::string part;         // "self_attn.q_proj", or "model.norm" outside the layers; what name tables speak of
  std::string suffix;       // ".weight", ".bias"
  std::int64_t layer = -1;  // -1 outside the layers
  std::int64_t expert = -1;
  std::vector<std::int64_t> shape;

  /// "model.layers.3.self_attn.q_proj.weight"
  std::string name() const;
};

/// Every tensor of the model that `config` describes, and no other; of its layers, only those from 0 to num_layers - 1.
std::vector<NeededTensor> needed_tensors(const ModelConfig& config, std::int64_t num_layers);

/// How the rows of a needed tensor lie in the file.
enum class Rows {
  kSame,              // the file's tensor is the needed one
  kTransposed,        // the file has [in, out]
  kFused,             // queries, then keys, then values; or gate, then up
  kFusedTransposed,   // the same as [in, out]
  kFusedByGroup,      // for each key–value head: its queries, its key, its value
  kStackedExperts,    // [experts, out, in]
  kPairsInterleaved,  // rows i and i + head_dim/2 of each head lie side by side (GGUF Llama; LlamaModel.permute of
                      // llama.cpp)
  kUnitOffset,        // 1 was added to every element (GGUF Gemma norms)
};

/// A row of a family's name table: where a part lies in its files.
struct TensorName {
  std::string_view part;
  std::string_view file;  // without suffix; the first {} is the layer, the second the expert
  Rows rows = Rows::kSame;
  bool (*when)(const ModelConfig&) = nullptr;  // the row holds for these models only
  bool has_suffix = true;                      // ".weight" or ".bias" follows
};

/// Row r of a needed tensor is row first_row + (r / run_rows) * run_stride + r % run_rows of the file's.
struct Layout {
  std::int64_t first_row = 0;
  std::int64_t run_rows = 0;    // rows that lie together
  std::int64_t run_stride = 0;  // from one run to the next
  std::int64_t file_rows = 0;
  bool transposed = false;           // "row" above is a column of the file's tensor
  std::int64_t interleaved_dim = 0;  // not 0: within each head of so many rows, pairs lie side by side
  float subtract = 0;                // from every element

  bool is_contiguous() const { return !transposed && interleaved_dim == 0; }
};

/// Where a needed tensor lies: the file's tensor that holds it, that tensor's whole shape, and the rows of it.
struct StoredTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  Layout layout;
};

/// Looks `tensor.part` up in the tables, the first one first. A part that no table names is a fault of the family.
StoredTensor locate(const NeededTensor& tensor, const ModelConfig& config,
                    std::span<const std::span<const TensorName>> tables);

/// Where interleaved heads keep `row` of the tensor with halves.
std::int64_t interleaved_row(std::int64_t row, std::int64_t head_dim);

}  // namespace catenary::weights
