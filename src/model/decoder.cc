#include "catenary/model/decoder.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "model/position.h"

namespace catenary::model {
namespace {

at::ScalarType scalar_type(spec::DType dtype) {
  return dtype == spec::DType::kBFloat16 ? at::kBFloat16 : at::kFloat;
}

at::Tensor activate(const at::Tensor& x, weights::ModelConfig::Activation activation) {
  switch (activation) {
    using enum weights::ModelConfig::Activation;
    case kSilu:
      return at::silu(x);
    case kGelu:
      return at::gelu(x);
    case kGeluTanh:
      return at::gelu(x, "tanh");
    case kRelu:
      return at::relu(x);
  }
  check(false, "every activation is listed");
  return {};
}

/// [tokens, heads·head_dim] as [tokens, heads, head_dim].
at::Tensor split_heads(const at::Tensor& x, std::int64_t head_dim) {
  return x.unflatten(-1, {x.size(-1) / head_dim, head_dim});
}

/// Scores in float32, softmax, weighted values: for what scaled_dot_product_attention lacks. q [1, heads, tokens,
/// head_dim], k and v with num_kv_heads, bias [heads or 1, tokens, tokens].
at::Tensor softcapped_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias,
                                double scale, double cap) {
  const std::int64_t group = q.size(1) / k.size(1);
  const at::Tensor keys = k.repeat_interleave(group, 1), values = v.repeat_interleave(group, 1);
  at::Tensor scores = at::matmul(q, keys.transpose(-2, -1)).to(at::kFloat) * scale;
  scores = (scores / cap).tanh() * cap + bias;
  return at::matmul(scores.softmax(-1).to(v.scalar_type()), values);
}

}  // namespace

// Reads tensors as float32 and puts them on the device. Projections of one input are put below one another: one product
// instead of several.
class Decoder::Loader {
 public:
  Loader(const weights::Checkpoint& checkpoint, spec::DType dtype, at::Device device)
      : checkpoint_(checkpoint), options_(at::TensorOptions().dtype(scalar_type(dtype)).device(device)) {}

  at::Tensor load(const std::string& name) const { return load_below(std::vector{name}, ""); }

  Linear load_linear(const std::string& name, bool has_bias) const { return load_linear(std::vector{name}, has_bias); }

  Linear load_linear(const std::vector<std::string>& names, bool has_bias) const {
    return {load_below(names, ".weight"), has_bias ? load_below(names, ".bias") : at::Tensor()};
  }

  Norm load_norm(const std::string& name, const weights::NormConfig& config) const {
    Norm norm;
    if (config.has_weight) {
      const at::Tensor weight = read({name}, ".weight");
      norm.weight = config.unit_offset ? (weight + 1).to(options_.device()) : weight.to(options_);
    }
    if (config.has_bias) norm.bias = load(name + ".bias");
    return norm;
  }

  Norm load_qk_norm(const std::string& name, const weights::ModelConfig& c, std::int64_t num_heads) const {
    using enum weights::ModelConfig::QkNorm;
    if (c.qk_norm_kind == kNone) return {};
    if (c.qk_norm_kind != kEachHead) return load_norm(name, c.qk_norm);
    std::vector<std::string> names;
    for (std::int64_t head = 0; head < num_heads; ++head) names.push_back(fmt::format("{}.{}", name, head));
    return {.weight = load_below(names, ".weight").view({num_heads, c.head_dim})};
  }

  /// `name` is "model.layers.0.mlp", say.
  Mlp load_mlp(const std::string& name, const weights::ModelConfig& c) const {
    std::vector<std::string> up{name + ".up_proj"};
    if (c.gated_mlp) up.insert(up.begin(), name + ".gate_proj");
    return {load_linear(up, c.mlp_bias), load_linear(name + ".down_proj", c.mlp_bias)};
  }

 private:
  at::Tensor load_below(const std::vector<std::string>& names, std::string_view suffix) const {
    return read(names, suffix).to(options_);
  }

  /// On the CPU, in float32.
  at::Tensor read(const std::vector<std::string>& names, std::string_view suffix) const {
    std::vector<std::int64_t> shape;
    for (const std::string& name : names) {
      const auto& info = checkpoint_.get_tensor(fmt::format("{}{}", name, suffix));
      if (shape.empty()) {
        shape = info.shape;
      } else {
        shape[0] += info.shape[0];
      }
    }
    const at::Tensor rows = at::empty(shape, at::kFloat);
    float* next = rows.mutable_data_ptr<float>();
    for (const std::string& name : names) {
      const auto& info = checkpoint_.get_tensor(fmt::format("{}{}", name, suffix));
      checkpoint_.read_float32(info, {next, static_cast<std::size_t>(info.num_elements())});
      next += info.num_elements();
    }
    return rows;
  }

  const weights::Checkpoint& checkpoint_;
  at::TensorOptions options_;
};

Decoder::Decoder(const weights::Checkpoint& checkpoint, spec::DType dtype, at::Device device)
    : config_(checkpoint.config()) {
  using Position = weights::ModelConfig::Position;
  const c10::InferenceMode inference;
  const Loader loader(checkpoint, dtype, device);
  const weights::ModelConfig& c = config_;
  embedding_ = loader.load("model.embed_tokens.weight");
  if (c.embedding_norm) embedding_norm_ = loader.load_norm("model.embed_norm", c.norm);
  if (c.position == Position::kLearned) position_embedding_ = loader.load("model.embed_positions.weight");
  if (c.position == Position::kAlibi) alibi_slopes_ = alibi_slopes(c.num_heads).to(device);
  if (c.embedding_size != c.hidden_size) {
    project_in_ = loader.load("model.project_in.weight");
    project_out_ = loader.load("model.project_out.weight");
  }
  if (c.final_norm) final_norm_ = loader.load_norm("model.norm", c.norm);
  lm_head_ = c.tie_word_embeddings ? Linear{.weight = embedding_} : loader.load_linear("lm_head", c.lm_head_bias);
  for (std::int64_t i = 0; i < c.num_layers; ++i) {
    const auto name = [&](std::string_view part) { return fmt::format("model.layers.{}.{}", i, part); };
    Layer layer{.slides = c.slides(i)};
    if (c.pre_norm) layer.attention_norm = loader.load_norm(name("input_layernorm"), c.norm);
    layer.qkv_proj =
        loader.load_linear({name("self_attn.q_proj"), name("self_attn.k_proj"), name("self_attn.v_proj")}, c.qkv_bias);
    layer.q_norm = loader.load_qk_norm(name("self_attn.q_norm"), c, c.num_heads);
    layer.k_norm = loader.load_qk_norm(name("self_attn.k_norm"), c, c.num_kv_heads);
    layer.o_proj = loader.load_linear(name("self_attn.o_proj"), c.o_bias);
    if (c.post_norm) layer.attention_output_norm = loader.load_norm(name("attention_output_norm"), c.norm);
    if (c.pre_norm && !c.shared_pre_norm) layer.mlp_norm = loader.load_norm(name("post_attention_layernorm"), c.norm);
    if (c.has_experts(i)) {
      layer.router = loader.load(name("mlp.router.weight"));
      for (std::int64_t expert = 0; expert < c.num_experts; ++expert) {
        layer.experts.push_back(loader.load_mlp(name(fmt::format("mlp.experts.{}", expert)), c));
      }
      if (c.shared_expert_intermediate_size > 0) {
        layer.mlp = loader.load_mlp(name("mlp.shared_expert"), c);
        layer.shared_expert_gate = loader.load(name("mlp.shared_expert_gate.weight"));
      }
    } else {
      layer.mlp = loader.load_mlp(name("mlp"), c);
    }
    if (c.post_norm) layer.mlp_output_norm = loader.load_norm(name("mlp_output_norm"), c.norm);
    layers_.push_back(std::move(layer));
  }
}

void Decoder::check_tokens(std::span<const std::int32_t> tokens) const {
  for (const std::int32_t token : tokens) {
    if (token >= 0 && token < config_.vocab_size) continue;
    throw DataError(fmt::format("token id {} is not in the model's vocabulary of {}; does the tokenizer belong to it?",
                                token, config_.vocab_size));
  }
}

at::Tensor Decoder::hidden_states(const PackedSequences& sequences) const {
  const c10::InferenceMode inference;
  const std::int64_t num_tokens = sequences.num_tokens();
  check(num_tokens > 0 && !sequences.ends.empty() && sequences.ends.back() == num_tokens,
        "sequences cover their tokens");
  check_tokens(sequences.tokens);
  std::vector<std::int64_t> positions;
  positions.reserve(sequences.tokens.size());
  for (const std::int64_t end : sequences.ends) {
    const std::int64_t begin = std::ssize(positions);
    if (end - begin > config_.context_length()) {
      throw DataError(fmt::format("a prompt with its continuation has {} tokens, and the model's context is {}",
                                  end - begin, config_.context_length()));
    }
    for (std::int64_t i = begin; i < end; ++i) positions.push_back(i - begin);
  }

  using weights::ModelConfig;
  const at::Tensor ids = at::tensor(sequences.tokens, at::kInt).to(device());
  at::Tensor x = embed(ids, at::tensor(positions, at::kLong).to(device()));
  Rotation full, sliding;
  if (config_.position == ModelConfig::Position::kRotary) {
    full = rotation(config_.rope, sequences.ends);
    if (config_.sliding_window > 0) sliding = rotation(config_.sliding_rope, sequences.ends);
  }
  for (const Layer& layer : layers_) {
    const Rotation& turn = layer.slides ? sliding : full;
    const at::Tensor normed = config_.pre_norm ? normalize(x, layer.attention_norm) : x;
    const at::Tensor attended = attention(layer, normed, turn, sequences.ends);
    if (config_.residual == ModelConfig::Residual::kParallel) {
      x = x + attended + mlp(layer, config_.shared_pre_norm ? normed : normalize(x, layer.mlp_norm));
      continue;
    }
    x = add(x, attended, layer.attention_output_norm);
    x = add(x, mlp(layer, config_.pre_norm ? normalize(x, layer.mlp_norm) : x), layer.mlp_output_norm);
  }
  if (config_.final_norm) x = normalize(x, final_norm_);
  return project_out_.defined() ? at::linear(x, project_out_) : x;
}

at::Tensor Decoder::embed(const at::Tensor& ids, const at::Tensor& positions) const {
  at::Tensor x = at::embedding(embedding_, ids);
  if (config_.embedding_scale != 1) x = x * at::scalar_tensor(config_.embedding_scale, x.options());  // rounded like x
  if (project_in_.defined()) x = at::linear(x, project_in_);
  if (config_.embedding_norm) x = normalize(x, embedding_norm_);
  if (position_embedding_.defined()) x = x + at::embedding(position_embedding_, positions + config_.position_offset);
  return x;
}

at::Tensor Decoder::add(const at::Tensor& x, const at::Tensor& branch, const Norm& norm) const {
  if (!config_.post_norm) return x + branch;
  return config_.norm_after_residual ? normalize(x + branch, norm) : x + normalize(branch, norm);
}

at::Tensor Decoder::attention(const Layer& layer, const at::Tensor& x, const Rotation& turn,
                              std::span<const std::int64_t> ends) const {
  const weights::ModelConfig& c = config_;
  using QkNorm = weights::ModelConfig::QkNorm;
  const std::int64_t num_tokens = x.size(0);
  const auto parts =
      linear(x, layer.qkv_proj)
          .split_with_sizes({c.num_heads * c.head_dim, c.num_kv_heads * c.head_dim, c.num_kv_heads * c.head_dim}, -1);
  at::Tensor q = parts[0], k = parts[1], v = parts[2];
  if (c.qk_norm_kind == QkNorm::kWholeProjection) {
    q = normalize(q, layer.q_norm, c.qk_norm);
    k = normalize(k, layer.k_norm, c.qk_norm);
  }
  if (c.qkv_clip > 0) {
    q = q.clamp(-c.qkv_clip, c.qkv_clip);
    k = k.clamp(-c.qkv_clip, c.qkv_clip);
    v = v.clamp(-c.qkv_clip, c.qkv_clip);
  }
  q = split_heads(q, c.head_dim);
  k = split_heads(k, c.head_dim);
  v = split_heads(v, c.head_dim);
  if (c.qk_norm_kind == QkNorm::kSharedByHeads || c.qk_norm_kind == QkNorm::kEachHead) {
    q = normalize(q, layer.q_norm, c.qk_norm);
    k = normalize(k, layer.k_norm, c.qk_norm);
  }
  if (turn.cos.defined()) {
    q = rotate(q, turn.cos, turn.sin, c.rope.interleaved);
    k = rotate(k, turn.cos, turn.sin, c.rope.interleaved);
  }
  // [1, heads, tokens, head_dim], as scaled_dot_product_attention wants them
  q = q.transpose(0, 1).unsqueeze(0);
  k = k.transpose(0, 1).unsqueeze(0);
  v = v.transpose(0, 1).unsqueeze(0);

  std::vector<at::Tensor> outputs;
  std::int64_t begin = 0;
  for (const std::int64_t end : ends) {
    const auto sequence = [&](const at::Tensor& heads) { return heads.slice(2, begin, end); };
    const std::int64_t length = end - begin;
    const std::int64_t window = layer.slides && length > c.sliding_window ? c.sliding_window : 0;
    if (c.attention_softcap > 0) {
      const at::Tensor bias = score_bias(length, window, alibi_slopes_, c, device());
      outputs.push_back(
          softcapped_attention(sequence(q), sequence(k), sequence(v), bias, c.attention_scale, c.attention_softcap));
    } else {
      std::optional<at::Tensor> bias;  // without one, causality is all
      if (window > 0 || alibi_slopes_.defined()) bias = score_bias(length, window, alibi_slopes_, c, device());
      outputs.push_back(at::scaled_dot_product_attention(sequence(q), sequence(k), sequence(v), bias,
                                                         /*dropout_p=*/0.0, /*is_causal=*/!bias, c.attention_scale,
                                                         /*enable_gqa=*/true));
    }
    begin = end;
  }
  const at::Tensor merged = at::cat(outputs, 2).squeeze(0).transpose(0, 1).reshape({num_tokens, -1});
  return linear(merged, layer.o_proj);
}

at::Tensor Decoder::mlp(const Layer& layer, const at::Tensor& x) const {
  return layer.router.defined() ? mixture_of_experts(layer, x) : dense_mlp(layer.mlp, x);
}

at::Tensor Decoder::dense_mlp(const Mlp& mlp, const at::Tensor& x) const {
  const at::Tensor up = linear(x, mlp.gate_up_proj);
  if (!config_.gated_mlp) return linear(activate(up, config_.activation), mlp.down_proj);
  const auto gate_up = up.chunk(2, -1);
  return linear(activate(gate_up[0], config_.activation) * gate_up[1], mlp.down_proj);
}

// Each token goes through the experts that its router likes best; their outputs are added with the router's weights.
at::Tensor Decoder::mixture_of_experts(const Layer& layer, const at::Tensor& x) const {
  const at::Tensor probabilities = at::linear(x, layer.router).to(at::kFloat).softmax(-1);
  auto [weights, chosen] = probabilities.topk(config_.num_experts_per_token, -1);  // [tokens, num_experts_per_token]
  if (config_.normalize_expert_weights) weights = weights / weights.sum(-1, /*keepdim=*/true);
  at::Tensor out = at::zeros_like(x);
  for (std::size_t expert = 0; expert < layer.experts.size(); ++expert) {
    const auto where =
        chosen.eq(static_cast<std::int64_t>(expert)).nonzero().unbind(1);  // tokens, places among the chosen
    if (where[0].numel() == 0) continue;
    const at::Tensor share = weights.index({where[0], where[1]}).unsqueeze(1);
    const at::Tensor made = dense_mlp(layer.experts[expert], x.index_select(0, where[0])) * share;
    out.index_add_(0, where[0], made.to(x.scalar_type()));
  }
  if (!layer.shared_expert_gate.defined()) return out;
  return out + at::linear(x, layer.shared_expert_gate).sigmoid() * dense_mlp(layer.mlp, x);
}

Rotation Decoder::rotation(const weights::RopeConfig& rope, std::span<const std::int64_t> ends) const {
  std::vector<at::Tensor> angles;
  std::int64_t begin = 0;
  for (const std::int64_t end : ends) {
    angles.push_back(at::outer(at::arange(end - begin, at::kFloat), rotary_frequencies(rope, end - begin)));
    begin = end;
  }
  const at::Tensor all = at::cat(angles).unsqueeze(1);
  return {(all.cos() * rope.attention_factor).to(embedding_.options()),
          (all.sin() * rope.attention_factor).to(embedding_.options())};
}

at::Tensor Decoder::normalize(const at::Tensor& x, const Norm& norm) const {
  return normalize(x, norm, config_.norm);
}

// As transformers does: RMS norm in float32, then times the weight in x's dtype (LlamaRMSNorm), or in float32 where it
// is 1 + weight (GemmaRMSNorm).
at::Tensor Decoder::normalize(const at::Tensor& x, const Norm& norm, const weights::NormConfig& config) {
  if (config.kind == weights::NormConfig::Kind::kLayer) {
    if (norm.weight.defined() && norm.weight.dim() == 2) {
      return at::layer_norm(x, {x.size(-1)}, {}, {}, config.eps) * norm.weight;
    }
    return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, config.eps);
  }
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = wide.square().mean(-1, /*keepdim=*/true).add_(config.eps).rsqrt_();
  if (config.unit_offset) return (wide * scale * norm.weight).to(x.scalar_type());
  return norm.weight * (wide * scale).to(x.scalar_type());
}

at::Tensor Decoder::linear(const at::Tensor& x, const Linear& linear) {
  return at::linear(x, linear.weight, linear.bias);
}

at::Tensor Decoder::logits(const at::Tensor& hidden) const {
  const c10::InferenceMode inference;
  at::Tensor logits = linear(hidden, lm_head_).to(at::kFloat);
  if (config_.logit_softcap > 0) logits = (logits / config_.logit_softcap).tanh() * config_.logit_softcap;
  return logits;
}

std::vector<TokenScore> Decoder::score_next_tokens(const at::Tensor& hidden, std::span<const std::int64_t> rows,
                                                   std::span<const std::int32_t> targets) const {
  const c10::InferenceMode inference;
  check(rows.size() == targets.size(), "one target a row");
  check_tokens(targets);
  // At most 64 MiB of float32 logits at a time.
  const auto chunk = std::max<std::size_t>(1, (std::size_t{16} << 20) / static_cast<std::size_t>(config_.vocab_size));
  std::vector<TokenScore> scores;
  scores.reserve(rows.size());
  for (std::size_t begin = 0; begin < rows.size(); begin += chunk) {
    const std::size_t count = std::min(chunk, rows.size() - begin);
    const at::Tensor row_ids = at::tensor(at::ArrayRef<std::int64_t>(rows.data() + begin, count)).to(device());
    const at::Tensor target_ids =
        at::tensor(at::ArrayRef<std::int32_t>(targets.data() + begin, count)).to(device(), at::kLong).unsqueeze(1);
    const at::Tensor all_logits = logits(hidden.index_select(0, row_ids));
    const at::Tensor target_logits = all_logits.gather(1, target_ids).squeeze(1);
    const at::Tensor log_probabilities = (target_logits - all_logits.logsumexp(1)).cpu();
    const at::Tensor is_argmax = target_logits.eq(all_logits.amax(1)).cpu();
    for (std::size_t i = 0; i < count; ++i) {
      scores.push_back({log_probabilities.const_data_ptr<float>()[i], is_argmax.const_data_ptr<bool>()[i]});
    }
  }
  return scores;
}

}  // namespace catenary::model
