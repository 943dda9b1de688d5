#include "cli/slurm/job_size.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <regex>
#include <sstream>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/to_number.h"
#include "catenary/scheduler/cost.h"
#include "catenary/scheduler/simulation.h"
#include "cli/item_encoder.h"
#include "cli/model_cost.h"
#include "cli/slurm/process.h"
#include "cli/token_count.h"

namespace catenary::cli {
namespace {

// Reached in scoring where the site file does not say better (docs/engine.md; a GPU: two fifths of an A100's peak).
constexpr double kFlopsOfCore = 5e10;
constexpr double kFlopsOfGpu = 1.2e14;
constexpr double kLoadBytesPerSecond = 1e9;  // of a rank, from the file system
constexpr int kCoresOfRank = 8;
constexpr std::int64_t kMibOfRank = 2048;  // besides weights: programs, batches
constexpr double kGoodTime = 1800;
constexpr double kWorthMoreNodes = 0.75;  // of the time on fewer

// Counts the GPUs of "gpu:a100:4(S:0-1),gpu:h100:2,fpga:1"; `kind` becomes what the first are called.
int count_gpus(const std::string& gres, std::string& kind) {
  static const std::regex gpu(R"((?:^|,)gpu(?::([^:,(]+))?:([0-9]+))");
  int count = 0;
  for (std::sregex_iterator it(gres.begin(), gres.end(), gpu), end; it != end; ++it) {
    if (count == 0) kind = (*it)[1];
    count += std::stoi((*it)[2]);
  }
  return count;
}

// "64", or "64+" where nodes differ.
int number_of(const std::string& word) {
  return to_number<int>(word.substr(0, word.find('+'))).value_or(0);
}

// What a rank gets done in a second.
double flops_of_rank(const Site& site, const Partition& partition, spec::DType dtype, bool on_gpu, int num_cpus) {
  if (site.flops_per_rank) return *site.flops_per_rank;
  if (!on_gpu) return kFlopsOfCore * num_cpus;
  const scheduler::DeviceKind* kind = scheduler::find_device_kind(partition.gpu);
  const double flops = kind == nullptr ? kFlopsOfGpu : kind->flops * scheduler::Surroundings().efficiency;
  return dtype == spec::DType::kFloat32 ? flops / 2 : flops;  // as TF32
}

Prediction predict(const Work& work, double flops_of_rank, int ranks_per_node, int num_nodes) {
  scheduler::Work simulated{.models = {}, .units = work.units, .ranks = {}};
  for (const Work::Model& model : work.models) {
    simulated.models.push_back(
        {{.group_size = model.num_ranks,
          .rate = flops_of_rank * model.num_ranks,
          .load_seconds = static_cast<double>(model.bytes) / model.num_ranks / kLoadBytesPerSecond}});
  }
  for (int rank = 0; rank < num_nodes * ranks_per_node; ++rank) simulated.ranks.push_back({rank / ranks_per_node});
  const auto simulation = simulate(simulated, {}, scheduler::Strategy::kPolicy);
  return {num_nodes, simulation.makespan_seconds, simulation.utilization};
}

}  // namespace

Work work_of(const Study& study) {
  Work work{.dtype = study.spec.dtype, .models = {}, .units = {}};
  StudyTokens all_tokens(study);
  std::size_t first_range = 0;
  for (std::size_t m = 0; m < study.checkpoints.size(); ++m) {
    const weights::Checkpoint& checkpoint = study.checkpoints[m];
    const ItemEncoder encoder(checkpoint, study.spec.conditions);
    const scheduler::ModelCost cost = cost_of(checkpoint.config(), study.spec.dtype);
    for (std::size_t t = 0; t < study.tasks.size(); ++t) {
      for (std::size_t c = 0; c < study.spec.conditions.size(); ++c) {
        const auto& ranges = all_tokens.count(encoder, t, c).ranges;
        scheduler::TokenCounts fed;
        for (const scheduler::TokenCounts& range : ranges) fed += range;
        work.units.push_back({static_cast<std::int32_t>(m), first_range, ranges.size(),
                              flops(cost, fed) / static_cast<double>(ranges.size())});
        first_range += ranges.size();
      }
    }
    work.models.push_back({.bytes = checkpoint.num_parameters() * (study.spec.dtype == spec::DType::kFloat32 ? 4 : 2),
                           .num_ranks = static_cast<int>(study.spec.models[m].tensor_parallel.value_or(1))});
  }
  return work;
}

Partition find_partition(const Site& site) {
  Partition partition;
  bool found = false;
  std::vector<std::string> command{"sinfo", "-h", "-o", "%P|%D|%c|%m|%G|%l|%X"};
  if (!site.partition.empty()) command.push_back("--partition=" + site.partition);
  const CommandResult sinfo = run_command(command);
  std::istringstream lines(sinfo.exit_code == 0 ? sinfo.output : "");
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> words;
    std::istringstream stream(line);
    for (std::string word; std::getline(stream, word, '|');) words.push_back(word);
    if (words.size() != 7) continue;
    if (site.partition.empty() && !words[0].ends_with('*')) continue;  // the default partition
    Partition kind{.num_nodes = number_of(words[1]),
                   .cpus_per_node = number_of(words[2]),
                   .sockets_per_node = std::max(1, number_of(words[6])),
                   .mib_per_node = number_of(words[3]),
                   .limit_seconds = parse_slurm_time(words[5]).value_or(0)};
    kind.gpus_per_node = count_gpus(words[4], kind.gpu);
    // Where nodes differ, what they all have.
    if (!found) {
      partition = kind;
    } else {
      partition.num_nodes += kind.num_nodes;
      partition.cpus_per_node = std::min(partition.cpus_per_node, kind.cpus_per_node);
      partition.gpus_per_node = std::min(partition.gpus_per_node, kind.gpus_per_node);
      partition.mib_per_node = std::min(partition.mib_per_node, kind.mib_per_node);
    }
    found = true;
  }
  if (sinfo.exit_code != 0 && !site.cpus_per_node) {
    throw SpecError(fmt::format("sinfo does not answer: {}; `catenary doctor` tells more", first_line(sinfo.all())));
  }
  if (!found && !site.cpus_per_node) {
    throw SpecError(fmt::format(
        "sinfo does not tell of {}{}; say it in the site file (cpus_per_node, docs/slurm.md)",
        site.partition.empty() ? "a default partition" : fmt::format("the partition \"{}\"", site.partition),
        sinfo.exit_code == 127 ? " (it is not installed here)" : ""));
  }
  partition.cpus_per_node = site.cpus_per_node.value_or(partition.cpus_per_node);
  partition.gpus_per_node = site.gpus_per_node.value_or(partition.gpus_per_node);
  partition.mib_per_node = site.mib_per_node.value_or(partition.mib_per_node);
  partition.num_nodes = site.max_nodes.value_or(partition.num_nodes);
  return partition;
}

std::optional<std::int64_t> parse_slurm_time(const std::string& text) {
  if (text == "UNLIMITED" || text == "infinite") return 0;
  static const std::regex form(R"((?:(\d{1,4})-)?(\d{1,6})(?::(\d{1,2}))?(?::(\d{1,2}))?)");
  std::smatch match;
  if (!std::regex_match(text, match, form)) return std::nullopt;
  const auto number = [&](int i) { return match[i].matched ? std::stoll(match[i]) : 0; };
  // Without days one number is minutes, two are minutes and seconds; with days hours come first.
  if (match[1].matched || match[4].matched) {
    return number(1) * 86400 + number(2) * 3600 + number(3) * 60 + number(4);
  }
  return number(2) * 60 + number(3);
}

std::string slurm_time(std::int64_t seconds) {
  const std::int64_t days = seconds / 86400;
  return fmt::format("{}{:02}:{:02}:{:02}", days > 0 ? fmt::format("{}-", days) : "", seconds / 3600 % 24,
                     seconds / 60 % 60, seconds % 60);
}

JobSize size_job(const Work& work, const Partition& partition, const Site& site, const Wishes& wishes) {
  JobSize size;
  const bool on_gpus = wishes.use_gpus && partition.gpus_per_node > 0;
  const int cores = partition.cpus_per_node;
  const int num_sockets = partition.sockets_per_node;
  const int cores_of_socket = std::max(1, cores / num_sockets);
  const int threads = wishes.threads_per_rank > 0 ? wishes.threads_per_rank : std::min(cores_of_socket, kCoresOfRank);
  size.ranks_per_node = wishes.ranks_per_node > 0    ? wishes.ranks_per_node
                        : on_gpus                    ? partition.gpus_per_node
                        : threads <= cores_of_socket ? cores_of_socket / threads * num_sockets
                                                     : std::max(1, cores / threads);
  if (on_gpus && size.ranks_per_node > partition.gpus_per_node) {
    throw SpecError(fmt::format("--ranks-per-node {}: a rank needs a GPU of its own, and a node has {}",
                                size.ranks_per_node, partition.gpus_per_node));
  }
  if (size.ranks_per_node > cores) {
    throw SpecError(
        fmt::format("--ranks-per-node {}: a rank needs a core, and a node has {}", size.ranks_per_node, cores));
  }
  size.gpus_per_node = on_gpus ? size.ranks_per_node : 0;
  // Where a socket has room for whole ranks, none lies across two.
  const int ranks_of_socket = (size.ranks_per_node + num_sockets - 1) / num_sockets;
  const bool fits_sockets = size.ranks_per_node >= num_sockets && ranks_of_socket <= cores_of_socket;
  size.cpus_per_rank = fits_sockets ? cores_of_socket / ranks_of_socket : cores / size.ranks_per_node;
  if (wishes.threads_per_rank > 0) size.cpus_per_rank = std::min(size.cpus_per_rank, wishes.threads_per_rank);
  std::int64_t most_bytes_of_rank = 0;
  int most_ranks_of_model = 1;
  for (const Work::Model& model : work.models) {
    most_bytes_of_rank = std::max(most_bytes_of_rank, model.bytes / model.num_ranks);
    most_ranks_of_model = std::max(most_ranks_of_model, model.num_ranks);
  }
  const std::int64_t mib_of_rank = most_bytes_of_rank * 5 / 4 / (1 << 20) + kMibOfRank;
  size.mib_per_node = std::min(partition.mib_per_node, size.ranks_per_node * mib_of_rank);

  const double flops = flops_of_rank(site, partition, work.dtype, on_gpus, size.cpus_per_rank);
  const auto predict_on = [&](int num_nodes) { return predict(work, flops, size.ranks_per_node, num_nodes); };
  const int most_nodes = wishes.num_nodes > 0 ? wishes.num_nodes : partition.num_nodes - wishes.num_spare;
  const int fewest_nodes = (most_ranks_of_model + size.ranks_per_node - 1) / size.ranks_per_node;
  size.num_nodes = wishes.num_nodes > 0 ? wishes.num_nodes : fewest_nodes;
  if (size.num_nodes < fewest_nodes || fewest_nodes > most_nodes) {
    throw SpecError(fmt::format("a model of \"tensor_parallel\": {} needs {} nodes of {} ranks, and there are {}",
                                most_ranks_of_model, fewest_nodes, size.ranks_per_node, most_nodes));
  }
  size.predictions.push_back(predict_on(size.num_nodes));
  while (size.predictions.back().seconds > kGoodTime && size.num_nodes < most_nodes) {
    const Prediction more = predict_on(std::min(2 * size.num_nodes, most_nodes));
    if (more.seconds > kWorthMoreNodes * size.predictions.back().seconds) break;
    size.predictions.push_back(more);
    size.num_nodes = more.num_nodes;
  }
  if (size.num_nodes + wishes.num_spare > partition.num_nodes) {
    throw SpecError(fmt::format("{} nodes{} are asked for, and {} are there", size.num_nodes,
                                wishes.num_spare > 0 ? fmt::format(" and {} spare", wishes.num_spare) : "",
                                partition.num_nodes));
  }
  const double margin = 2 * size.predictions.back().seconds + 600;
  const auto asked = static_cast<std::int64_t>(std::min(std::ceil(margin / 60), 1e6)) * 60;
  const std::int64_t most = wishes.limit_seconds > 0      ? wishes.limit_seconds
                            : partition.limit_seconds > 0 ? partition.limit_seconds
                                                          : asked;
  size.limit_seconds = wishes.limit_seconds > 0 ? wishes.limit_seconds : std::min(asked, most);
  size.num_jobs = static_cast<int>(std::min(100.0, std::ceil(margin / static_cast<double>(size.limit_seconds))));
  return size;
}

}  // namespace catenary::cli
