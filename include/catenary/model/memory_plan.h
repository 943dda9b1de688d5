#pragma once

#include <cstdint>
#include <exception>

#include "catenary/model/decoder.h"

namespace catenary::model {

/// Texts that are generated side by side at most: each has its logits in memory.
inline constexpr std::int64_t kMaxTexts = 64;

/// How a model runs within some memory.
struct MemoryPlan {
  Placement placement = Placement::kResident;
  std::int64_t max_tokens = 0;       // that go through a layer before the next one begins
  std::int64_t max_kept_tokens = 0;  // whose keys and values of all layers are kept: those of a prefix
  std::int64_t max_text_tokens = 0;  // the same where texts are generated and no prefix is kept: prompts and texts
};

/// Resident if the weights and the tokens that go through a layer at a time fit into `memory_bytes`, else streamed. As
/// many tokens as then fit, `max_tokens` at most; all three numbers are powers of two, for last bits depend on them,
/// and what happens to be free should seldom change them. What libtorch itself takes is not counted. Throws SpecError,
/// saying how much is needed, if not even two layers and 256 tokens fit.
MemoryPlan plan_memory(const weights::ModelConfig& config, spec::DType dtype, at::Device device,
                       std::int64_t memory_bytes, std::int64_t max_tokens);

/// Memory that is free now: the GPU's, or this rank's share of what the system could give without swapping and the
/// control group (a container, a Slurm job) allows, within the process's limit (ulimit -v).
std::int64_t available_bytes(at::Device device);

/// Whether reading the model's files ahead pays: this rank's share of the host's free memory holds twice as much, so
/// that what was read is still there when it is needed.
bool has_room_to_read_ahead(const weights::Checkpoint& checkpoint);

/// So many ranks of this host share its memory from now on; for the whole process. One if it is not called.
void share_host_memory(int num_ranks);

/// Whether memory, the GPU's or the host's, was refused: each library has its own exception for it.
bool is_out_of_memory(const std::exception& error);

}  // namespace catenary::model
