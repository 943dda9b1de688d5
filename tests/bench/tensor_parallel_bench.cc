// What it costs ranks to hold a model together: the time of a batch, and how much of it is exchanging sums (waiting for
// slower ranks included), and what each rank's weights take.
//
//   mpirun -n RANKS tensor_parallel_bench MODEL TOKENS ROUNDS [float32|bfloat16]
//
// Prints a JSON object: seconds of the best of the rounds, of that in all-reduce, megabytes reduced, and each rank's
// megabytes of weights (what its resident memory grew by). OMP_NUM_THREADS threads a rank.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "catenary/model/decoder.h"
#include "catenary/model/device.h"
#include "catenary/model/huge_pages.h"
#include "catenary/parallel/communicator.h"
#include "catenary/parallel/mpi_environment.h"
#include "catenary/parallel/tensor_parallel_group.h"

namespace {

using namespace catenary;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double resident_megabytes() {
  double total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
}

/// A group that measures how long its calls take.
class TimedGroup : public parallel::TensorParallelGroup {
 public:
  explicit TimedGroup(parallel::TensorParallelGroup& group) : group_(group) {}
  int rank() const override { return group_.rank(); }
  int size() const override { return group_.size(); }
  std::vector<std::string> all_gather(const std::string& text) override { return group_.all_gather(text); }
  void all_reduce(const parallel::Elements& elements, parallel::Reduction reduction) override {
    const auto start = Clock::now();
    group_.all_reduce(elements, reduction);
    seconds += seconds_since(start);
    megabytes += static_cast<double>(elements.count) * 4 / 1e6;
  }

  double seconds = 0, megabytes = 0;

 private:
  void settle(std::exception_ptr) override {}
  parallel::TensorParallelGroup& group_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: tensor_parallel_bench MODEL TOKENS ROUNDS [float32|bfloat16]\n");
    return 2;
  }
  model::use_huge_pages();  // as catenary-run does
  const parallel::MpiEnvironment mpi;
  const auto world = parallel::Communicator::world();
  const auto group = parallel::make_mpi_group(world, 0, world.size());
  TimedGroup timed(*group);
  const char* threads = std::getenv("OMP_NUM_THREADS");
  model::set_num_threads(threads == nullptr ? 1 : std::atoi(threads));
  const auto checkpoint = weights::Checkpoint::open(argv[1]);
  const double before = resident_megabytes();
  const model::Decoder decoder(checkpoint, spec::parse_dtype(argc > 4 ? argv[4] : "float32"), at::kCPU,
                               model::Placement::kResident, model::Kernels::kOwn, timed);
  const std::string weights = std::to_string(resident_megabytes() - before);

  // Sequences of 128 tokens that share nothing; each token but the last is scored.
  const std::int64_t num_tokens = std::atoll(argv[2]), length = std::min<std::int64_t>(128, num_tokens);
  model::PrefixTree tree;
  std::int32_t next = 0;
  while (tree.num_tokens() + length <= num_tokens) {
    std::vector<std::int32_t> sequence;
    for (std::int64_t i = 0; i < length; ++i)
      sequence.push_back(next++ % static_cast<std::int32_t>(decoder.config().vocab_size));
    tree.add(sequence, /*shares=*/false);
  }
  std::vector<std::int64_t> rows(static_cast<std::size_t>(tree.num_tokens()));
  std::iota(rows.begin(), rows.end(), 0);
  const std::vector<std::int32_t> targets(rows.size(), 1);

  nlohmann::ordered_json result{{"ranks", world.size()}, {"tokens", tree.num_tokens()}};
  double best = 1e30;
  for (int round = 0; round < std::atoi(argv[3]); ++round) {
    world.barrier();
    timed.seconds = timed.megabytes = 0;
    const auto start = Clock::now();
    decoder.score_next_tokens(decoder.hidden_states(tree, rows), rows, targets);
    const double seconds = seconds_since(start);
    if (seconds >= best) continue;
    best = seconds;
    result["seconds"] = seconds;
    result["all_reduce_seconds"] = timed.seconds;
    result["megabytes_reduced"] = timed.megabytes;
  }
  for (const std::string& text : world.all_gather(weights)) result["weight_megabytes"].push_back(std::stod(text));
  if (world.rank() == 0) std::puts(result.dump().c_str());
}
