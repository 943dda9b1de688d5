#include "catenary/model/memory_plan.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#ifdef CATENARY_WITH_CUDA
#include <cuda_runtime_api.h>
#endif

#include "catenary/base/error.h"
#include "catenary/weights/cost.h"
#include "model/linear.h"
#include "model/loader.h"

namespace catenary::model {
namespace {

constexpr std::int64_t kFewestTokens = 256;  // streamed

struct Needs {
  std::int64_t resident, streamed;  // weights
  std::int64_t per_token;           // hidden states, one layer's keys and values; queries where all are scored
  std::int64_t per_pass;            // what a layer makes of the tokens that go through it at a time
};

Needs needs_of(const weights::ModelConfig& c, spec::DType dtype, at::Device device) {
  const auto options = at::TensorOptions().dtype(scalar_type(dtype)).device(device);
  const auto bytes = static_cast<std::int64_t>(c10::elementSize(scalar_type(dtype)));
  const bool packs = packs_linears(options);
  const weights::ParameterCount parameters = weights::count_parameters(c);
  const std::int64_t table = c.vocab_size * c.embedding_size;
  const std::int64_t layer = (parameters.total - parameters.embedding) / c.num_layers;
  const std::int64_t vocabulary_part = std::min(c.vocab_size, kVocabularyPart) * c.embedding_size;
  const std::int64_t intermediate = std::max({c.intermediate_size, c.expert_intermediate_size});
  const std::int64_t qkv = (c.num_heads + 2 * c.num_kv_heads) * c.head_dim;
  const std::int64_t largest_linear = c.hidden_size * std::max(2 * intermediate, qkv);

  Needs needs{};
  needs.resident = parameters.total * bytes;
  if (packs) needs.resident += (c.tie_word_embeddings ? table : 0) * bytes + largest_linear * bytes;  // a copy; scratch
  // Two layers, or two parts of the vocabulary, and what they are packed from.
  needs.streamed =
      (2 * std::max(layer, vocabulary_part) + (packs ? std::max(largest_linear, vocabulary_part) : 0)) * bytes;
  const std::int64_t kv_bytes = device.is_cpu() ? 4 : bytes;
  needs.per_token =
      2 * c.hidden_size * bytes + (c.num_heads + 2 * c.num_kv_heads) * c.head_dim * kv_bytes + 4 * c.rope.dim + 64;
  const std::int64_t tokens = tokens_at_a_time(device);
  needs.per_pass =
      tokens * (qkv * (bytes + 4) + 4 * c.hidden_size * bytes + (c.gated_mlp ? 3 : 2) * intermediate * bytes) +
      2 * logit_rows_at_a_time(device) * kVocabularyPart * 4;
  return needs;
}

// What the control group (version 2) and those above it leave; much where there is no limit.
std::int64_t control_group_bytes() {
  std::int64_t left = std::numeric_limits<std::int64_t>::max();
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("0::")) continue;
    const std::filesystem::path root = "/sys/fs/cgroup";
    for (std::filesystem::path group = line.substr(3);; group = group.parent_path()) {
      const std::filesystem::path folder = root / group.relative_path();
      std::int64_t most = 0, taken = 0;  // "max" is no number
      if (std::ifstream(folder / "memory.max") >> most && std::ifstream(folder / "memory.current") >> taken) {
        left = std::min(left, std::max<std::int64_t>(0, most - taken));
      }
      if (!group.has_relative_path()) break;
    }
  }
  return left;
}

}  // namespace

MemoryPlan plan_memory(const weights::ModelConfig& config, spec::DType dtype, at::Device device,
                       std::int64_t budget_bytes, std::int64_t min_tokens, std::int64_t max_tokens) {
  const Needs needs = needs_of(config, dtype, device);
  const auto tokens_beside = [&](std::int64_t weights) {
    return std::min((budget_bytes - weights - needs.per_pass) / needs.per_token, max_tokens);
  };
  if (tokens_beside(needs.resident) >= std::min(min_tokens, max_tokens)) {
    return {Placement::kResident, tokens_beside(needs.resident)};
  }
  if (tokens_beside(needs.streamed) >= std::min(kFewestTokens, max_tokens)) {
    return {Placement::kStreamed, tokens_beside(needs.streamed)};
  }
  throw SpecError(fmt::format(
      "{:.0f} MiB of memory are too little: even a layer at a time the model needs {:.0f} MiB",
      static_cast<double>(budget_bytes) / (1 << 20),
      static_cast<double>(needs.streamed + needs.per_pass + kFewestTokens * needs.per_token) / (1 << 20) + 1));
}

std::int64_t available_bytes([[maybe_unused]] at::Device device) {
#ifdef CATENARY_WITH_CUDA
  if (device.is_cuda()) {
    std::size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) == cudaSuccess) return static_cast<std::int64_t>(free);
  }
#endif
  std::int64_t available = control_group_bytes();
  std::ifstream file("/proc/meminfo");
  for (std::string word; file >> word;) {
    std::int64_t kilobytes = 0;
    if (word == "MemAvailable:" && file >> kilobytes) available = std::min(available, kilobytes * 1024);
  }
  return available;
}

}  // namespace catenary::model
