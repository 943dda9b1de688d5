#include "model/linear.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <dnnl.hpp>
#include <future>
#include <optional>

#include "catenary/base/check.h"
#include "model/cpu/kernels.h"

namespace catenary::model {
namespace {

// Rows of a typical product; the layout is good for any number.
constexpr std::int64_t kRows = 1024;

// ATen has no C++ functions for these operators of its own oneDNN backend, so they are found by name.
template <typename Signature>
auto find_operator(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

// oneDNN makes code for each kind and size of operation. A thread in which it once lacked memory for that can make none
// any more, even when there is memory again; what another thread makes serves all.
template <typename Function>
at::Tensor with_onednn(const Function& f) {
  const auto apart = [&] {
    const c10::InferenceMode inference;
    return f();
  };
  try {
    return f();
  } catch (const dnnl::error& e) {
    if (e.status != dnnl_out_of_memory) throw;
    return std::async(std::launch::async, apart).get();
  }
}

at::Tensor pack(const at::Tensor& weight) {
  static const auto op =
      find_operator<at::Tensor(const at::Tensor&, std::optional<c10::SymInt>)>("mkldnn::_reorder_linear_weight");
  return with_onednn([&] { return op.call(weight, c10::SymInt(kRows)); });
}

at::Tensor packed_linear(const at::Tensor& x, const Linear& linear) {
  using Signature = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, std::string_view,
                               c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);
  static const auto op = find_operator<Signature>("mkldnn::_linear_pointwise");
  const std::optional<at::Tensor> bias = linear.bias.defined() ? std::optional(linear.bias) : std::nullopt;
  return with_onednn(
      [&] { return op.call(x, linear.weight, bias, "none", c10::List<std::optional<at::Scalar>>(), ""); });
}

// A build of libtorch may lack oneDNN, a processor what it needs for bfloat16.
bool works(at::ScalarType dtype) {
  try {
    const at::Tensor ones = at::ones({16, 16}, dtype);
    return packed_linear(ones, {pack(ones), {}, {}}).sum().item<float>() == 16 * 16 * 16;
  } catch (const std::exception&) {
    return false;
  }
}

ReadRows rows_of(const at::Tensor& weight) {
  const std::int64_t row_bytes = weight.size(1) * static_cast<std::int64_t>(weight.element_size());
  const auto* bytes = static_cast<const std::byte*>(weight.const_data_ptr());
  return [=](std::int64_t first, std::int64_t end, std::byte* out) {
    std::copy(bytes + first * row_bytes, bytes + end * row_bytes, out);
  };
}

// ---- oneDNN's layout, written by ourselves ----
//
// With AVX-512 oneDNN wants a weight in panels of 64 rows. A panel is the transpose of its rows, taken as words of 4
// bytes: one float32, or two bfloat16 that follow each other. Rows are filled up with zeros to 16 words, and the last
// panel to 64 rows. oneDNN's own conversion is the slowest part of loading, and wants the whole weight in memory first;
// here some rows at a time are read into a buffer that stays in the cache and transposed from there.
//
// The weight then needs oneDNN's description of the layout. It comes from a small weight that oneDNN packed itself,
// with the sizes in it replaced. That this gives what oneDNN would say is tried on another shape; where it does not, on
// other processors, oneDNN packs, and so it does weights of few columns, some of which it leaves as they are.

constexpr std::int64_t kPanelRows = 64, kPanelWords = 16, kFewestColumns = 64;

struct WeightShape {
  std::int64_t rows, columns, element_size;

  std::int64_t padded_rows() const { return (rows + kPanelRows - 1) / kPanelRows * kPanelRows; }
  std::int64_t padded_columns() const {
    const std::int64_t unit = kPanelWords * 4 / element_size;
    return (columns + unit - 1) / unit * unit;
  }
  std::int64_t padded_row_bytes() const { return padded_columns() * element_size; }
  /// What the description says of a shape: sizes, padded sizes, elements of a panel.
  std::array<std::int64_t, 5> numbers() const {
    return {rows, columns, padded_rows(), padded_columns(), kPanelRows * padded_columns()};
  }
};

using Description = std::vector<std::uint8_t>;

Description describe(const at::Tensor& packed) {
  static const auto op = find_operator<at::Tensor(const at::Tensor&)>("mkldnn::_get_mkldnn_serialized_md");
  const at::Tensor bytes = op.call(packed);
  const auto* data = bytes.const_data_ptr<std::uint8_t>();
  return {data, data + bytes.numel()};
}

/// The description with the numbers of one shape replaced by those of another.
Description translate(Description description, const WeightShape& from, const WeightShape& to) {
  const auto old_numbers = from.numbers(), new_numbers = to.numbers();
  std::int64_t number = 0;
  for (std::size_t at = 0; at + sizeof number <= description.size(); at += sizeof number) {
    std::memcpy(&number, description.data() + at, sizeof number);
    const auto found = std::ranges::find(old_numbers, number) - old_numbers.begin();
    if (found < std::ssize(old_numbers)) std::memcpy(description.data() + at, &new_numbers[found], sizeof number);
  }
  return description;
}

/// A panelled weight over this memory, which it does not own.
at::Tensor panelled(const at::Tensor& memory, const WeightShape& shape, const Description& description) {
  const std::array<std::int64_t, 2> sizes{shape.rows, shape.columns}, strides{shape.columns, 1};
  AtenTensorHandle handle = nullptr;
  const auto error = aoti_torch_create_tensor_from_blob_v2(
      memory.mutable_data_ptr(), 2, sizes.data(), strides.data(), 0, static_cast<std::int32_t>(memory.scalar_type()),
      aoti_torch_device_type_cpu(), 0, &handle, aoti_torch_layout__mkldnn(), description.data(),
      static_cast<std::int64_t>(description.size()));
  check(error == AOTI_TORCH_SUCCESS, "libtorch takes its own description of a weight");
  at::Tensor weight = *reinterpret_cast<at::Tensor*>(handle);
  aoti_torch_delete_tensor_object(handle);
  return weight;
}

Linear make_panelled(const WeightShape& shape, at::ScalarType dtype, const Description& description,
                     const ReadRows& read) {
  const std::int64_t row_bytes = shape.padded_row_bytes(), row_words = row_bytes / 4;
  const std::int64_t padded_rows = shape.padded_rows();
  const at::Tensor memory = at::empty({padded_rows, shape.padded_columns()}, dtype);
  auto* out = static_cast<std::uint32_t*>(memory.mutable_data_ptr());
  constexpr std::int64_t kTile = cpu::kTransposedRows, kBufferBytes = 1 << 18;
  const std::int64_t buffer_rows = std::clamp(kBufferBytes / row_bytes / kTile * kTile, kTile, kPanelRows);
  // Padding is in the way of reading rows together.
  const std::int64_t rows_together = shape.columns == shape.padded_columns() ? buffer_rows : 1;
  const auto write_panels = [&](std::int64_t first, std::int64_t end, std::byte* buffer) {
    const std::int64_t last = std::min(end, shape.rows);
    for (std::int64_t row = first; row < last; row += rows_together) {
      read(row, std::min(row + rows_together, last), buffer + (row - first) * row_bytes);
    }
    if (last < end) {
      const std::int64_t filled = std::max<std::int64_t>(0, last - first);
      std::memset(buffer + filled * row_bytes, 0, (end - first - filled) * row_bytes);
    }
    for (std::int64_t row = first; row < end; row += kTile) {
      std::uint32_t* panel = out + row / kPanelRows * kPanelRows * row_words;
      cpu::kernels().transpose(reinterpret_cast<const std::uint32_t*>(buffer + (row - first) * row_bytes), row_words,
                               panel + row % kPanelRows, kPanelRows);
    }
  };
  // Threads take turns, so together they read the file from front to back, as the kernel's read-ahead expects. Where
  // there is enough for all, a turn fills a huge page or more: of threads that begin one together each has the kernel
  // clear a page, and all but one are thrown away.
  constexpr std::int64_t kTurnBytes = 2 << 20;
  const std::int64_t turn_rows = std::min(kTurnBytes / row_bytes, padded_rows / at::get_num_threads());
  const std::int64_t turn = std::max(turn_rows / kPanelRows, std::int64_t{1}) * kPanelRows;
  std::atomic<std::int64_t> next = 0;
  at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t, std::int64_t) {
    std::vector<std::byte> buffer(static_cast<std::size_t>(buffer_rows * row_bytes));
    for (std::int64_t begin; (begin = next.fetch_add(turn)) < padded_rows;) {
      const std::int64_t end = std::min(begin + turn, padded_rows);
      for (std::int64_t row = begin; row < end; row += buffer_rows) {
        write_panels(row, std::min(row + buffer_rows, end), buffer.data());
      }
    }
  });
  return {.weight = panelled(memory, shape, description), .memory = memory};
}

struct Panelling {
  WeightShape shape;
  Description description;
};

/// How oneDNN describes panels, if it uses them for this dtype.
std::optional<Panelling> find_panelling(at::ScalarType dtype) {
  if (!packs_linears(dtype)) return {};
  const auto size = static_cast<std::int64_t>(c10::elementSize(dtype));
  const WeightShape shape{100, 70, size}, other{200, 333, size};
  const at::Tensor weight = at::arange(shape.rows * shape.columns).remainder(251).view({shape.rows, -1}).to(dtype);
  const Description description = describe(pack(weight));
  if (translate(description, shape, other) != describe(pack(at::zeros({other.rows, other.columns}, dtype)))) return {};
  const Linear ours = make_panelled(shape, dtype, description, rows_of(weight));
  if (!packed_linear(at::eye(shape.columns, dtype), ours).equal(weight.t())) return {};
  return Panelling{shape, description};
}

const std::optional<Panelling>& panelling(at::ScalarType dtype) {
  static const auto float32 = find_panelling(at::kFloat);
  static const auto bfloat16 = find_panelling(at::kBFloat16);
  return dtype == at::kFloat ? float32 : bfloat16;
}

}  // namespace

bool packs_linears(at::TensorOptions options) {
  if (!options.device().is_cpu() || options.pinned_memory()) return false;  // pinned: on its way to a GPU
  static const bool float32_works = works(at::kFloat), bfloat16_works = works(at::kBFloat16);
  return (options.dtype() == at::kFloat && float32_works) || (options.dtype() == at::kBFloat16 && bfloat16_works);
}

bool keeps_rows(at::TensorOptions options, std::int64_t columns) {
  return packs_linears(options) && columns >= kFewestColumns &&
         panelling(c10::typeMetaToScalarType(options.dtype())).has_value();
}

void copy_row(const Linear& linear, std::int64_t row, std::byte* out) {
  check(linear.memory.defined() && row >= 0 && row < linear.weight.size(0), "the weight has the row, in a panel");
  const auto bytes = static_cast<std::size_t>(linear.weight.size(1)) * linear.memory.element_size();
  const std::int64_t row_words = linear.memory.size(1) * static_cast<std::int64_t>(linear.memory.element_size()) / 4;
  const auto* panel = static_cast<const std::uint32_t*>(linear.memory.const_data_ptr()) +
                      row / kPanelRows * kPanelRows * row_words + row % kPanelRows;
  for (std::size_t done = 0; done < bytes; done += 4, panel += kPanelRows) {
    std::memcpy(out + done, panel, std::min<std::size_t>(4, bytes - done));
  }
}

Linear make_linear(std::int64_t rows, std::int64_t columns, at::TensorOptions options, const ReadRows& read) {
  const at::ScalarType dtype = c10::typeMetaToScalarType(options.dtype());
  const auto size = static_cast<std::int64_t>(c10::elementSize(dtype));
  const bool packs = packs_linears(options);
  if (keeps_rows(options, columns)) {
    const WeightShape shape{rows, columns, size};
    return make_panelled(shape, dtype, translate(panelling(dtype)->description, panelling(dtype)->shape, shape), read);
  }
  const at::Tensor weight = at::empty({rows, columns}, staging(options));
  auto* out = static_cast<std::byte*>(weight.mutable_data_ptr());
  at::parallel_for(0, rows, rows_at_a_time(columns * size),
                   [&](auto first, auto end) { read(first, end, out + first * columns * size); });
  return {.weight = packs ? pack(weight) : weight.to(options.device(), /*non_blocking=*/true)};
}

Linear make_linear(const at::Tensor& weight) {
  if (!packs_linears(weight.options())) return {.weight = weight};
  return make_linear(weight.size(0), weight.size(1), weight.options(), rows_of(weight));
}

at::Tensor linear(const at::Tensor& x, const Linear& linear) {
  if (linear.weight.is_mkldnn()) return packed_linear(x, linear);
  return with_onednn([&] { return at::linear(x, linear.weight, linear.bias); });
}

}  // namespace catenary::model
