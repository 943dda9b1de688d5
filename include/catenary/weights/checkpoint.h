#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "catenary/weights/gguf.h"
#include "catenary/weights/model_config.h"
#include "catenary/weights/tensor_info.h"

namespace catenary::weights {

/// Rows or columns of a tensor from `begin` on, `end` excluded.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  std::int64_t size() const { return end - begin; }
};

/// A model's weights on disk: a Hugging Face folder (config.json, model.safetensors, or model.safetensors.index.json
/// with its shards) or one GGUF file. Memory-mapped; opening reads headers only. Whatever the family and the container,
/// tensors have the names, shapes and row order of transformers' Llama, and what Llama lacks is named alike
/// (src/weights/needed_tensors.cc): fused, transposed, stacked and permuted tensors are taken apart on reading.
/// Move-only. Reading is thread-safe, and throws DataError if a file was written to since it was opened: a model must
/// not be half of one version and half of another. (A file put in its place by renaming is another file, and not
/// noticed.)
class Checkpoint {
 public:
  /// Throws DataError that names file and key: missing or truncated file, sizes that do not fit the file, an
  /// architecture or a feature that is not supported, a tensor that the architecture needs and the file lacks or has in
  /// another shape.
  static Checkpoint open(const std::filesystem::path& path);

  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  const std::filesystem::path& path() const;
  const ModelConfig& config() const;
  /// The files that hold the weights: all shards of a folder, all parts of a GGUF.
  std::vector<std::filesystem::path> files() const;

  /// The tensors that the model uses, in name order. The bytes of those that share a tensor of the file are all of its
  /// bytes.
  std::span<const TensorInfo> tensors() const;
  const TensorInfo* find_tensor(std::string_view name) const;
  /// Throws DataError if there is no such tensor.
  const TensorInfo& get_tensor(std::string_view name) const;

  /// Copies these rows and columns of a tensor to `out`, row-major, as kF32, kF16 or kBF16; `out` holds exactly their
  /// bytes. What is stored so is copied bit for bit, the rest is decoded to float32 and rounded to the nearest, ties to
  /// even. Touches no other bytes of the file than those of the part and of the blocks that it cuts.
  void read(const TensorInfo& tensor, Range rows, Range columns, Encoding as, std::span<std::byte> out) const;
  /// Brings the files into memory from front to back, in a thread that ends with what is returned: for who is about to
  /// read all tensors, in whatever order. The checkpoint must outlive it.
  std::jthread read_ahead() const;
  /// The whole tensor in float32; `out` holds exactly its elements.
  void read_float32(const TensorInfo& tensor, std::span<float> out) const;

  /// Number of weights; the embedding counts, once when it is tied.
  std::int64_t num_parameters() const;
  /// Of those, embeddings of tokens and positions, and an untied lm_head (see weights/cost.h).
  std::int64_t num_embedding_parameters() const;

  /// Tells these weights from any others: a hash of config, names, shapes, encodings and bytes of all tensors. Reads
  /// the whole file.
  std::string fingerprint() const;

  /// The GGUF metadata (tokenizer, chat template), or nullptr for a Hugging Face folder.
  const GgufFile* gguf() const;

 private:
  struct State;
  explicit Checkpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace catenary::weights
