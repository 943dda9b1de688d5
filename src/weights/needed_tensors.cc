#include "weights/needed_tensors.h"

#include <fmt/format.h>

#include "catenary/base/check.h"

namespace catenary::weights {
namespace {

class List {
 public:
  explicit List(const ModelConfig& config) : c_(config) {}

  void add(std::string_view part, std::vector<std::int64_t> shape, bool bias = false) {
    if (bias) {
      tensors_.push_back({std::string(part), ".bias", layer_, expert_, {shape.front()}});
    }
    tensors_.push_back({std::string(part), ".weight", layer_, expert_, std::move(shape)});
  }

  void add_norm(std::string_view part, const NormConfig& norm, const std::vector<std::int64_t>& shape) {
    if (norm.has_weight) tensors_.push_back({std::string(part), ".weight", layer_, -1, shape});
    if (norm.has_bias) tensors_.push_back({std::string(part), ".bias", layer_, -1, shape});
  }

  void add_mlp(const std::string& part, std::int64_t size) {
    if (c_.gated_mlp) add(part + ".gate_proj", {size, c_.hidden_size}, c_.mlp_bias);
    add(part + ".up_proj", {size, c_.hidden_size}, c_.mlp_bias);
    add(part + ".down_proj", {c_.hidden_size, size}, c_.mlp_bias);
  }

  void add_embeddings() {
    const std::int64_t hidden = c_.hidden_size;
    add("model.embed_tokens", {c_.vocab_size, c_.embedding_size});
    if (c_.embedding_norm) add_norm("model.embed_norm", c_.norm, {hidden});
    if (c_.position == ModelConfig::Position::kLearned) {
      add("model.embed_positions", {c_.max_position_embeddings + c_.position_offset, hidden});
    }
    if (c_.embedding_size != hidden) {
      add("model.project_in", {hidden, c_.embedding_size});
      add("model.project_out", {c_.embedding_size, hidden});
    }
    if (c_.final_norm) add_norm("model.norm", c_.norm, {hidden});
    if (!c_.tie_word_embeddings) add("lm_head", {c_.vocab_size, c_.embedding_size}, c_.lm_head_bias);
  }

  void add_layer(std::int64_t layer) {
    layer_ = layer;
    const std::int64_t hidden = c_.hidden_size;
    const std::int64_t q = c_.num_heads * c_.head_dim;
    const std::int64_t kv = c_.num_kv_heads * c_.head_dim;
    if (c_.pre_norm) add_norm("input_layernorm", c_.norm, {hidden});
    add("self_attn.q_proj", {q, hidden}, c_.qkv_bias);
    add("self_attn.k_proj", {kv, hidden}, c_.qkv_bias);
    add("self_attn.v_proj", {kv, hidden}, c_.qkv_bias);
    add("self_attn.o_proj", {hidden, q}, c_.o_bias);
    add_qk_norms(q, kv);
    if (c_.post_norm) add_norm("attention_output_norm", c_.norm, {hidden});
    if (c_.pre_norm && !c_.shared_pre_norm) add_norm("post_attention_layernorm", c_.norm, {hidden});
    if (c_.has_experts(layer)) {
      add("mlp.router", {c_.num_experts, hidden});
      for (expert_ = 0; expert_ < c_.num_experts; ++expert_) add_mlp("mlp.experts", c_.expert_intermediate_size);
      expert_ = -1;
      if (c_.shared_expert_intermediate_size > 0) {
        add_mlp("mlp.shared_expert", c_.shared_expert_intermediate_size);
        add("mlp.shared_expert_gate", {1, hidden});
      }
    } else {
      add_mlp("mlp", c_.intermediate_size);
    }
    if (c_.post_norm) add_norm("mlp_output_norm", c_.norm, {hidden});
  }

  std::vector<NeededTensor> take() { return std::move(tensors_); }

 private:
  void add_qk_norms(std::int64_t q, std::int64_t kv) {
    switch (c_.qk_norm_kind) {
      case ModelConfig::QkNorm::kNone:
        return;
      case ModelConfig::QkNorm::kSharedByHeads:
        q = kv = c_.head_dim;
        break;
      case ModelConfig::QkNorm::kWholeProjection:
        break;
      case ModelConfig::QkNorm::kEachHead:
        for (expert_ = 0; expert_ < c_.num_heads; ++expert_) add("self_attn.q_norm", {c_.head_dim});
        for (expert_ = 0; expert_ < c_.num_kv_heads; ++expert_) add("self_attn.k_norm", {c_.head_dim});
        expert_ = -1;
        return;
    }
    add_norm("self_attn.q_norm", c_.qk_norm, {q});
    add_norm("self_attn.k_norm", c_.qk_norm, {kv});
  }

  const ModelConfig& c_;
  std::vector<NeededTensor> tensors_;
  std::int64_t layer_ = -1;
  std::int64_t expert_ = -1;
};

/// The tensors that lie together in a fused one, in their order.
struct Fused {
  std::int64_t first = 0;  // row of this one
  std::int64_t all = 0;    // rows of all
};

Fused fused_rows(const NeededTensor& tensor, const ModelConfig& c) {
  const std::int64_t q = c.num_heads * c.head_dim;
  const std::int64_t kv = c.num_kv_heads * c.head_dim;
  const std::string_view part = tensor.part;
  if (part.ends_with("q_proj")) return {0, q + 2 * kv};
  if (part.ends_with("k_proj")) return {q, q + 2 * kv};
  if (part.ends_with("v_proj")) return {q + kv, q + 2 * kv};
  if (part.ends_with("gate_proj")) return {0, 2 * tensor.shape[0]};
  check(part.ends_with("up_proj"), "projections that are fused are queries, keys and values, or gate and up");
  return {tensor.shape[0], 2 * tensor.shape[0]};
}

Layout fused_by_group(const NeededTensor& tensor, const ModelConfig& c) {
  const std::int64_t q_rows = c.num_heads / c.num_kv_heads * c.head_dim;
  const std::int64_t stride = q_rows + 2 * c.head_dim;
  Layout layout{.run_rows = c.head_dim, .run_stride = stride, .file_rows = c.num_kv_heads * stride};
  if (tensor.part.ends_with("q_proj")) {
    layout.run_rows = q_rows;
  } else {
    layout.first_row = tensor.part.ends_with("k_proj") ? q_rows : q_rows + c.head_dim;
  }
  return layout;
}

}  // namespace

std::string NeededTensor::name() const {
  if (layer < 0) return part + suffix;
  if (expert < 0) return fmt::format("model.layers.{}.{}{}", layer, part, suffix);
  const std::size_t last = part.rfind('.');  // "mlp.experts.gate_proj": the expert's number goes before the last word
  if (!part.starts_with("mlp.")) return fmt::format("model.layers.{}.{}.{}{}", layer, part, expert, suffix);
  return fmt::format("model.layers.{}.{}.{}{}{}", layer, part.substr(0, last), expert, part.substr(last), suffix);
}

std::vector<NeededTensor> needed_tensors(const ModelConfig& config, std::int64_t num_layers) {
  List list(config);
  list.add_embeddings();
  for (std::int64_t layer = 0; layer < num_layers; ++layer) list.add_layer(layer);
  return list.take();
}

StoredTensor locate(const NeededTensor& tensor, const ModelConfig& config,
                    std::span<const std::span<const TensorName>> tables) {
  const TensorName* found = nullptr;
  for (const auto& table : tables) {
    for (const TensorName& row : table) {
      if (found == nullptr && row.part == tensor.part && (row.when == nullptr || row.when(config))) found = &row;
    }
  }
  check(found != nullptr, "the family's table names every part that its models need");
  StoredTensor stored{.name = fmt::format(fmt::runtime(found->file), tensor.layer, tensor.expert)};
  if (found->has_suffix) stored.name += tensor.suffix;
  stored.shape = tensor.shape;
  const std::int64_t rows = tensor.shape.front();
  Layout& layout = stored.layout;
  layout = {.run_rows = rows, .run_stride = rows, .file_rows = rows};
  switch (found->rows) {
    case Rows::kSame:
      break;
    case Rows::kFused:
    case Rows::kFusedTransposed: {
      const Fused fused = fused_rows(tensor, config);
      layout.first_row = fused.first;
      layout.file_rows = fused.all;
      break;
    }
    case Rows::kFusedByGroup:
      layout = fused_by_group(tensor, config);
      break;
    case Rows::kStackedExperts:
      layout.first_row = tensor.expert * rows;
      layout.file_rows = config.num_experts * rows;
      stored.shape.insert(stored.shape.begin(), config.num_experts);
      return stored;
    case Rows::kPairsInterleaved:
      layout.interleaved_dim = config.head_dim;
      break;
    case Rows::kUnitOffset:
      layout.subtract = 1;
      break;
    case Rows::kTransposed:
      break;
  }
  stored.shape.front() = layout.file_rows;
  if (tensor.shape.size() > 1 && (found->rows == Rows::kTransposed || found->rows == Rows::kFusedTransposed)) {
    layout.transposed = true;
    std::swap(stored.shape[0], stored.shape[1]);
  }
  return stored;
}

std::int64_t interleaved_row(std::int64_t row, std::int64_t head_dim) {
  const std::int64_t in_head = row % head_dim;
  const std::int64_t half = head_dim / 2;
  return row - in_head + 2 * (in_head % half) + in_head / half;
}

}  // namespace catenary::weights
