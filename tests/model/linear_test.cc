// Weights as linear() wants them, against those that oneDNN lays out itself.
#include "model/linear.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "catenary/model/memory_plan.h"
#include "support/scarce_memory.h"

namespace catenary::model {
namespace {

template <typename Result, typename... Arguments>
Result call(const char* name, Arguments... arguments) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Result(Arguments...)>().call(arguments...);
}

at::Tensor packed_by_onednn(const at::Tensor& weight) {
  return call<at::Tensor, const at::Tensor&, std::optional<c10::SymInt>>("mkldnn::_reorder_linear_weight", weight,
                                                                         c10::SymInt(1024));
}

std::string layout_of(const at::Tensor& packed) {
  const at::Tensor bytes = call<at::Tensor, const at::Tensor&>("mkldnn::_get_mkldnn_serialized_md", packed);
  return {static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()};
}

std::string bytes_of(const at::Tensor& packed) {
  const auto address = call<std::int64_t, const at::Tensor&>("mkldnn::data_ptr", packed);
  const auto size = call<std::int64_t, const at::Tensor&>("mkldnn::_nbytes", packed);
  return {reinterpret_cast<const char*>(address), static_cast<std::size_t>(size)};
}

constexpr std::pair<std::int64_t, std::int64_t> kShapes[] = {
    {1, 1},     {7, 5},     {64, 16},   {65, 33}, {576, 576}, {192, 31}, {100, 640},  {3072, 576},
    {70, 5632}, {8192, 48}, {1000, 63}, {1, 64},  {192, 64},  {66, 65},  {8192, 129}, {2048, 2048}};

TEST(Linear, weights_lie_as_onednn_lays_them_out) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    if (!packs_linears(dtype)) continue;
    for (const auto& [rows, columns] : kShapes) {
      SCOPED_TRACE(testing::Message() << dtype << ' ' << rows << " x " << columns);
      const at::Tensor weight = at::randn({rows, columns}).to(dtype);
      const at::Tensor expected = packed_by_onednn(weight);
      const Linear ours = make_linear(weight);
      EXPECT_EQ(ours.weight.sizes(), expected.sizes());
      EXPECT_TRUE(layout_of(ours.weight) == layout_of(expected));
      EXPECT_TRUE(bytes_of(ours.weight) == bytes_of(expected));
    }
  }
}

TEST(Linear, is_x_times_the_weight_s_transpose) {
  for (const auto& [dtype, tolerance] : {std::pair(at::kFloat, 1e-5), std::pair(at::kBFloat16, 1e-2)}) {
    for (const auto& [rows, columns] : kShapes) {
      SCOPED_TRACE(testing::Message() << dtype << ' ' << rows << " x " << columns);
      const at::Tensor weight = at::randn({rows, columns}).to(dtype), x = at::randn({3, columns}).to(dtype);
      Linear layer = make_linear(weight);
      layer.bias = at::randn({rows}).to(dtype);
      const at::Tensor expected = at::linear(x.to(at::kDouble), weight.to(at::kDouble), layer.bias.to(at::kDouble));
      EXPECT_LE((linear(x, layer).to(at::kDouble) - expected).abs().max().item<double>(),
                tolerance * expected.abs().max().item<double>());
    }
  }
}

TEST(Linear, gives_back_the_rows_of_a_weight) {
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    for (const auto& [rows, columns] : kShapes) {
      if (!keeps_rows(dtype, columns)) continue;
      SCOPED_TRACE(testing::Message() << dtype << ' ' << rows << " x " << columns);
      const at::Tensor weight = at::randn({rows, columns}).to(dtype), back = at::empty_like(weight);
      const Linear ours = make_linear(weight);
      auto* out = static_cast<std::byte*>(back.mutable_data_ptr());
      const std::size_t row_bytes = columns * weight.element_size();
      for (std::int64_t row = 0; row < rows; ++row) copy_row(ours, row, out + row * row_bytes);
      EXPECT_TRUE(back.equal(weight));
      EXPECT_THROW(copy_row(ours, rows, out), std::logic_error);
    }
  }
}

// Else loading would be slow, and nothing would tell.
TEST(Linear, with_avx512_weights_are_laid_out_while_they_are_read) {
#ifdef __x86_64__
  if (!packs_linears(at::kFloat)) GTEST_SKIP() << "this libtorch has no oneDNN";
  if (std::getenv("ONEDNN_MAX_CPU_ISA") != nullptr) GTEST_SKIP() << "oneDNN was told what to use";
  EXPECT_EQ(make_linear(at::ones({64, 64})).memory.defined(), __builtin_cpu_supports("x86-64-v4") != 0);
#endif
}

// In a thread of its own: oneDNN does not forget, and other tests have use for the main one.
TEST(LinearInScarceMemory, works_again_when_there_is_memory) {
  if (!test::kMemoryIsOurs) GTEST_SKIP() << "a sanitizer has the memory";
  std::thread([] {
    const Linear layer = make_linear(at::eye(64));
    const at::Tensor x = at::randn({40, 64});
    linear(x.slice(0, 0, 32), layer);
    // The heap has memory, and the system gives none for the code of another number of rows.
    std::vector<std::vector<char>> blocks(100, std::vector<char>(64 << 10));
    blocks.erase(blocks.begin(), blocks.end() - 1);  // the last one keeps the heap from shrinking
    bool lacked_memory = false;
    try {
      const test::AddressSpaceLimit limit(0);
      linear(x.slice(0, 0, 33), layer);
    } catch (const std::exception& e) {
      lacked_memory = is_out_of_memory(e);
    }
    EXPECT_TRUE(lacked_memory);
    const at::Tensor few_columns = x.slice(1, 0, 5);
    EXPECT_TRUE(at::allclose(linear(few_columns, make_linear(at::eye(5))), few_columns));
    for (const std::int64_t rows : {33, 34}) {
      EXPECT_TRUE(at::allclose(linear(x.slice(0, 0, rows), layer), x.slice(0, 0, rows)));
    }
  }).join();
}

}  // namespace
}  // namespace catenary::model
