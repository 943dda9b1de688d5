#include "cli/model_cost.h"

#include <algorithm>

#include "catenary/weights/cost.h"

namespace catenary::cli {

scheduler::ModelCost cost_of(const weights::ModelConfig& config, spec::DType dtype) {
  constexpr int kLargestGroup = 512;
  const double bytes = dtype == spec::DType::kFloat32 ? 4 : 2;
  const weights::ForwardFlops flops = weights::forward_flops(config, 1);
  const std::int64_t intermediate =
      std::max(config.intermediate_size, config.num_experts_per_token * config.expert_intermediate_size);
  scheduler::ModelCost cost{.flops_per_token = flops.layers,
                            .flops_per_token_seen = flops.attention,
                            .flops_per_row = flops.logits,
                            .num_layers = static_cast<double>(config.num_layers),
                            .hidden_bytes = static_cast<double>(config.hidden_size) * bytes,
                            .largest_row_bytes = static_cast<double>((config.gated_mlp ? 3 : 2) * intermediate) * bytes,
                            .file_bytes = static_cast<double>(weights::count_parameters(config).total) * bytes,
                            .shares = {}};
  for (int ranks = 1; ranks <= kLargestGroup; ranks *= 2) {
    const auto share = weights::rank_share(config, ranks);
    if (!share) continue;
    cost.shares.push_back(
        {.num_ranks = ranks,
         .weight_bytes = static_cast<double>(share->split_parameters + share->replicated_parameters) * bytes,
         .kv_bytes_per_token = static_cast<double>(share->kv_elements_per_token) * bytes});
  }
  return cost;
}

}  // namespace catenary::cli
