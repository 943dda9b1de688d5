#include "catenary/model/memory_plan.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <dnnl.hpp>
#include <filesystem>
#include <fstream>
#include <limits>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#ifdef CATENARY_WITH_CUDA
#include <cuda_runtime_api.h>
#endif

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "catenary/weights/cost.h"
#include "model/attention.h"
#include "model/linear.h"
#include "model/loader.h"

namespace catenary::model {
namespace {

constexpr std::int64_t kFewestTokens = 256;  // streamed

struct Needs {
  std::int64_t resident, streamed;  // weights
  std::int64_t per_token;           // hidden states, twice where all are scored; one layer's keys and values
  std::int64_t per_kept_token;      // keys and values of all layers
  std::int64_t per_pass;            // what a layer makes of the tokens that go through it at a time
  std::int64_t logits;              // of the texts that are generated
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
  if (packs) needs.resident += largest_linear * bytes;  // scratch
  if (packs && c.tie_word_embeddings && !keeps_rows(options, c.embedding_size)) needs.resident += table * bytes;
  // Two layers, or two parts of the vocabulary, and what they are packed from.
  needs.streamed =
      (2 * std::max(layer, vocabulary_part) + (packs ? std::max(largest_linear, vocabulary_part) : 0)) * bytes;
  const std::int64_t kv_bytes = device.is_cpu() ? 4 : bytes;
  needs.per_token = 2 * c.hidden_size * bytes + 2 * c.num_kv_heads * c.head_dim * kv_bytes +
                    (c.sliding_window > 0 ? 8 : 4) * c.rope.dim + 64;
  needs.per_kept_token = c.num_layers * 2 * c.num_kv_heads * c.head_dim * kv_bytes;
  const std::int64_t tokens = tokens_at_a_time(device);
  needs.per_pass =
      tokens * (qkv * (bytes + 4) + 4 * c.hidden_size * bytes + (c.gated_mlp ? 3 : 2) * intermediate * bytes) +
      2 * tokens * c.num_heads * c.head_dim * kv_bytes + 2 * logit_rows_at_a_time(device) * kVocabularyPart * 4;
  needs.logits = kMaxTexts * c.vocab_size * 4;
  if (!device.is_cpu()) {
    // Queries against branches above and what they got, of three levels; scores, where there may be some (attention.h).
    const bool has_scores =
        c.attention_softcap > 0 || c.sliding_window > 0 || c.position == weights::ModelConfig::Position::kAlibi;
    needs.per_pass += 6 * tokens * c.num_heads * c.head_dim * bytes + (has_scores ? 4 * kMaxScores * 4 : 0);
  }
  return needs;
}

int ranks_of_host = 1;

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

// Where the two versions of control groups say what they allow, what is taken, and how much of that is page cache which
// the system would give back.
struct ControlGroups {
  std::string_view marker;  // in /proc/self/cgroup, before the group's path
  std::string_view root, most, taken, cache;
};
constexpr std::array kControlGroups{
    ControlGroups{"0::", "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"},
    ControlGroups{":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                  "total_inactive_file"}};

std::int64_t read_number(const std::filesystem::path& path, std::string_view word, std::int64_t otherwise) {
  std::ifstream file(path);
  for (std::string found; file >> found;) {
    std::int64_t number = 0;
    if (found == word && file >> number) return number;
  }
  return otherwise;
}

std::int64_t power_of_two_below(std::int64_t n) {
  return static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(n)));
}

// What the control group and those above it leave.
std::int64_t control_group_bytes() {
  std::int64_t left = kNoLimit;
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    for (const ControlGroups& kind : kControlGroups) {
      const std::size_t at = line.find(kind.marker);
      if (at == std::string::npos) continue;
      for (std::filesystem::path group = line.substr(at + kind.marker.size());; group = group.parent_path()) {
        const std::filesystem::path folder = kind.root / group.relative_path();
        std::int64_t most = 0, taken = 0;  // "max" is no number
        if (std::ifstream(folder / kind.most) >> most && std::ifstream(folder / kind.taken) >> taken) {
          taken -= read_number(folder / "memory.stat", kind.cache, 0);
          left = std::min(left, std::max<std::int64_t>(0, most - taken));
        }
        if (!group.has_relative_path()) break;
      }
    }
  }
  return left;
}

// What `ulimit -v` leaves.
std::int64_t address_space_bytes() {
  struct rlimit limit {};
  std::int64_t pages = 0;
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kNoLimit;
  if (!(std::ifstream("/proc/self/statm") >> pages)) return kNoLimit;
  return std::max<std::int64_t>(0, static_cast<std::int64_t>(limit.rlim_cur) - pages * ::sysconf(_SC_PAGESIZE));
}

}  // namespace

MemoryPlan plan_memory(const weights::ModelConfig& config, spec::DType dtype, at::Device device,
                       std::int64_t memory_bytes, std::int64_t max_tokens) {
  const Needs needs = needs_of(config, dtype, device);
  // Resident, a long batch is no faster, but a prefix that is not kept is computed again for each: kept tokens may have
  // half of what weights leave. Streamed, every batch costs all weights once, so kept tokens get what batches leave.
  const auto plan_beside = [&](Placement placement, std::int64_t weights) -> MemoryPlan {
    const std::int64_t room = std::max<std::int64_t>(0, memory_bytes - weights - needs.per_pass);
    const std::int64_t for_kept =
        placement == Placement::kStreamed ? 0 : std::min(room / 2, config.context_length() * needs.per_kept_token);
    const std::int64_t tokens = std::min(power_of_two_below((room - for_kept) / needs.per_token), max_tokens);
    return {
        placement, tokens, power_of_two_below((room - tokens * needs.per_token) / needs.per_kept_token),
        power_of_two_below(std::max<std::int64_t>(0, room - needs.logits) / (needs.per_token + needs.per_kept_token))};
  };
  const MemoryPlan resident = plan_beside(Placement::kResident, needs.resident);
  if (resident.max_tokens >= std::min(tokens_at_a_time(device), max_tokens)) return resident;
  const MemoryPlan streamed = plan_beside(Placement::kStreamed, needs.streamed);
  if (streamed.max_tokens >= std::min(kFewestTokens, max_tokens)) return streamed;
  throw SpecError(fmt::format(
      "{:.0f} MiB of memory are too little: even a layer at a time the model needs {:.0f} MiB; --memory-budget, fewer "
      "ranks on the host or a smaller dtype give it more",
      static_cast<double>(memory_bytes) / (1 << 20),
      static_cast<double>(needs.streamed + needs.per_pass + kFewestTokens * needs.per_token) / (1 << 20) + 1));
}

std::int64_t available_bytes([[maybe_unused]] at::Device device) {
#ifdef CATENARY_WITH_CUDA
  if (device.is_cuda()) {
    std::size_t free = 0, total = 0;
    if (cudaMemGetInfo(&free, &total) == cudaSuccess) return static_cast<std::int64_t>(free);
  }
#endif
  constexpr std::int64_t kKilobyte = 1024;
  const std::int64_t kilobytes = read_number("/proc/meminfo", "MemAvailable:", kNoLimit / kKilobyte);
  return std::min(std::min(kilobytes * kKilobyte, control_group_bytes()) / ranks_of_host, address_space_bytes());
}

bool has_room_to_read_ahead(const weights::Checkpoint& checkpoint) {
  std::int64_t bytes = 0;
  for (const auto& file : checkpoint.files()) bytes += static_cast<std::int64_t>(std::filesystem::file_size(file));
  return bytes <= available_bytes(at::Device(at::kCPU)) / 2;
}

void share_host_memory(int num_ranks) {
  check(num_ranks > 0, "this rank is one of them");
  ranks_of_host = num_ranks;
}

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) || dynamic_cast<const c10::OutOfMemoryError*>(&error)) return true;
  if (const auto* of_gpu = dynamic_cast<const c10::AcceleratorError*>(&error)) {
    return of_gpu->get_error_code() == 2;  // cudaErrorMemoryAllocation: page-locked memory, say
  }
  if (const auto* of_onednn = dynamic_cast<const dnnl::error*>(&error)) return of_onednn->status == dnnl_out_of_memory;
  if (const auto* of_thread = dynamic_cast<const std::system_error*>(&error)) {
    return of_thread->code() == std::errc::resource_unavailable_try_again;
  }
  // On the host libtorch throws what it throws for everything.
  return std::string_view(error.what()).find("DefaultCPUAllocator: can't allocate memory") != std::string_view::npos;
}

}  // namespace catenary::model
