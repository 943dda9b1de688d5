#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/model/decoder.h"
#include "catenary/weights/share.h"

namespace catenary::model {

at::ScalarType scalar_type(spec::DType dtype);

// Tokens of the vocabulary whose logits are computed together, and the rows: on a CPU 8 MiB of float32, which stay in
// the cache.
inline constexpr std::int64_t kVocabularyPart = 8192;
inline std::int64_t logit_rows_at_a_time(at::Device device) {
  return device.is_cpu() ? 256 : 4096;
}

// Tokens that go through a layer at a time: on a CPU as many as stay in the cache.
inline std::int64_t tokens_at_a_time(at::Device device) {
  return device.is_cpu() ? 1024 : 8192;
}

/// Reads a checkpoint's tensors into the decoder's dtype and puts them on its device. Projections of one input are put
/// below one another: one product instead of several. Names are as in weights::Checkpoint.
class Decoder::Loader {
 public:
  /// Keeps a reference to the checkpoint. Of each tensor it reads the share's part; biases of what ranks sum are the
  /// first rank's alone. `pinned`: on the host, in page-locked memory, as a GPU wants to be sent it.
  Loader(const weights::Checkpoint& checkpoint, spec::DType dtype, at::Device device, const weights::Share& share,
         bool pinned = false);

  at::Tensor load(const std::string& name) const;
  /// `names` without ".weight" and ".bias".
  Linear load_linear(const std::vector<std::string>& names, bool has_bias) const;
  Linear load_linear(const std::string& name, bool has_bias) const;
  /// Rows [first, end) of one, counted in the whole tensor.
  Linear load_rows(const std::string& name, std::int64_t first, std::int64_t end, bool has_bias) const;
  /// Some rows of a whole tensor, in this order: [rows.size(), columns].
  at::Tensor load_rows_of(const std::string& name, std::span<const std::int32_t> rows) const;
  Norm load_norm(const std::string& name, const weights::NormConfig& config) const;
  Norm load_qk_norm(const std::string& name, const weights::ModelConfig& config, const weights::Range& heads) const;
  /// `name` is "model.layers.0.mlp", say.
  Mlp load_mlp(const std::string& name, const weights::ModelConfig& config) const;

 private:
  struct Part {
    const weights::TensorInfo* tensor;
    weights::Range rows, columns;
  };
  /// They lie below one another.
  using Parts = std::vector<Part>;

  Parts find(const std::vector<std::string>& names, std::string_view suffix) const;
  static std::int64_t num_rows(const Parts& parts);
  void read(const Parts& parts, std::int64_t first, std::int64_t end, at::ScalarType dtype, std::byte* out) const;
  Linear load_parts(const Parts& parts) const;
  at::Tensor load_parts(const Parts& parts, at::ScalarType dtype) const;
  at::Tensor load_below(const std::vector<std::string>& names, std::string_view suffix, at::ScalarType dtype) const;
  at::TensorOptions options() const { return at::TensorOptions().dtype(dtype_).device(device_).pinned_memory(pinned_); }

  const weights::Checkpoint& checkpoint_;
  at::ScalarType dtype_;
  at::Device device_;
  weights::Share share_;
  bool pinned_;
};

}  // namespace catenary::model
