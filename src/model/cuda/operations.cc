#include "model/cuda/operations.h"

#include <ATen/ATen.h>
#include <ATen/cuda/CUDAContextLight.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "catenary/base/check.h"
#include "model/cuda/kernels.h"
#include "model/reduce.h"

namespace catenary::model::cuda {
namespace {

Type type_of(const at::Tensor& x) {
  switch (x.scalar_type()) {
    case at::kFloat:
      return Type::kFloat32;
    case at::kHalf:
      return Type::kFloat16;
    case at::kBFloat16:
      return Type::kBFloat16;
    default:
      check(false, "activations are float32, float16 or bfloat16");
      return {};
  }
}

Gate gate_of(weights::ModelConfig::Activation activation) {
  switch (activation) {
    using enum weights::ModelConfig::Activation;
    case kSilu:
      return Gate::kSilu;
    case kGelu:
      return Gate::kGelu;
    case kGeluTanh:
      return Gate::kGeluTanh;
    case kRelu:
      return Gate::kRelu;
  }
  check(false, "every activation is listed");
  return {};
}

// The stream that ATen queues its work in, on the tensor's GPU.
class Queue {
 public:
  explicit Queue(const at::Tensor& x) : guard_(x.device()), stream_(c10::cuda::getCurrentCUDAStream()) {}
  operator Stream() const { return stream_.stream(); }

 private:
  c10::cuda::CUDAGuard guard_;
  c10::cuda::CUDAStream stream_;
};

const float* floats_or_null(const at::Tensor& x) {
  return x.defined() ? x.const_data_ptr<float>() : nullptr;
}

LogSumExp view_of(const at::Tensor& log_sum_exp) {
  return {log_sum_exp.const_data_ptr<float>(), log_sum_exp.stride(0), log_sum_exp.stride(1)};
}

class CudaScoring : public NextTokenScoring {
 public:
  CudaScoring(std::int64_t num_rows, std::span<const std::int64_t> rows, std::span<const std::int32_t> targets,
              double softcap)
      : rows_(rows.begin(), rows.end()),
        softcap_(static_cast<float>(softcap)),
        targets_(at::tensor(at::ArrayRef(targets.data(), targets.size()), at::kInt)) {
    std::vector<std::int32_t> begins;
    for (std::int64_t row = 0; row <= num_rows; ++row) {
      begins.push_back(static_cast<std::int32_t>(std::ranges::lower_bound(rows_, row) - rows_.begin()));
    }
    target_begins_ = at::tensor(begins, at::kInt);
  }

  void add(const at::Tensor& logits, std::int64_t first_row, std::int64_t first_token) override {
    if (!max_.defined()) {
      const auto floats = logits.options().dtype(at::kFloat);
      max_ = at::full({target_begins_.size(0) - 1}, -std::numeric_limits<float>::infinity(), floats);
      sum_ = at::zeros_like(max_);
      target_logits_ = at::zeros({targets_.size(0)}, floats);
      target_begins_ = target_begins_.to(logits.device());
      targets_ = targets_.to(logits.device());
    }
    const at::Tensor from = logits.contiguous();
    add_logits(
        type_of(from), from.const_data_ptr(), first_row, from.size(0), first_token, from.size(1), softcap_,
        {max_.mutable_data_ptr<float>(), sum_.mutable_data_ptr<float>(), target_begins_.const_data_ptr<std::int32_t>(),
         targets_.const_data_ptr<std::int32_t>(), target_logits_.mutable_data_ptr<float>()},
        Queue(from));
  }

  std::vector<TokenScore> scores(parallel::TensorParallelGroup& group) const override {
    if (rows_.empty()) return {};
    at::Tensor max = max_, sum = sum_, logits = target_logits_;
    if (group.size() > 1) {
      max = max.clone();
      all_reduce_(group, max, parallel::Reduction::kMax);
      sum = sum * (max_ - max).exp_();
      model::sum_(group, sum);
      logits = logits.clone();  // zero where a token is another rank's
      model::sum_(group, logits);
    }
    max = max.cpu(), sum = sum.cpu(), logits = logits.cpu();
    std::vector<TokenScore> scores;
    scores.reserve(rows_.size());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const double largest = max.const_data_ptr<float>()[rows_[i]];
      const double logit = logits.const_data_ptr<float>()[i];
      const double log_sum = largest + std::log(static_cast<double>(sum.const_data_ptr<float>()[rows_[i]]));
      scores.push_back({static_cast<float>(logit - log_sum), logit == largest});
    }
    return scores;
  }

 private:
  std::vector<std::int64_t> rows_;
  float softcap_;
  at::Tensor target_begins_, targets_;  // on the GPU from the first part on
  at::Tensor max_, sum_, target_logits_;
};

class CudaOperations : public Operations {
 public:
  at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) const override {
    return norm(x.contiguous(), {}, weight, eps);
  }

  at::Tensor add_rms_norm_(const at::Tensor& x, const at::Tensor& branch, const at::Tensor& weight,
                           double eps) const override {
    check(x.is_contiguous(), "rows of hidden states lie one behind the other");
    return norm(x, branch.contiguous(), weight, eps);
  }

  at::Tensor gated(const at::Tensor& gate_up, weights::ModelConfig::Activation activation) const override {
    const at::Tensor from = gate_up.contiguous();
    const std::int64_t num_rows = from.size(0), size = from.size(1) / 2;
    const at::Tensor out = at::empty({num_rows, size}, from.options());
    cuda::gated(type_of(from), from.const_data_ptr(), gate_of(activation), num_rows, size, out.mutable_data_ptr(),
                Queue(from));
    return out;
  }

  at::Tensor store(const at::Tensor& qkv, const at::Tensor& slots, const Rotation& rotation,
                   const weights::ModelConfig& c, const KeyValues& key_values) const override {
    const at::Tensor from = qkv.contiguous();
    const at::Tensor queries = at::empty({from.size(0), c.num_heads * c.head_dim}, from.options());
    const bool turns = rotation.cos.defined();
    const at::Tensor cos = turns ? rotation.cos.contiguous() : at::Tensor();
    const at::Tensor sin = turns ? rotation.sin.contiguous() : at::Tensor();
    cuda::store(type_of(from), from.const_data_ptr(), slots.const_data_ptr<std::int64_t>(),
                {floats_or_null(cos), floats_or_null(sin), turns ? cos.size(1) : 0, c.rope.interleaved},
                {c.num_heads, c.num_kv_heads, c.head_dim}, from.size(0), queries.mutable_data_ptr(),
                key_values.keys.mutable_data_ptr(), key_values.values.mutable_data_ptr(), Queue(from));
    return queries;
  }

  void merge_(const Attended& own, const Attended& above, const QueryParts& parts) const override {
    check(own.out.is_contiguous() && above.out.is_contiguous(), "attention's rows lie one behind the other");
    cuda::merge(type_of(own.out), own.out.mutable_data_ptr(), view_of(own.log_sum_exp), above.out.const_data_ptr(),
                view_of(above.log_sum_exp), parts.merged_rows.const_data_ptr<std::int32_t>(),
                parts.part_begins.const_data_ptr<std::int32_t>(), parts.parts.const_data_ptr<std::int32_t>(),
                parts.merged_rows.size(0), own.out.size(1), own.out.size(2), Queue(own.out));
  }

  std::unique_ptr<NextTokenScoring> score(std::int64_t num_rows, std::span<const std::int64_t> rows,
                                          std::span<const std::int32_t> targets, double softcap) const override {
    return std::make_unique<CudaScoring>(num_rows, rows, targets, softcap);
  }

 private:
  static at::Tensor norm(const at::Tensor& x, const at::Tensor& branch, const at::Tensor& weight, double eps) {
    const at::Tensor out = at::empty_like(x);
    const std::int64_t size = x.size(-1);
    cuda::rms_norm(type_of(x), x.mutable_data_ptr(), branch.defined() ? branch.const_data_ptr() : nullptr,
                   floats_or_null(weight), static_cast<float>(eps), x.numel() / size, size, out.mutable_data_ptr(),
                   Queue(x));
    return out;
  }
};

// Sequence i's keys begin at cum_seq_k[i] and are seqused_k[i]; the two need not fit together, so keys that several
// segments see are not copied. The causal mask hides from the end: of as many keys as queries, or more, the last query
// sees all.
class FlashAttention : public SegmentAttention {
 public:
  std::int64_t max_queries() const override { return 128; }  // a tile; a grid has the longest segment's tiles for each

  Attended attend(const at::Tensor& queries, const KeyValues& key_values, const DeviceSegments& s, bool is_causal,
                  double scale) const override {
    // For segments of one query it would turn heads into queries, and ignore where queries begin.
    const std::int64_t most_queries = std::max(s.most_queries, 2);
    const auto [out, log_sum_exp, rng_state, unused, mask] = at::_flash_attention_forward(
        queries, key_values.keys, key_values.values, s.query_begins, s.key_begins, most_queries, s.most_keys,
        /*dropout_p=*/0, is_causal, /*return_debug_mask=*/false, scale, std::nullopt, std::nullopt, s.num_keys);
    check(log_sum_exp.dim() == 2 && log_sum_exp.size(1) == queries.size(0), "flash attention's sums are by query");
    return {out, log_sum_exp.transpose(0, 1)};
  }
};

// As above, but each head wants keys of its own, and sums are padded to the longest segment.
class EfficientAttention : public SegmentAttention {
 public:
  std::int64_t max_queries() const override { return 64; }

  Attended attend(const at::Tensor& queries, const KeyValues& key_values, const DeviceSegments& s, bool is_causal,
                  double scale) const override {
    constexpr std::int64_t kNoMask = 0, kCausalFromBottomRight = 2;
    const std::int64_t num_queries = queries.size(0), num_heads = queries.size(1);
    const std::int64_t group = num_heads / key_values.keys.size(1);
    const auto by_head = [&](const at::Tensor& x) { return x.repeat_interleave(group, 1).unsqueeze(0); };
    const auto [out, padded_sums, seed, offset, most_q, most_k] = at::_efficient_attention_forward(
        queries.contiguous().unsqueeze(0), by_head(key_values.keys), by_head(key_values.values), std::nullopt,
        s.query_begins, s.key_begins, s.most_queries, s.most_keys, /*dropout_p=*/0,
        is_causal ? kCausalFromBottomRight : kNoMask, /*compute_log_sumexp=*/true, scale, s.num_keys);
    const at::Tensor begins = s.query_begins.to(at::kLong), counts = begins.diff();
    const at::Tensor segment = at::repeat_interleave(counts, std::optional(num_queries));  // each as often as it says
    const at::Tensor within = at::arange(num_queries, counts.options()) - begins.index_select(0, segment);
    const at::Tensor sums = padded_sums.transpose(1, 2).reshape({-1, num_heads});
    return {out.squeeze(0), sums.index_select(0, segment * padded_sums.size(2) + within)};
  }
};

}  // namespace

std::unique_ptr<Operations> make_operations() {
  return std::make_unique<CudaOperations>();
}

std::unique_ptr<SegmentAttention> make_segment_attention(const weights::ModelConfig& config,
                                                         at::TensorOptions options) {
  if (options.dtype() == at::kFloat) {
    return config.head_dim % 4 == 0 ? std::make_unique<EfficientAttention>() : nullptr;
  }
  const bool fits = config.head_dim % 8 == 0 && config.head_dim <= 256 &&
                    at::cuda::getDeviceProperties(options.device().index())->major >= 8;
  return fits ? std::make_unique<FlashAttention>() : nullptr;
}

}  // namespace catenary::model::cuda
