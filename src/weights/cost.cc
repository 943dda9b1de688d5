#include "catenary/weights/cost.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>

#include "catenary/weights/share.h"
#include "weights/needed_tensors.h"

namespace catenary::weights {
namespace {

std::int64_t num_elements(const NeededTensor& tensor) {
  return std::accumulate(tensor.shape.begin(), tensor.shape.end(), std::int64_t{1}, std::multiplies<>());
}

bool is_expert(const NeededTensor& tensor) {
  return tensor.part.starts_with("mlp.experts.");
}

bool is_embedding(const NeededTensor& tensor) {
  return tensor.part == "model.embed_tokens" || tensor.part == "model.embed_positions" || tensor.part == "lm_head";
}

// All experts are alike.
std::int64_t of_chosen_experts(std::int64_t in_all, const ModelConfig& config) {
  return in_all == 0 ? 0 : in_all / config.num_experts * config.num_experts_per_token;
}

}  // namespace

ParameterCount count_parameters(const ModelConfig& config) {
  ParameterCount count;
  std::int64_t in_experts = 0;
  for (const NeededTensor& tensor : needed_tensors(config, config.num_layers)) {
    const std::int64_t elements = num_elements(tensor);
    count.total += elements;
    if (is_embedding(tensor)) count.embedding += elements;
    if (is_expert(tensor)) in_experts += elements;
  }
  count.active = count.total - in_experts + of_chosen_experts(in_experts, config);
  return count;
}

double training_flops(const ParameterCount& parameters, double training_tokens) {
  return 6 * static_cast<double>(parameters.active) * training_tokens;
}

ForwardFlops forward_flops(const ModelConfig& config, std::int64_t num_tokens_seen) {
  std::int64_t in_matrices = 0, in_experts = 0;
  for (const NeededTensor& tensor : needed_tensors(config, config.num_layers)) {
    if (tensor.shape.size() < 2 || is_embedding(tensor)) continue;
    (is_expert(tensor) ? in_experts : in_matrices) += num_elements(tensor);
  }
  ForwardFlops flops;
  flops.layers = 2 * static_cast<double>(in_matrices + of_chosen_experts(in_experts, config));
  flops.logits = 2 * static_cast<double>(config.vocab_size) * static_cast<double>(config.embedding_size);
  for (std::int64_t layer = 0; layer < config.num_layers; ++layer) {
    const std::int64_t seen = config.slides(layer) ? std::min(num_tokens_seen, config.sliding_window) : num_tokens_seen;
    flops.attention += 4 * static_cast<double>(config.num_heads * config.head_dim) * static_cast<double>(seen);
  }
  return flops;
}

std::optional<RankShare> rank_share(const ModelConfig& config, std::int64_t tensor_parallel_size) {
  const auto size = static_cast<int>(tensor_parallel_size);
  if (!share_problem(config, size).empty()) return std::nullopt;
  const Share last{size - 1, size};
  RankShare share;
  for (const NeededTensor& tensor : needed_tensors(config, config.num_layers)) {
    const std::int64_t rows = tensor.shape.front(), columns = num_elements(tensor) / rows;
    const TensorPart part = part_of(tensor.part + tensor.suffix, rows, columns, config, last);
    (part.is_split ? share.split_parameters : share.replicated_parameters) += part.rows.size() * part.columns.size();
  }
  share.kv_elements_per_token = 2 * config.num_layers * kv_heads_of(config, last).size() * config.head_dim;
  return share;
}

}  // namespace catenary::weights
