#include "cli/slurm/job_size.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <regex>
#include <sstream>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/weights/cost.h"
#include "cli/item_encoder.h"
#include "cli/slurm/process.h"
#include "cli/token_count.h"

namespace catenary::cli {
namespace {

// Reached in scoring where the site file does not say better (docs/engine.md; a GPU: two fifths of an A100's peak).
constexpr double kFlopsOfCore = 5e10;
constexpr double kFlopsOfGpu = 1.2e14;
constexpr double kLoadBytesPerSecond = 1e9;  // of a node, from its file system
constexpr int kCoresOfRank = 8;
constexpr std::int64_t kMibOfRank = 2048;  // besides weights: programs, batches
constexpr double kGoodTime = 1800;

double flops_of(const weights::Checkpoint& checkpoint, const TokenCount& count) {
  const double num_items = static_cast<double>(std::max<std::size_t>(1, count.longest.size()));
  const double mean_length =
      static_cast<double>(std::accumulate(count.longest.begin(), count.longest.end(), std::int64_t{0})) / num_items;
  const auto token =
      weights::forward_flops(checkpoint.config(), std::max<std::int64_t>(1, std::lround(mean_length / 2)));
  return static_cast<double>(count.num_distinct_tokens) * (token.layers + token.attention) +
         static_cast<double>(count.num_continuations) * token.logits;
}

// All GPUs of "gpu:a100:4(S:0-1),gpu:h100:2,fpga:1".
int count_gpus(const std::string& gres) {
  static const std::regex gpu(R"((?:^|,)gpu(?::[^:,(]+)?:([0-9]+))");
  int count = 0;
  for (std::sregex_iterator it(gres.begin(), gres.end(), gpu), end; it != end; ++it) count += std::stoi((*it)[1]);
  return count;
}

}  // namespace

Work work_of(const Study& study) {
  Work work;
  std::map<std::vector<std::string>, TokenCount> counts;  // models that share a tokenizer are fed the same tokens
  for (const weights::Checkpoint& checkpoint : study.checkpoints) {
    const ItemEncoder encoder(checkpoint, study.spec.conditions);
    for (std::size_t t = 0; t < study.tasks.size(); ++t) {
      for (std::size_t c = 0; c < study.spec.conditions.size(); ++c) {
        const auto* chat_template = encoder.chat_template(study.spec.conditions[c]);
        const auto [entry, is_new] = counts.try_emplace({encoder.tokenizer().fingerprint(),
                                                         chat_template == nullptr ? "" : chat_template->fingerprint(),
                                                         std::to_string(t), std::to_string(c)});
        if (is_new) entry->second = count_tokens(encoder, study.tasks[t], study.spec.conditions[c]);
        work.flops += flops_of(checkpoint, entry->second);
      }
    }
    const std::int64_t bytes = checkpoint.num_parameters() * (study.spec.dtype == spec::DType::kFloat32 ? 4 : 2);
    work.largest_model_bytes = std::max(work.largest_model_bytes, bytes);
    work.total_model_bytes += bytes;
  }
  return work;
}

Partition find_partition(const Site& site) {
  Partition partition;
  bool found = false;
  std::vector<std::string> command{"sinfo", "-h", "-o", "%P|%D|%c|%m|%G|%l"};
  if (!site.partition.empty()) command.push_back("--partition=" + site.partition);
  const CommandResult sinfo = run_command(command);
  std::istringstream lines(sinfo.exit_code == 0 ? sinfo.output : "");
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> words;
    std::istringstream stream(line);
    for (std::string word; std::getline(stream, word, '|');) words.push_back(word);
    if (words.size() != 6) continue;
    if (site.partition.empty() && !words[0].ends_with('*')) continue;  // the default partition
    const Partition kind{.num_nodes = std::atoi(words[1].c_str()),
                         .cpus_per_node = std::atoi(words[2].c_str()),
                         .gpus_per_node = count_gpus(words[4]),
                         .mib_per_node = std::atoll(words[3].c_str()),
                         .limit_seconds = parse_slurm_time(words[5]).value_or(0)};
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
  const int threads = wishes.threads_per_rank > 0 ? wishes.threads_per_rank : std::min(cores, kCoresOfRank);
  size.ranks_per_node = wishes.ranks_per_node > 0 ? wishes.ranks_per_node
                        : on_gpus                 ? partition.gpus_per_node
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
  size.cpus_per_rank = cores / size.ranks_per_node;
  if (wishes.threads_per_rank > 0) size.cpus_per_rank = std::min(size.cpus_per_rank, wishes.threads_per_rank);
  const std::int64_t mib_of_rank = work.largest_model_bytes * 5 / 4 / (1 << 20) + kMibOfRank;
  size.mib_per_node = std::min(partition.mib_per_node, size.ranks_per_node * mib_of_rank);

  const double flops_of_rank = site.flops_per_rank.value_or(on_gpus ? kFlopsOfGpu : kFlopsOfCore * size.cpus_per_rank);
  const auto seconds_on = [&](int num_nodes) {
    return work.flops / (flops_of_rank * size.ranks_per_node * num_nodes) +
           static_cast<double>(work.total_model_bytes) / kLoadBytesPerSecond;
  };
  size.num_nodes = wishes.num_nodes;
  if (size.num_nodes == 0) {
    size.num_nodes = 1;
    while (seconds_on(size.num_nodes) > kGoodTime && size.num_nodes < partition.num_nodes) size.num_nodes *= 2;
    size.num_nodes = std::min(size.num_nodes, partition.num_nodes);
  }
  if (size.num_nodes + wishes.num_spare > partition.num_nodes) {
    throw SpecError(fmt::format("{} nodes{} are asked for, and {} are there", size.num_nodes,
                                wishes.num_spare > 0 ? fmt::format(" and {} spare", wishes.num_spare) : "",
                                partition.num_nodes));
  }
  size.predicted_seconds = seconds_on(size.num_nodes);
  const double margin = 2 * size.predicted_seconds + 600;
  const auto asked = static_cast<std::int64_t>(std::min(std::ceil(margin / 60), 1e6)) * 60;
  const std::int64_t most = wishes.limit_seconds > 0      ? wishes.limit_seconds
                            : partition.limit_seconds > 0 ? partition.limit_seconds
                                                          : asked;
  size.limit_seconds = wishes.limit_seconds > 0 ? wishes.limit_seconds : std::min(asked, most);
  size.num_jobs = static_cast<int>(std::min(100.0, std::ceil(margin / static_cast<double>(size.limit_seconds))));
  return size;
}

}  // namespace catenary::cli
