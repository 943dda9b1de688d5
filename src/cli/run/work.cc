#include "cli/run/work.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "catenary/base/error.h"
#include "catenary/engine/batch.h"
#include "catenary/model/memory_plan.h"
#include "catenary/parallel/tensor_parallel_group.h"
#include "catenary/store/reader.h"
#include "catenary/weights/cost.h"
#include "catenary/weights/share.h"
#include "cli/item_encoder.h"
#include "cli/run/host.h"

namespace catenary::cli {
namespace {

// Bytes of text that a range's prompts are made of; a header that all share is computed once.
double prompt_bytes(const task::Task& task, const spec::ConditionSpec& condition, const spec::ItemRange& range) {
  const auto bytes_of = [&](std::int64_t i) {
    const task::Item& item = task.items[static_cast<std::size_t>(task.first + i)];
    std::size_t bytes = item.prompt.size() + item.other_prompt.size();
    for (const std::string& text : item.classes) bytes += text.size();
    return static_cast<double>(bytes);
  };
  double bytes = 0;
  for (std::int64_t i = range.first_item; i < range.first_item + range.num_items; ++i) bytes += bytes_of(i);
  const bool draws = condition.few_shot && condition.exemplars == spec::Exemplars::kPerItem;
  return draws ? bytes * static_cast<double>(1 + condition.k) : bytes;
}

std::vector<scheduler::PendingUnit> pending_units(const Study& study, const store::Layout& layout,
                                                  const store::Writer& writer) {
  std::vector<scheduler::PendingUnit> pending;
  for (std::size_t i = 0; i < writer.ranges().size(); ++i) {
    if (writer.states()[i] == store::RangeState::kDone) continue;
    const spec::ItemRange& range = writer.ranges()[i];
    const spec::WorkUnit& unit = layout.units[static_cast<std::size_t>(range.unit_index)];
    const weights::Checkpoint& model = study.checkpoints[static_cast<std::size_t>(unit.model_index)];
    const task::Task& task = study.tasks[static_cast<std::size_t>(unit.task_index)];
    const spec::ConditionSpec& condition = study.spec.conditions[static_cast<std::size_t>(unit.condition_index)];
    const double num_tokens = prompt_bytes(task, condition, range) / 4 +
                              static_cast<double>(range.num_items * max_generated_tokens(task.format, condition));
    const auto num_parameters = static_cast<double>(weights::count_parameters(model.config()).active);
    const double cost = 2 * num_parameters * num_tokens;
    if (!pending.empty()) {
      scheduler::PendingUnit& last = pending.back();
      if (last.first_range + last.num_ranges == i && writer.ranges()[last.first_range].unit_index == range.unit_index) {
        last.range_cost += (cost - last.range_cost) / static_cast<double>(++last.num_ranges);
        continue;
      }
    }
    pending.push_back({unit.model_index, i, 1, cost});
  }
  return pending;
}

bool fits_resident(const weights::ModelConfig& config, int size, spec::DType dtype, at::Device device,
                   std::int64_t memory_bytes) try {
  const auto share = weights::config_of(config, {size - 1, size});
  const auto plan = model::plan_memory(share, dtype, device, memory_bytes, engine::BatchOptions().max_tokens);
  return plan.placement == model::Placement::kResident;
} catch (const SpecError&) {  // not even streamed
  return false;
}

}  // namespace

std::vector<int> tensor_parallel_sizes(const Study& study, const std::filesystem::path& store_path,
                                       const std::map<std::string, std::int32_t>& stored, at::Device device,
                                       std::int64_t memory_bytes, int num_ranks) {
  std::vector<int> sizes;
  Problems problems;
  for (std::size_t i = 0; i < study.checkpoints.size(); ++i) {
    const spec::ModelSpec& model = study.spec.models[i];
    const weights::ModelConfig& config = study.checkpoints[i].config();
    const bool is_stored = !model.tensor_parallel && stored.contains(model.name);
    int& chosen =
        sizes.emplace_back(is_stored ? stored.at(model.name) : static_cast<int>(model.tensor_parallel.value_or(1)));
    const std::string asked = is_stored ? fmt::format("{} ranks hold it together in {}", chosen, store_path.string())
                                        : fmt::format("\"tensor_parallel\" is {}", chosen);
    if (chosen > num_ranks) {
      problems.add(fmt::format("model {}: {}, and there {} {}; start more with mpirun or srun{}", model.name, asked,
                               num_ranks == 1 ? "is" : "are", num_ranks, is_stored ? ", or take another -o" : ""));
    }
    if (chosen > 1 && device.is_cuda() && !parallel::has_nccl()) {
      problems.add(
          fmt::format("model {}: {}, and this build has no NCCL, which GPUs need for that", model.name, asked));
    }
    if (model.tensor_parallel || is_stored || device.is_cpu() || !parallel::has_nccl()) continue;
    for (int size = 1; size <= num_ranks; size *= 2) {
      if (!weights::share_problem(config, size).empty()) continue;
      if (!fits_resident(config, size, study.spec.dtype, device, memory_bytes)) continue;
      chosen = size;
      break;
    }
  }
  problems.throw_if_any<SpecError>();
  return sizes;
}

scheduler::Work make_work(const parallel::Communicator& world, const Study& study, const store::Layout& layout,
                          const store::Writer& writer) {
  constexpr double kFlops = 1e11, kLoadBytesPerSecond = 1e9;
  scheduler::Work work{.models = {}, .units = pending_units(study, layout, writer), .ranks = {}};
  for (std::size_t i = 0; i < layout.models.size(); ++i) {
    const int size = layout.models[i].tensor_parallel_size;
    double bytes = 0;
    for (const auto& tensor : study.checkpoints[i].tensors()) bytes += static_cast<double>(tensor.bytes.size());
    work.models.push_back(
        {{.group_size = size, .rate = kFlops * size, .load_seconds = bytes / size / kLoadBytesPerSecond}});
  }
  const auto hosts = world.all_gather(host_name());
  for (const std::string& host : hosts) {
    work.ranks.push_back({.node = static_cast<int>(std::ranges::find(hosts, host) - hosts.begin())});
  }
  return work;
}

}  // namespace catenary::cli
