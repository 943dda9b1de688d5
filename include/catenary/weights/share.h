#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "catenary/weights/checkpoint.h"
#include "catenary/weights/model_config.h"

namespace catenary::weights {

/// What one of several ranks holds of a model. Split as in Megatron-LM (Shoeybi et al. 2019, arXiv:1909.08053):
/// queries, keys and values by heads, the MLP and each expert by intermediate size, token embedding and lm_head by
/// vocabulary; o_proj and down_proj by columns, so what they make is to be summed over ranks. Where key–value heads are
/// fewer than ranks, each rank holds one, so some hold the same. The rest is on all.
struct Share {
  int rank = 0;
  int size = 1;  // 1: the whole model
};

/// Why a model cannot be split so, "num_heads is 9, which 2 does not divide", say; empty if it can: num_heads must be a
/// multiple of the size, and num_kv_heads a multiple or a divisor of it.
std::string share_problem(const ModelConfig& config, int size);

/// The share's part of `count` rows or columns that lie one behind the other; shares differ by one at most, and the
/// last rank's is not smaller than others.
Range part_of(std::int64_t count, const Share& share);

struct TensorPart {
  Range rows, columns;
  bool is_split = false;  // false: all of it, on every rank
};
/// The rows and columns of a tensor (named as in Checkpoint) that a share holds. Norms of single heads are not split:
/// a share needs those of its own heads.
TensorPart part_of(std::string_view tensor, std::int64_t num_rows, std::int64_t num_columns, const ModelConfig& config,
                   const Share& share);

/// Which heads a share has.
Range heads_of(const ModelConfig& config, const Share& share);
Range kv_heads_of(const ModelConfig& config, const Share& share);

/// The share seen as a model: its heads, intermediate sizes and rows of the vocabulary.
ModelConfig config_of(const ModelConfig& config, const Share& share);

}  // namespace catenary::weights
