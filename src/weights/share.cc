#include "catenary/weights/share.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace catenary::weights {
namespace {

Range times(Range range, std::int64_t factor) {
  return {range.begin * factor, range.end * factor};
}

}  // namespace

std::string share_problem(const ModelConfig& config, int size) {
  if (config.num_heads % size != 0)
    return fmt::format("num_heads is {}, which {} does not divide", config.num_heads, size);
  if (config.num_kv_heads % size != 0 && size % config.num_kv_heads != 0) {
    return fmt::format("num_kv_heads is {}, neither a multiple nor a divisor of {}", config.num_kv_heads, size);
  }
  using Size = std::pair<std::string_view, std::int64_t>;
  for (const auto& [name, value] : {Size("intermediate_size", config.intermediate_size),
                                    Size("expert_intermediate_size", config.expert_intermediate_size),
                                    Size("shared_expert_intermediate_size", config.shared_expert_intermediate_size),
                                    Size("vocab_size", config.vocab_size)}) {
    if (value > 0 && value < size) return fmt::format("{} is {}, less than {}", name, value, size);
  }
  return "";
}

Range part_of(std::int64_t count, const Share& share) {
  return {count * share.rank / share.size, count * (share.rank + 1) / share.size};
}

Range heads_of(const ModelConfig& config, const Share& share) {
  return part_of(config.num_heads, share);
}

Range kv_heads_of(const ModelConfig& config, const Share& share) {
  if (config.num_kv_heads >= share.size) return part_of(config.num_kv_heads, share);
  const std::int64_t head = config.num_kv_heads * share.rank / share.size;
  return {head, head + 1};
}

TensorPart part_of(std::string_view tensor, std::int64_t num_rows, std::int64_t num_columns, const ModelConfig& config,
                   const Share& share) {
  TensorPart part{{0, num_rows}, {0, num_columns}, true};
  const bool is_bias = tensor.ends_with(".bias");
  const std::string_view module = tensor.substr(0, tensor.rfind('.'));
  const auto is_one_of = [&](auto... names) { return (module.ends_with(names) || ...); };
  const bool norm_is_split = config.qk_norm_kind == ModelConfig::QkNorm::kWholeProjection;
  if (is_one_of(".q_proj") || (norm_is_split && is_one_of(".q_norm"))) {
    part.rows = times(heads_of(config, share), config.head_dim);
  } else if (is_one_of(".k_proj", ".v_proj") || (norm_is_split && is_one_of(".k_norm"))) {
    part.rows = times(kv_heads_of(config, share), config.head_dim);
  } else if (is_one_of(".gate_proj", ".up_proj", "embed_tokens", "lm_head")) {
    part.rows = part_of(num_rows, share);
  } else if (is_one_of(".o_proj") && !is_bias) {
    part.columns = times(heads_of(config, share), config.head_dim);
  } else if (is_one_of(".down_proj") && !is_bias) {
    part.columns = part_of(num_columns, share);
  } else {
    part.is_split = false;
  }
  return part;
}

ModelConfig config_of(const ModelConfig& config, const Share& share) {
  ModelConfig own = config;
  own.num_heads = heads_of(config, share).size();
  own.num_kv_heads = kv_heads_of(config, share).size();
  for (auto size : {&ModelConfig::intermediate_size, &ModelConfig::expert_intermediate_size,
                    &ModelConfig::shared_expert_intermediate_size, &ModelConfig::vocab_size}) {
    own.*size = part_of(config.*size, share).size();
  }
  return own;
}

}  // namespace catenary::weights
