#include "catenary/scheduler/cost.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace catenary::scheduler {
namespace {

// NVIDIA's data sheets: A100 (2021), H100 and H200 SXM (2024), L40S (2023), V100 SXM2 (2020). Dense, not sparse, FLOPs;
// half of what they state for NVLink, which counts both ways.
constexpr std::array kKinds{
    DeviceKind{"v100", 125e12, 32e9, 0.9e12, 150e9},    DeviceKind{"a100-40gb", 312e12, 40e9, 1.555e12, 300e9},
    DeviceKind{"a100", 312e12, 80e9, 2.039e12, 300e9},  DeviceKind{"l40s", 362e12, 48e9, 0.864e12, 32e9},
    DeviceKind{"h100", 989.4e12, 80e9, 3.35e12, 450e9}, DeviceKind{"h200", 989.4e12, 141e9, 4.8e12, 450e9},
};

}  // namespace

std::span<const DeviceKind> device_kinds() {
  return kKinds;
}

const DeviceKind* find_device_kind(std::string_view name) {
  const auto found = std::ranges::find(kKinds, name, &DeviceKind::name);
  return found == kKinds.end() ? nullptr : &*found;
}

TokenCounts& TokenCounts::operator+=(const TokenCounts& other) {
  tokens += other.tokens;
  tokens_seen += other.tokens_seen;
  rows += other.rows;
  return *this;
}

double flops(const ModelCost& model, const TokenCounts& counts) {
  return model.flops_per_token * counts.tokens + model.flops_per_token_seen * counts.tokens_seen +
         model.flops_per_row * counts.rows;
}

double memory_traffic_bytes(const ModelCost& model, const TokenCounts& counts, const Surroundings& around) {
  const ModelCost::Share& whole = model.shares.front();
  return std::ceil(counts.tokens / around.batch_tokens) * whole.weight_bytes +
         2 * counts.tokens * (model.num_layers * model.hidden_bytes + whole.kv_bytes_per_token);
}

double memory_bytes(const ModelCost& model, const ModelCost::Share& share, const Surroundings& around) {
  return share.weight_bytes +
         around.batch_tokens * (share.kv_bytes_per_token / model.num_layers + 2 * model.hidden_bytes +
                                model.largest_row_bytes / share.num_ranks);
}

Fit fit_on(const ModelCost& model, const DeviceKind& device, const Surroundings& around) {
  for (const ModelCost::Share& share : model.shares) {
    if (memory_bytes(model, share, around) > kUsableMemory * device.memory_bytes) continue;
    const double ranks = share.num_ranks;
    const double link = ranks > around.devices_per_node
                            ? std::min(around.network_bytes_per_second, device.link_bytes_per_second)
                            : device.link_bytes_per_second;
    // A ring all-reduce sends 2 (n - 1) / n of the data through each link; two a layer.
    const double exchanged = 2 * model.num_layers * model.hidden_bytes * 2 * (ranks - 1) / ranks;
    const double moved = memory_traffic_bytes(model, {.tokens = around.batch_tokens}, around) / around.batch_tokens;
    const double seconds_per_token = std::max(model.flops_per_token / (ranks * around.efficiency * device.flops),
                                              moved / (ranks * device.memory_bytes_per_second)) +
                                     exchanged / link;
    return {.group_size = share.num_ranks,
            .rate = model.flops_per_token / seconds_per_token,
            .load_seconds = model.file_bytes / ranks / around.load_bytes_per_second};
  }
  return {.group_size = 0};
}

}  // namespace catenary::scheduler
