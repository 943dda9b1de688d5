#include "catenary/model/decoder.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <string>

#include "catenary/base/check.h"
#include "catenary/base/error.h"

namespace catenary::model {
namespace {

at::ScalarType scalar_type(spec::DType dtype) {
  return dtype == spec::DType::kBFloat16 ? at::kBFloat16 : at::kFloat;
}

// Reads tensors as float32 and puts them on the device, those of a list below one another: one product instead of
// several.
class Loader {
 public:
  Loader(const weights::Checkpoint& checkpoint, spec::DType dtype, at::Device device)
      : checkpoint_(checkpoint), options_(at::TensorOptions().dtype(scalar_type(dtype)).device(device)) {}

  at::Tensor load(std::initializer_list<std::string> names) const {
    std::vector<std::int64_t> shape;
    for (const std::string& name : names) {
      const auto& info = checkpoint_.get_tensor(name);
      if (shape.empty()) {
        shape = info.shape;
      } else {
        shape[0] += info.shape[0];
      }
    }
    const at::Tensor rows = at::empty(shape, at::kFloat);
    float* next = rows.mutable_data_ptr<float>();
    for (const std::string& name : names) {
      const auto& info = checkpoint_.get_tensor(name);
      checkpoint_.read_float32(info, {next, static_cast<std::size_t>(info.num_elements())});
      next += info.num_elements();
    }
    return rows.to(options_);
  }

 private:
  const weights::Checkpoint& checkpoint_;
  at::TensorOptions options_;
};

// x / sqrt(mean(x²) + eps) in float32, then times the weight in x's dtype, as LlamaRMSNorm does. x [tokens,
// hidden_size].
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scale = wide.square().mean(-1, /*keepdim=*/true).add_(eps).rsqrt_();
  return weight * (wide * scale).to(x.scalar_type());
}

// Rotary embedding, halves rotated against each other. x [tokens, heads, head_dim]; cos, sin [tokens, 1, head_dim / 2].
at::Tensor rotate(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const auto halves = x.chunk(2, -1);
  return at::cat({halves[0] * cos - halves[1] * sin, halves[1] * cos + halves[0] * sin}, -1);
}

}  // namespace

Decoder::Decoder(const weights::Checkpoint& checkpoint, spec::DType dtype, at::Device device)
    : config_(checkpoint.config()) {
  const c10::InferenceMode inference;
  const Loader loader(checkpoint, dtype, device);
  embedding_ = loader.load({"model.embed_tokens.weight"});
  lm_head_ = config_.tie_word_embeddings ? embedding_ : loader.load({"lm_head.weight"});
  final_norm_ = loader.load({"model.norm.weight"});
  for (std::int64_t i = 0; i < config_.num_layers; ++i) {
    const auto name = [&](std::string_view tensor) { return fmt::format("model.layers.{}.{}.weight", i, tensor); };
    layers_.push_back({
        .attention_norm = loader.load({name("input_layernorm")}),
        .qkv_proj = loader.load({name("self_attn.q_proj"), name("self_attn.k_proj"), name("self_attn.v_proj")}),
        .o_proj = loader.load({name("self_attn.o_proj")}),
        .mlp_norm = loader.load({name("post_attention_layernorm")}),
        .gate_up_proj = loader.load({name("mlp.gate_proj"), name("mlp.up_proj")}),
        .down_proj = loader.load({name("mlp.down_proj")}),
    });
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
    if (end - begin > config_.max_position_embeddings) {
      throw DataError(fmt::format("a prompt with its continuation has {} tokens, and the model's context is {}",
                                  end - begin, config_.max_position_embeddings));
    }
    for (std::int64_t i = begin; i < end; ++i) positions.push_back(i - begin);
  }

  const at::Tensor ids = at::tensor(sequences.tokens, at::kInt).to(device());
  const at::Tensor inverse_frequencies = at::pow(config_.rope_theta, at::arange(0, config_.head_dim, 2, at::kFloat) /
                                                                         static_cast<double>(config_.head_dim))
                                             .reciprocal();
  const at::Tensor angles = at::outer(at::tensor(positions, at::kFloat), inverse_frequencies).unsqueeze(1);
  const at::Tensor cos = angles.cos().to(embedding_.options());
  const at::Tensor sin = angles.sin().to(embedding_.options());

  at::Tensor x = at::embedding(embedding_, ids);
  for (const Layer& layer : layers_) {
    x = x + attention(layer, rms_norm(x, layer.attention_norm, config_.rms_norm_eps), cos, sin, sequences.ends);
    x = x + mlp(layer, rms_norm(x, layer.mlp_norm, config_.rms_norm_eps));
  }
  return rms_norm(x, final_norm_, config_.rms_norm_eps);
}

at::Tensor Decoder::attention(const Layer& layer, const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin,
                              std::span<const std::int64_t> ends) const {
  const std::int64_t num_tokens = x.size(0);
  const at::Tensor qkv =
      at::linear(x, layer.qkv_proj).view({num_tokens, config_.num_heads + 2 * config_.num_kv_heads, config_.head_dim});
  const auto parts = qkv.split_with_sizes({config_.num_heads, config_.num_kv_heads, config_.num_kv_heads}, 1);
  // [1, heads, tokens, head_dim], as scaled_dot_product_attention wants them
  const at::Tensor q = rotate(parts[0], cos, sin).transpose(0, 1).unsqueeze(0);
  const at::Tensor k = rotate(parts[1], cos, sin).transpose(0, 1).unsqueeze(0);
  const at::Tensor v = parts[2].transpose(0, 1).unsqueeze(0);

  std::vector<at::Tensor> outputs;
  std::int64_t begin = 0;
  for (const std::int64_t end : ends) {
    const auto sequence = [&](const at::Tensor& heads) { return heads.slice(2, begin, end); };
    outputs.push_back(at::scaled_dot_product_attention(sequence(q), sequence(k), sequence(v), /*attn_mask=*/{},
                                                       /*dropout_p=*/0.0, /*is_causal=*/true, /*scale=*/std::nullopt,
                                                       /*enable_gqa=*/true));
    begin = end;
  }
  const at::Tensor merged = at::cat(outputs, 2).squeeze(0).transpose(0, 1).reshape({num_tokens, -1});
  return at::linear(merged, layer.o_proj);
}

at::Tensor Decoder::mlp(const Layer& layer, const at::Tensor& x) const {
  const auto gate_up = at::linear(x, layer.gate_up_proj).chunk(2, -1);
  return at::linear(at::silu(gate_up[0]) * gate_up[1], layer.down_proj);
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
    const at::Tensor logits = at::linear(hidden.index_select(0, row_ids), lm_head_).to(at::kFloat);
    const at::Tensor target_logits = logits.gather(1, target_ids).squeeze(1);
    const at::Tensor log_probabilities = (target_logits - logits.logsumexp(1)).cpu();
    const at::Tensor is_argmax = target_logits.eq(logits.amax(1)).cpu();
    for (std::size_t i = 0; i < count; ++i) {
      scores.push_back({log_probabilities.const_data_ptr<float>()[i], is_argmax.const_data_ptr<bool>()[i]});
    }
  }
  return scores;
}

}  // namespace catenary::model
