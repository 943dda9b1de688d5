// Weights are copied, even where the file has them in the decoder's dtype and a tensor could lie over the mapping:
// products are 2 to 4 % faster with oneDNN's layout (docs/engine.md); where at::linear multiplies, last bits depend on
// where its operands are aligned, and files do not align them alike; a file that is overwritten must not change a model
// that is in use; and a copy lies in huge pages and is not read again when memory is short.
//
// Copying costs little more than reading if it takes all threads, lies in huge pages (huge_pages.h), and what is
// converted or laid out otherwise (linear.h) is so from a buffer that stays in the cache. So nothing is held twice.
#include "model/loader.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "catenary/base/check.h"
#include "model/linear.h"

namespace catenary::model {

at::ScalarType scalar_type(spec::DType dtype) {
  switch (dtype) {
    case spec::DType::kFloat32:
      return at::kFloat;
    case spec::DType::kFloat16:
      return at::kHalf;
    case spec::DType::kBFloat16:
      return at::kBFloat16;
  }
  check(false, "every dtype is listed");
  return {};
}

namespace {

weights::Encoding encoding_of(at::ScalarType dtype) {
  using enum weights::Encoding;
  return dtype == at::kFloat ? kF32 : dtype == at::kHalf ? kF16 : kBF16;
}

}  // namespace

Decoder::Loader::Loader(const weights::Checkpoint& checkpoint, spec::DType dtype, at::Device device,
                        const weights::Share& share, bool pinned)
    : checkpoint_(checkpoint), dtype_(scalar_type(dtype)), device_(device), share_(share), pinned_(pinned) {}

at::Tensor Decoder::Loader::load(const std::string& name) const {
  return load_below({name}, "", dtype_);
}

Linear Decoder::Loader::load_linear(const std::vector<std::string>& names, bool has_bias) const {
  const Parts weights = find(names, ".weight");
  Linear linear = load_parts(weights);
  const bool is_summed = weights.front().columns.size() < weights.front().tensor->num_columns();
  if (has_bias && (share_.rank == 0 || !is_summed)) linear.bias = load_below(names, ".bias", dtype_);
  return linear;
}

Linear Decoder::Loader::load_rows(const std::string& name, std::int64_t first, std::int64_t end, bool has_bias) const {
  const auto rows_of = [&](const std::string& tensor_name) -> Parts {
    const weights::TensorInfo& tensor = checkpoint_.get_tensor(tensor_name);
    return {{&tensor, {first, end}, {0, tensor.num_columns()}}};
  };
  Linear linear = load_parts(rows_of(name + ".weight"));
  if (has_bias) linear.bias = load_parts(rows_of(name + ".bias"), dtype_);
  return linear;
}

Linear Decoder::Loader::load_parts(const Parts& parts) const {
  return make_linear(
      num_rows(parts), parts.front().columns.size(), options(),
      [&](std::int64_t first, std::int64_t end, std::byte* out) { read(parts, first, end, dtype_, out); });
}

at::Tensor Decoder::Loader::load_rows_of(const std::string& name, std::span<const std::int32_t> rows) const {
  const weights::TensorInfo& info = checkpoint_.get_tensor(name);
  const at::Tensor loaded = at::empty({std::ssize(rows), info.num_columns()}, staging(options()));
  auto* out = static_cast<std::byte*>(loaded.mutable_data_ptr());
  const std::size_t row_bytes = info.num_columns() * loaded.element_size();
  at::parallel_for(0, std::ssize(rows), 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = rows[static_cast<std::size_t>(i)];
      checkpoint_.read(info, {row, row + 1}, {0, info.num_columns()}, encoding_of(dtype_),
                       {out + i * row_bytes, row_bytes});
    }
  });
  return loaded.to(device_, /*non_blocking=*/true);
}

Linear Decoder::Loader::load_linear(const std::string& name, bool has_bias) const {
  return load_linear(std::vector{name}, has_bias);
}

Decoder::Norm Decoder::Loader::load_norm(const std::string& name, const weights::NormConfig& config) const {
  Norm norm;
  if (config.has_weight) {
    const bool is_rms = config.kind == weights::NormConfig::Kind::kRms;
    norm.weight = load_below({name}, ".weight", is_rms ? at::kFloat : dtype_);
    if (config.unit_offset) norm.weight = norm.weight + 1;
  }
  if (config.has_bias) norm.bias = load(name + ".bias");
  return norm;
}

Decoder::Norm Decoder::Loader::load_qk_norm(const std::string& name, const weights::ModelConfig& c,
                                            const weights::Range& heads) const {
  using enum weights::ModelConfig::QkNorm;
  if (c.qk_norm_kind == kNone) return {};
  if (c.qk_norm_kind != kEachHead) return load_norm(name, c.qk_norm);
  std::vector<std::string> names;
  for (std::int64_t head = heads.begin; head < heads.end; ++head) names.push_back(fmt::format("{}.{}", name, head));
  return {.weight = load_below(names, ".weight", dtype_).view({heads.size(), c.head_dim})};
}

Decoder::Mlp Decoder::Loader::load_mlp(const std::string& name, const weights::ModelConfig& c) const {
  std::vector<std::string> up{name + ".up_proj"};
  if (c.gated_mlp) up.insert(up.begin(), name + ".gate_proj");
  return {load_linear(up, c.mlp_bias), load_linear(name + ".down_proj", c.mlp_bias)};
}

Decoder::Loader::Parts Decoder::Loader::find(const std::vector<std::string>& names, std::string_view suffix) const {
  Parts found;
  for (const std::string& name : names) {
    const weights::TensorInfo& tensor = checkpoint_.get_tensor(fmt::format("{}{}", name, suffix));
    const auto part =
        weights::part_of(tensor.name, tensor.num_rows(), tensor.num_columns(), checkpoint_.config(), share_);
    found.push_back({&tensor, part.rows, part.columns});
  }
  return found;
}

std::int64_t Decoder::Loader::num_rows(const Parts& parts) {
  std::int64_t sum = 0;
  for (const Part& part : parts) sum += part.rows.size();
  return sum;
}

void Decoder::Loader::read(const Parts& parts, std::int64_t first, std::int64_t end, at::ScalarType dtype,
                           std::byte* out) const {
  for (const Part& part : parts) {
    const weights::Range rows{part.rows.begin + first, part.rows.begin + std::min(end, part.rows.size())};
    if (rows.begin < rows.end) {
      const std::size_t size = rows.size() * part.columns.size() * c10::elementSize(dtype);
      checkpoint_.read(*part.tensor, rows, part.columns, encoding_of(dtype), {out, size});
      out += size;
    }
    first = std::max<std::int64_t>(0, first - part.rows.size());
    end -= part.rows.size();
  }
}

at::Tensor Decoder::Loader::load_below(const std::vector<std::string>& names, std::string_view suffix,
                                       at::ScalarType dtype) const {
  return load_parts(find(names, suffix), dtype);
}

at::Tensor Decoder::Loader::load_parts(const Parts& parts, at::ScalarType dtype) const {
  std::vector<std::int64_t> shape = parts.front().tensor->shape;
  shape[0] = num_rows(parts);
  check(shape.size() == 1 || shape[1] == parts.front().columns.size(), "only linears are split by columns");
  const at::Tensor loaded = at::empty(shape, staging(options().dtype(dtype)));
  auto* out = static_cast<std::byte*>(loaded.mutable_data_ptr());
  const std::int64_t row_bytes = parts.front().columns.size() * loaded.element_size();
  at::parallel_for(0, shape[0], rows_at_a_time(row_bytes), [&](std::int64_t begin, std::int64_t end) {
    read(parts, begin, end, dtype, out + begin * row_bytes);
  });
  return loaded.to(device_, /*non_blocking=*/true);
}

}  // namespace catenary::model
