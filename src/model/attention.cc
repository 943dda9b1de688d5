#include "model/attention.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "catenary/base/check.h"
#include "model/position.h"
#ifdef CATENARY_WITH_CUDA
#include "model/cuda/operations.h"
#endif

namespace catenary::model {
namespace {

struct AtenTokenGroup : TokenGroup {
  struct Run {  // consecutive queries of one branch
    std::int64_t first, count;
    const std::vector<SlotRange>* path;
  };
  at::Tensor slots, positions;  // [num_tokens]
  std::vector<Run> runs;
  std::int64_t last_position = 0;

  bool is_planned = false;
  DeviceSegments own, above;
  QueryParts parts;
};

class AtenAttention : public Attention {
 public:
  AtenAttention(const weights::ModelConfig& config, const at::Tensor& alibi_slopes, at::TensorOptions options,
                const Operations& operations, std::unique_ptr<SegmentAttention> segments, std::int64_t max_scores)
      : config_(config),
        alibi_slopes_(alibi_slopes),
        options_(options),
        operations_(operations),
        segments_(std::move(segments)),
        max_scores_(max_scores) {}

  KeyValues make_key_values(std::int64_t num_slots) const override {
    const auto room = [&] { return at::empty({num_slots, config_.num_kv_heads, config_.head_dim}, options_); };
    return {room(), room()};
  }

  void set_first_slots(const KeyValues& key_values, const KeyValues& prefix) const override {
    key_values.keys.narrow(0, 0, prefix.keys.size(0)).copy_(prefix.keys);
    key_values.values.narrow(0, 0, prefix.values.size(0)).copy_(prefix.values);
  }

  KeyValues first_slots(const KeyValues& key_values, std::int64_t num_slots) const override {
    return {key_values.keys.narrow(0, 0, num_slots).clone(), key_values.values.narrow(0, 0, num_slots).clone()};
  }

  std::unique_ptr<TokenGroup> prepare(const TokenLayout& layout, std::span<const std::int64_t> tokens) const override {
    auto group = std::make_unique<AtenTokenGroup>();
    group->first_token = tokens.empty() ? 0 : tokens.front();
    group->num_tokens = std::ssize(tokens);
    std::vector<std::int64_t> slots, positions;
    for (const std::int64_t token : tokens) {
      const auto t = static_cast<std::size_t>(token);
      const std::vector<SlotRange>* path = &layout.paths[static_cast<std::size_t>(layout.branches[t])];
      if (group->runs.empty() || group->runs.back().path != path) group->runs.push_back({std::ssize(slots), 0, path});
      ++group->runs.back().count;
      slots.push_back(layout.slots[t]);
      positions.push_back(layout.positions[t]);
      group->last_position = std::max(group->last_position, positions.back());
    }
    group->slots = on_device(slots);
    group->positions = on_device(positions);
    if (segments_ && !alibi_slopes_.defined() && config_.attention_softcap == 0 && !tokens.empty()) {
      const AttentionPlan plan = plan_attention(layout, tokens, segments_->max_queries());
      // One a row of a kernel's grid.
      group->is_planned = std::max(plan.own.size(), plan.above.size()) < 65536;
      group->own = on_device(plan.own);
      group->above = on_device(plan.above);
      group->parts = {on_device(plan.above_rows), on_device(plan.merged_rows), on_device(plan.part_begins),
                      on_device(plan.parts)};
    }
    return group;
  }

  at::Tensor store(const at::Tensor& qkv, const TokenGroup& tokens, const Rotation& rotation,
                   const KeyValues& key_values) const override {
    const auto rows = [&](const at::Tensor& x) {
      return x.defined() ? x.narrow(0, tokens.first_token, tokens.num_tokens) : x;
    };
    return operations_.store(qkv, static_cast<const AtenTokenGroup&>(tokens).slots,
                             {rows(rotation.cos), rows(rotation.sin)}, config_, key_values);
  }

  at::Tensor attend(const at::Tensor& queries, const TokenGroup& tokens, const KeyValues& key_values,
                    bool slides) const override {
    const auto& group = static_cast<const AtenTokenGroup&>(tokens);
    check(queries.size(0) == group.num_tokens, "one query a token");
    const std::int64_t window = slides ? config_.sliding_window : 0;
    if (group.is_planned && (window == 0 || group.last_position < window)) {
      return attend_segments(queries.unflatten(-1, {config_.num_heads, config_.head_dim}), group, key_values);
    }
    std::vector<at::Tensor> outputs;
    for (const AtenTokenGroup::Run& run : group.runs) attend_path(queries, group, run, key_values, window, outputs);
    return at::cat(outputs);
  }

 private:
  at::Tensor attend_segments(const at::Tensor& queries, const AtenTokenGroup& group,
                             const KeyValues& key_values) const {
    const double scale = config_.attention_scale;
    const Attended own = segments_->attend(queries, key_values, group.own, /*is_causal=*/true, scale);
    if (group.parts.above_rows.size(0) > 0) {
      operations_.merge_(own,
                         segments_->attend(queries.index_select(0, group.parts.above_rows), key_values, group.above,
                                           /*is_causal=*/false, scale),
                         group.parts);
    }
    return own.out.flatten(1);
  }

  // Queries of one branch against all that it sees, as many at a time as scores may be in memory.
  void attend_path(const at::Tensor& queries, const AtenTokenGroup& group, const AtenTokenGroup::Run& run,
                   const KeyValues& key_values, std::int64_t window, std::vector<at::Tensor>& outputs) const {
    const weights::ModelConfig& c = config_;
    std::vector<at::Tensor> keys, values, positions;
    for (const SlotRange& range : *run.path) {
      keys.push_back(key_values.keys.slice(0, range.begin, range.end));
      values.push_back(key_values.values.slice(0, range.begin, range.end));
      positions.push_back(
          at::arange(range.position, range.position + range.end - range.begin, options_.dtype(at::kLong)));
    }
    const auto by_head = [&](const std::vector<at::Tensor>& x) {  // [num_heads, keys, head_dim]
      return at::cat(x).transpose(0, 1).repeat_interleave(c.num_heads / c.num_kv_heads, 0);
    };
    const at::Tensor k = by_head(keys), v = by_head(values), key_positions = at::cat(positions);
    const std::int64_t most = std::max<std::int64_t>(1, max_scores_ / (c.num_heads * k.size(1)));
    for (std::int64_t first = 0; first < run.count; first += most) {
      const std::int64_t begin = run.first + first, count = std::min(most, run.count - first);
      const at::Tensor q =
          queries.narrow(0, begin, count).to(k.scalar_type()).unflatten(-1, {c.num_heads, c.head_dim}).transpose(0, 1);
      at::Tensor scores = at::matmul(q, k.transpose(-2, -1)).to(at::kFloat).mul_(c.attention_scale);
      if (c.attention_softcap > 0) scores.div_(c.attention_softcap).tanh_().mul_(c.attention_softcap);
      scores.add_(score_bias(group.positions.narrow(0, begin, count), key_positions, window, alibi_slopes_, c));
      outputs.push_back(at::matmul(scores.softmax(-1).to(v.scalar_type()), v).transpose(0, 1).flatten(1));
    }
  }

  at::Tensor on_device(std::span<const std::int64_t> values) const {
    return at::tensor(at::ArrayRef(values.data(), values.size()), at::kLong).to(options_.device());
  }
  at::Tensor on_device(std::span<const std::int32_t> values) const {
    return at::tensor(at::ArrayRef(values.data(), values.size()), at::kInt).to(options_.device());
  }
  DeviceSegments on_device(const Segments& segments) const {
    std::vector<std::int32_t> key_begins = segments.key_begins;
    key_begins.push_back(0);
    return {on_device(segments.query_begins), on_device(key_begins), on_device(segments.num_keys),
            segments.most_queries(), segments.most_keys()};
  }

  const weights::ModelConfig& config_;
  const at::Tensor& alibi_slopes_;
  at::TensorOptions options_;
  const Operations& operations_;
  std::unique_ptr<SegmentAttention> segments_;
  std::int64_t max_scores_;
};

}  // namespace

std::unique_ptr<Attention> make_aten_attention(const weights::ModelConfig& config, const at::Tensor& alibi_slopes,
                                               at::TensorOptions options, const Operations& operations,
                                               std::unique_ptr<SegmentAttention> segments, std::int64_t max_scores) {
  return std::make_unique<AtenAttention>(config, alibi_slopes, options, operations, std::move(segments), max_scores);
}

std::unique_ptr<Attention> make_attention(const weights::ModelConfig& config, const at::Tensor& alibi_slopes,
                                          at::TensorOptions options, const Operations& operations, Kernels kernels) {
  if (kernels == Kernels::kOwn && options.device().is_cpu()) {
    return make_cpu_attention(config, alibi_slopes, options.dtype().toScalarType());
  }
  std::unique_ptr<SegmentAttention> segments;
#ifdef CATENARY_WITH_CUDA
  if (kernels == Kernels::kOwn && options.device().is_cuda()) segments = cuda::make_segment_attention(config, options);
#endif
  return make_aten_attention(config, alibi_slopes, options, operations, std::move(segments));
}

}  // namespace catenary::model
