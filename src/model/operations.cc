#include "model/operations.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "catenary/base/check.h"
#include "model/cpu/operations.h"
#include "model/position.h"
#include "model/reduce.h"
#ifdef CATENARY_WITH_CUDA
#include "model/cuda/operations.h"
#endif

namespace catenary::model {

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

at::Tensor soft_capped(const at::Tensor& x, double cap) {
  return cap > 0 ? (x / cap).tanh() * cap : x;
}

at::Tensor Operations::rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) const {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor scaled = wide * wide.square().mean(-1, /*keepdim=*/true).add_(eps).rsqrt_();
  return (weight.defined() ? scaled * weight : scaled).to(x.scalar_type());
}

at::Tensor Operations::add_rms_norm_(const at::Tensor& x, const at::Tensor& branch, const at::Tensor& weight,
                                     double eps) const {
  x.add_(branch);
  return rms_norm(x, weight, eps);
}

at::Tensor Operations::gated(const at::Tensor& gate_up, weights::ModelConfig::Activation activation) const {
  const auto parts = gate_up.chunk(2, -1);
  return activate(parts[0], activation) * parts[1];
}

at::Tensor Operations::store(const at::Tensor& qkv, const at::Tensor& slots, const Rotation& rotation,
                             const weights::ModelConfig& c, const KeyValues& key_values) const {
  const std::int64_t query_size = c.num_heads * c.head_dim, kv_size = c.num_kv_heads * c.head_dim;
  const auto parts = qkv.split_with_sizes({query_size, kv_size, kv_size}, -1);
  const auto heads = [&](const at::Tensor& x) { return x.unflatten(-1, {-1, c.head_dim}); };
  at::Tensor q = heads(parts[0]), k = heads(parts[1]);
  if (rotation.cos.defined()) {
    const at::Tensor cos = rotation.cos.unsqueeze(1), sin = rotation.sin.unsqueeze(1);
    q = rotate(q.to(at::kFloat), cos, sin, c.rope.interleaved).to(qkv.scalar_type());
    k = rotate(k.to(at::kFloat), cos, sin, c.rope.interleaved).to(qkv.scalar_type());
  }
  key_values.keys.index_copy_(0, slots, k);
  key_values.values.index_copy_(0, slots, heads(parts[2]));
  return q.reshape({qkv.size(0), query_size});
}

// In float32: weights exp(lse - the row's largest).
void Operations::merge_(const Attended& own, const Attended& above, const QueryParts& parts) const {
  const at::Tensor& rows = parts.above_rows;
  const at::Tensor largest =
      own.log_sum_exp.scatter_reduce(0, rows.unsqueeze(1).expand_as(above.log_sum_exp), above.log_sum_exp, "amax");
  const at::Tensor own_weight = (own.log_sum_exp - largest).exp();
  const at::Tensor above_weight = (above.log_sum_exp - largest.index_select(0, rows)).exp();
  const at::Tensor total = own_weight.index_add(0, rows, above_weight);
  const at::Tensor sum = (own.out.to(at::kFloat) * own_weight.unsqueeze(-1))
                             .index_add_(0, rows, above.out.to(at::kFloat) * above_weight.unsqueeze(-1));
  own.out.copy_(sum / total.unsqueeze(-1));
}

namespace {

// log(exp(a) + exp(b)); a or b may be -∞. NaN stays NaN.
double add_logarithms(double a, double b) {
  if (a < b) std::swap(a, b);
  if (b == -std::numeric_limits<double>::infinity()) return a;
  return a + std::log1p(std::exp(b - a));
}

// A row's log Σ exp and maximum are put together from those of the parts.
class HostScoring : public NextTokenScoring {
 public:
  HostScoring(std::int64_t num_rows, std::span<const std::int64_t> rows, std::span<const std::int32_t> targets,
              double softcap)
      : rows_(rows),
        targets_(targets),
        softcap_(softcap),
        log_sums_(static_cast<std::size_t>(num_rows), -std::numeric_limits<double>::infinity()),
        maxima_(log_sums_.size(), -std::numeric_limits<float>::infinity()),
        target_logits_(rows.size()) {}

  void add(const at::Tensor& part, std::int64_t first_row, std::int64_t first_token) override {
    const auto [logits, log_sum, max] = reduce(part.to(at::kFloat));
    const float* sums = log_sum.const_data_ptr<float>();
    const float* tops = max.const_data_ptr<float>();
    const std::int64_t end_row = first_row + logits.size(0);
    for (std::int64_t row = first_row; row < end_row; ++row) {
      const auto r = static_cast<std::size_t>(row);
      log_sums_[r] = add_logarithms(log_sums_[r], static_cast<double>(sums[row - first_row]));
      maxima_[r] = std::max(maxima_[r], tops[row - first_row]);
    }
    // The targets of these rows that are in this part.
    std::vector<std::size_t> here;
    std::vector<std::int64_t> at_rows, at_columns;
    const auto from = std::ranges::lower_bound(rows_, first_row) - rows_.begin();
    for (auto i = static_cast<std::size_t>(from); i < rows_.size() && rows_[i] < end_row; ++i) {
      const std::int64_t column = targets_[i] - first_token;
      if (column < 0 || column >= logits.size(1)) continue;
      here.push_back(i);
      at_rows.push_back(rows_[i] - first_row);
      at_columns.push_back(column);
    }
    if (here.empty()) return;
    const auto index = [&](const std::vector<std::int64_t>& i) { return at::tensor(i, at::kLong).to(logits.device()); };
    const at::Tensor picked = logits.index({index(at_rows), index(at_columns)}).cpu();
    for (std::size_t i = 0; i < here.size(); ++i) target_logits_[here[i]] = picked.const_data_ptr<float>()[i];
  }

  std::vector<TokenScore> scores(parallel::TensorParallelGroup& group) const override {
    const Merged all = group.size() == 1 ? Merged{log_sums_, maxima_, target_logits_} : merge(group);
    std::vector<TokenScore> scores;
    scores.reserve(rows_.size());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const auto row = static_cast<std::size_t>(rows_[i]);
      scores.push_back({static_cast<float>(static_cast<double>(all.target_logits[i]) - all.log_sums[row]),
                        all.target_logits[i] == all.maxima[row]});
    }
    return scores;
  }

 protected:
  struct Reduced {
    at::Tensor logits;        // capped
    at::Tensor log_sum, max;  // by row, on the CPU
  };
  virtual Reduced reduce(at::Tensor logits) const {
    logits = soft_capped(logits, softcap_);
    return {logits, logits.logsumexp(1).cpu(), logits.amax(1).cpu()};
  }

  std::span<const std::int64_t> rows_;
  std::span<const std::int32_t> targets_;
  double softcap_;

 private:
  struct Merged {
    std::vector<double> log_sums;
    std::vector<float> maxima, target_logits;
  };
  // log Σ exp over ranks: m + log Σ exp(log_sum - m) where m is the row's maximum.
  Merged merge(parallel::TensorParallelGroup& group) const {
    Merged all{log_sums_, maxima_, target_logits_};
    all_reduce_(group, tensor_of(all.maxima), parallel::Reduction::kMax);
    std::vector<float> sums;
    for (std::size_t i = 0; i < log_sums_.size(); ++i) {
      sums.push_back(static_cast<float>(std::exp(log_sums_[i] - static_cast<double>(all.maxima[i]))));
    }
    sum_(group, tensor_of(sums));
    for (std::size_t i = 0; i < sums.size(); ++i) {
      all.log_sums[i] = static_cast<double>(all.maxima[i]) + std::log(static_cast<double>(sums[i]));
    }
    sum_(group, tensor_of(all.target_logits));  // zero where a token is another rank's
    return all;
  }
  static at::Tensor tensor_of(std::vector<float>& values) {
    return at::from_blob(values.data(), {std::ssize(values)}, at::kFloat);
  }

  std::vector<double> log_sums_;
  std::vector<float> maxima_;
  std::vector<float> target_logits_;
};

class CpuScoring : public HostScoring {
 public:
  using HostScoring::HostScoring;

 private:
  Reduced reduce(at::Tensor logits) const override {
    const auto [log_sum, max] = cpu::log_sum_exp_(logits, softcap_);
    return {logits, log_sum, max};
  }
};

bool has_cpu_kernels(const at::Tensor& x) {
  return x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
}

class CpuOperations : public Operations {
 public:
  at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) const override {
    return has_cpu_kernels(x) ? cpu::rms_norm(x, weight, eps) : Operations::rms_norm(x, weight, eps);
  }

  at::Tensor gated(const at::Tensor& gate_up, weights::ModelConfig::Activation activation) const override {
    using enum weights::ModelConfig::Activation;
    if (!has_cpu_kernels(gate_up) || (activation != kSilu && activation != kGeluTanh)) {
      return Operations::gated(gate_up, activation);
    }
    return cpu::gated(gate_up, activation == kGeluTanh);
  }

  std::unique_ptr<NextTokenScoring> score(std::int64_t num_rows, std::span<const std::int64_t> rows,
                                          std::span<const std::int32_t> targets, double softcap) const override {
    return std::make_unique<CpuScoring>(num_rows, rows, targets, softcap);
  }
};

}  // namespace

std::unique_ptr<NextTokenScoring> Operations::score(std::int64_t num_rows, std::span<const std::int64_t> rows,
                                                    std::span<const std::int32_t> targets, double softcap) const {
  return std::make_unique<HostScoring>(num_rows, rows, targets, softcap);
}

std::unique_ptr<Operations> make_operations(at::Device device, Kernels kernels) {
  if (kernels == Kernels::kOwn && device.is_cpu()) return std::make_unique<CpuOperations>();
#ifdef CATENARY_WITH_CUDA
  if (kernels == Kernels::kOwn && device.is_cuda()) return cuda::make_operations();
#endif
  return std::make_unique<Operations>();
}

}  // namespace catenary::model
