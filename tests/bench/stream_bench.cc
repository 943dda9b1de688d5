// What streaming costs, and what a run takes of memory: one model resident, and with a budget of a quarter of its
// weights, each in a process of its own and in turn.
//
//   stream_bench CHECKPOINT float32|bfloat16 THREADS [TOKENS] [ROUNDS]
//
// TOKENS (16,384) go through the model at once, in random sequences of 512 whose last token is scored; the best of
// ROUNDS (2) counts. load_bench makes a checkpoint: with `make FOLDER F32 1000 512` the tokens fit beside the weights
// of a quarter. Memory is VmHWM, the most that was ever resident, less that of a process which has only multiplied two
// small matrices; pages of the checkpoint's file that are mapped count. Where others use the machine, times tell less
// than the processor time of all threads together, of which reading has its share.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/base/check.h"
#include "catenary/engine/scorer.h"
#include "catenary/model/device.h"
#include "catenary/model/huge_pages.h"
#include "catenary/model/memory_plan.h"

namespace {

using namespace catenary;

constexpr std::int64_t kSequence = 512, kSmallBatch = 1024;

struct Result {
  double seconds = 0, cpu_seconds = 0;
  double peak_bytes = 0;  // of memory that is resident
  double file_bytes = 0;  // of those: pages of files, of the libraries' code above all
  std::int64_t max_tokens = 0;
};

// "VmHWM:", "RssFile:", …
double memory(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kilobytes = 0;
    if (word == name && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

double cpu_seconds() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// In a process of its own, which alone starts threads.
template <typename Function>
Result in_child(const Function& f) {
  int ends[2];
  check(::pipe(ends) == 0, "a pipe");
  const pid_t child = ::fork();
  check(child >= 0, "a process");
  if (child == 0) {
    try {
      const Result result = f();
      check(::write(ends[1], &result, sizeof result) == sizeof result, "a result is written");
    } catch (const std::exception& e) {
      fmt::print(stderr, "{}\n", e.what());
    }
    std::_Exit(0);
  }
  ::close(ends[1]);
  Result result;
  const bool arrived = ::read(ends[0], &result, sizeof result) == sizeof result;
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  if (!arrived) std::exit(1);
  return result;
}

std::vector<engine::Request> random_requests(std::int64_t num_tokens, std::int64_t vocab_size) {
  std::mt19937_64 random(1);
  std::vector<engine::Request> requests;
  for (std::int64_t n = 0; n < num_tokens; n += kSequence) {
    engine::EncodedContinuation sequence{{}, kSequence};
    for (std::int64_t i = 0; i <= kSequence; ++i) {
      sequence.tokens.push_back(static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(vocab_size)));
    }
    requests.push_back({sequence});
  }
  return requests;
}

struct Run {
  std::string checkpoint;
  spec::DType dtype;
  int num_threads;

  Result base() const {
    model::set_num_threads(num_threads);
    at::mm(at::ones({64, 64}), at::ones({64, 64}));
    return {.peak_bytes = memory("VmHWM:"), .file_bytes = memory("RssFile:")};
  }

  Result score(const model::MemoryPlan& plan, std::int64_t num_tokens) const {
    model::set_num_threads(num_threads);
    const auto opened = weights::Checkpoint::open(checkpoint);
    const model::Decoder decoder(opened, dtype, at::kCPU, plan.placement);
    engine::Scorer scorer(decoder, {.max_tokens = plan.max_tokens, .max_prefix_tokens = plan.max_kept_tokens});
    const auto requests = random_requests(num_tokens, decoder.config().vocab_size);
    scorer.score(std::span(requests).first(1));
    const double cpu_start = cpu_seconds();
    const auto start = std::chrono::steady_clock::now();
    scorer.score(requests);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return {seconds.count(), cpu_seconds() - cpu_start, memory("VmHWM:"), memory("RssFile:"), plan.max_tokens};
  }
};

void print(const std::string& name, const Result& result, const Result& base, double of, const std::string& of_what) {
  const double more = result.peak_bytes - base.peak_bytes;
  fmt::print(
      "{}: {:.2f} s, {:.2f} s of all cores; {:.0f} MB at the peak ({:.0f} of them pages of files), {:.2f} of {}\n",
      name, result.seconds, result.cpu_seconds, more / 1e6, (result.file_bytes - base.file_bytes) / 1e6, more / of,
      of_what);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4 || argc > 6) {
    std::fprintf(stderr, "usage: stream_bench CHECKPOINT float32|bfloat16 THREADS [TOKENS] [ROUNDS]\n");
    return 2;
  }
  model::use_huge_pages();  // as catenary-run does
  const Run run{argv[1], spec::parse_dtype(argv[2]), std::atoi(argv[3])};
  const std::int64_t num_tokens = argc > 4 ? std::atol(argv[4]) : 16384;
  const int num_rounds = argc > 5 ? std::atoi(argv[5]) : 2;

  const Result base = in_child([&] { return run.base(); });
  const auto opened = weights::Checkpoint::open(run.checkpoint);
  const double weights = static_cast<double>(opened.num_parameters()) * (run.dtype == spec::DType::kFloat32 ? 4 : 2);
  const auto budget = static_cast<std::int64_t>(weights / 4);
  fmt::print("{:.0f} MB of weights, {} threads; an idle process with libtorch takes {:.0f} MB\n", weights / 1e6,
             run.num_threads, base.peak_bytes / 1e6);
  const model::MemoryPlan resident{model::Placement::kResident, num_tokens, num_tokens};
  print("resident, 1,024 tokens", in_child([&] {
          return run.score({resident.placement, kSmallBatch, 0}, kSmallBatch);
        }),
        base, weights, "the weights");
  Result best[2];
  for (int round = 0; round < num_rounds; ++round) {
    const Result results[] = {
        in_child([&] { return run.score(resident, num_tokens); }), in_child([&] {
          return run.score(model::plan_memory(opened.config(), run.dtype, at::kCPU, budget, num_tokens), num_tokens);
        })};
    for (int i = 0; i < 2; ++i) {
      const double peak = std::max(best[i].peak_bytes, results[i].peak_bytes);
      if (round == 0 || results[i].seconds < best[i].seconds) best[i] = results[i];
      best[i].peak_bytes = peak;
    }
  }
  print(fmt::format("resident, {} tokens", num_tokens), best[0], base, weights, "the weights");
  print(fmt::format("streamed, {} at a time", best[1].max_tokens), best[1], base, static_cast<double>(budget),
        fmt::format("a budget of {:.0f} MB", static_cast<double>(budget) / 1e6));
  fmt::print("streamed at {:.0f} % of the resident speed, {:.0f} % by the work of all cores\n",
             100 * best[0].seconds / best[1].seconds, 100 * best[0].cpu_seconds / best[1].cpu_seconds);
}
