#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "catenary/scheduler/policy.h"

namespace catenary::scheduler {

/// A kind of device, as its maker states it.
struct DeviceKind {
  std::string_view name;
  double flops = 0;         // a second, of dense matrix products in bfloat16 or float16
  double memory_bytes = 0;  // of which kUsableMemory can be had
  double memory_bytes_per_second = 0;
  double link_bytes_per_second = 0;  // to devices of its node, each way
};
inline constexpr double kUsableMemory = 0.94;

std::span<const DeviceKind> device_kinds();
/// nullptr if there is none of this name.
const DeviceKind* find_device_kind(std::string_view name);

/// What a scorer reaches of it, and what lies around it: to be replaced by what was measured.
struct Surroundings {
  int devices_per_node = 8;
  double efficiency = 0.4;                 // of the device's flops
  double network_bytes_per_second = 50e9;  // of a device to other nodes, each way
  double load_bytes_per_second = 2e9;      // of a device, from the file system into its memory
  double batch_tokens = 16384;             // that go through a layer at a time
};

/// A model in numbers (those of weights/cost.h); bytes are for the dtype that it is computed in.
struct ModelCost {
  struct Share {
    int num_ranks = 1;        // a power of two
    double weight_bytes = 0;  // of the rank that has most
    double kv_bytes_per_token = 0;
  };
  double flops_per_token = 0;
  double flops_per_token_seen = 0;  // attention, for each token and each that it sees
  double flops_per_row = 0;         // logits
  double num_layers = 0;
  double hidden_bytes = 0;       // a token's hidden state
  double largest_row_bytes = 0;  // what the widest layer makes of a token
  double file_bytes = 0;         // that loading reads
  std::vector<Share> shares;     // the group sizes that its heads allow
};

/// What goes through a model.
struct TokenCounts {
  double tokens = 0;       // each prefix once
  double tokens_seen = 0;  // summed over them: each sees itself and all before it
  double rows = 0;         // those whose successor is scored

  TokenCounts& operator+=(const TokenCounts& other);
};

double flops(const ModelCost& model, const TokenCounts& counts);

/// Weights are read once for each batch of tokens; keys, values and hidden states are written and read.
double memory_traffic_bytes(const ModelCost& model, const TokenCounts& counts, const Surroundings& around);

/// Of a rank: weights, a layer's keys and values and the hidden states of a batch, the widest layer's output.
double memory_bytes(const ModelCost& model, const ModelCost::Share& share, const Surroundings& around);

/// How the model runs on such devices: the smallest group that holds it, FLOPs a second of that, loading. A token takes
/// as long as computing or moving its bytes, whichever is longer (Williams et al. 2009, the roofline). A group's ranks
/// exchange their parts of the hidden states twice a layer; that and computing do not overlap. Group size 0 where
/// no group does.
Fit fit_on(const ModelCost& model, const DeviceKind& device, const Surroundings& around);

}  // namespace catenary::scheduler
