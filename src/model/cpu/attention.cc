#include "model/attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <atomic>

#include "catenary/base/check.h"
#include "model/cpu/kernels.h"

namespace catenary::model {
namespace {

std::int64_t round_up(std::int64_t n, std::int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

struct CpuTokenGroup : TokenGroup {
  struct Task {  // consecutive queries of one branch
    std::int64_t first, count;
    std::vector<cpu::KeySpan> spans;
  };
  std::vector<std::int64_t> slots;
  std::vector<Task> tasks;
};

class CpuAttention : public Attention {
 public:
  CpuAttention(const weights::ModelConfig& config, const at::Tensor& alibi_slopes, at::ScalarType dtype)
      : config_(config), alibi_slopes_(alibi_slopes), dtype_(dtype) {}

  KeyValues make_key_values(std::int64_t num_slots) const override {
    const std::int64_t blocks = round_up(num_slots, cpu::kKeyBlock) / cpu::kKeyBlock;
    // Zeros: what lies past the last slot is multiplied, though never seen.
    return {at::zeros({config_.num_kv_heads, blocks, config_.head_dim, cpu::kKeyBlock}, at::kFloat),
            at::zeros({config_.num_kv_heads, blocks * cpu::kKeyBlock, round_up(config_.head_dim, 16)}, at::kFloat)};
  }

  void set_first_slots(const KeyValues& key_values, const KeyValues& prefix) const override {
    key_values.keys.narrow(1, 0, prefix.keys.size(1)).copy_(prefix.keys);
    key_values.values.narrow(1, 0, prefix.values.size(1)).copy_(prefix.values);
  }

  KeyValues first_slots(const KeyValues& key_values, std::int64_t num_slots) const override {
    const std::int64_t blocks = round_up(num_slots, cpu::kKeyBlock) / cpu::kKeyBlock;
    return {key_values.keys.narrow(1, 0, blocks).clone(),
            key_values.values.narrow(1, 0, blocks * cpu::kKeyBlock).clone()};
  }

  std::unique_ptr<TokenGroup> prepare(const TokenLayout& layout, std::span<const std::int64_t> tokens) const override {
    auto group = std::make_unique<CpuTokenGroup>();
    group->first_token = tokens.empty() ? 0 : tokens.front();
    group->num_tokens = std::ssize(tokens);
    const std::int64_t most = cpu::max_queries_per_task(config_.num_heads, config_.num_kv_heads);
    std::int64_t branch_before = -1;
    for (const std::int64_t token : tokens) {
      const std::int64_t branch = layout.branches[static_cast<std::size_t>(token)];
      if (group->tasks.empty() || branch != branch_before || group->tasks.back().count == most) {
        group->tasks.push_back({std::ssize(group->slots), 0, {}});
        for (const SlotRange& range : layout.paths[static_cast<std::size_t>(branch)]) {
          group->tasks.back().spans.push_back({range.begin, range.end, range.position});
        }
      }
      ++group->tasks.back().count;
      group->slots.push_back(layout.slots[static_cast<std::size_t>(token)]);
      branch_before = branch;
    }
    return group;
  }

  at::Tensor store(const at::Tensor& qkv, const TokenGroup& tokens, const Rotation& rotation,
                   const KeyValues& key_values) const override {
    const weights::ModelConfig& c = config_;
    const auto& slots = static_cast<const CpuTokenGroup&>(tokens).slots;
    const std::int64_t num_rows = qkv.size(0), query_size = c.num_heads * c.head_dim;
    const bool is_bfloat16 = qkv.scalar_type() == at::kBFloat16;
    const at::Tensor from = (is_bfloat16 ? qkv : qkv.to(at::kFloat)).contiguous();
    const at::Tensor queries = at::empty({num_rows, query_size}, at::kFloat);
    const cpu::KeyValueView view = view_of(key_values);
    const bool rotates = rotation.cos.defined();
    const std::int64_t pairs = rotates ? rotation.cos.size(1) : 0;
    const float* cos = rotates ? rotation.cos.const_data_ptr<float>() + tokens.first_token * pairs : nullptr;
    const float* sin = rotates ? rotation.sin.const_data_ptr<float>() + tokens.first_token * pairs : nullptr;
    const auto* bytes = static_cast<const std::byte*>(from.const_data_ptr());
    float* out = queries.mutable_data_ptr<float>();
    const std::int64_t row_bytes = from.size(1) * static_cast<std::int64_t>(from.element_size());
    at::parallel_for(0, num_rows, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const cpu::RotaryRow turn{rotates ? cos + row * pairs : nullptr, rotates ? sin + row * pairs : nullptr, pairs,
                                  c.rope.interleaved};
        cpu::kernels().store_row(bytes + row * row_bytes, is_bfloat16, c.num_heads, turn, view,
                                 slots[static_cast<std::size_t>(row)], out + row * query_size);
      }
    });
    return queries;
  }

  at::Tensor attend(const at::Tensor& queries, const TokenGroup& tokens, const KeyValues& key_values,
                    bool slides) const override {
    const weights::ModelConfig& c = config_;
    const auto& group = static_cast<const CpuTokenGroup&>(tokens);
    check(queries.size(0) == group.num_tokens, "one query a token");
    const cpu::KeyValueView view = view_of(key_values);
    const cpu::AttentionRule rule{c.num_heads,
                                  static_cast<float>(c.attention_scale),
                                  static_cast<float>(c.attention_softcap),
                                  slides ? c.sliding_window : 0,
                                  alibi_slopes_.defined() ? alibi_slopes_.const_data_ptr<float>() : nullptr,
                                  c.alibi_in_bfloat16};
    const std::int64_t width = c.num_heads * c.head_dim;
    const bool is_bfloat16 = dtype_ == at::kBFloat16;
    const at::Tensor out = at::empty({group.num_tokens, width}, is_bfloat16 ? at::kBFloat16 : at::kFloat);
    const std::int64_t out_row_bytes = width * static_cast<std::int64_t>(out.element_size());
    const float* query_rows = queries.const_data_ptr<float>();
    auto* out_rows = static_cast<std::byte*>(out.mutable_data_ptr());

    const std::int64_t num_tasks = std::ssize(group.tasks) * c.num_kv_heads;
    const auto scratch_size =
        static_cast<std::size_t>(cpu::attention_scratch(c.num_heads, c.num_kv_heads, view.padded_dim));
    // Tasks differ in length, so threads take the next one when they are done. Which thread takes which changes
    // nothing.
    std::atomic<std::int64_t> next = 0;
    at::parallel_for(0, at::get_num_threads(), 1, [&](std::int64_t, std::int64_t) {
      std::vector<float> scratch(scratch_size);
      for (std::int64_t i = next++; i < num_tasks; i = next++) {
        const CpuTokenGroup::Task& task = group.tasks[static_cast<std::size_t>(i / c.num_kv_heads)];
        cpu::kernels().attend(view, rule,
                              {task.spans.data(), std::ssize(task.spans), group.slots.data() + task.first, task.count,
                               query_rows + task.first * width, out_rows + task.first * out_row_bytes},
                              i % c.num_kv_heads, is_bfloat16, scratch.data());
      }
    });
    return out.to(dtype_);
  }

 private:
  cpu::KeyValueView view_of(const KeyValues& key_values) const {
    return {key_values.keys.mutable_data_ptr<float>(),
            key_values.values.mutable_data_ptr<float>(),
            key_values.keys.size(1),
            config_.num_kv_heads,
            config_.head_dim,
            key_values.values.size(2)};
  }

  const weights::ModelConfig& config_;
  const at::Tensor& alibi_slopes_;
  at::ScalarType dtype_;
};

}  // namespace

std::unique_ptr<Attention> make_cpu_attention(const weights::ModelConfig& config, const at::Tensor& alibi_slopes,
                                              at::ScalarType dtype) {
  return std::make_unique<CpuAttention>(config, alibi_slopes, dtype);
}

}  // namespace catenary::model
