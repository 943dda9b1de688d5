// Times the scoring of requests that are token ids, on any device.
//
//   gpu_bench MODEL REQUESTS.jsonl float32|float16|bfloat16 auto|cuda|cpu resident|streamed ROUNDS
//
// A line of REQUESTS.jsonl is {"context": [ids], "continuations": [[ids], …]}. Prints a JSON object: the seconds of
// each round, items, tokens, the distinct ones that were fed, their FLOPs as weights/cost.h counts them, the device,
// and the log-likelihoods of the first items. tests/bench/gpu_bench.py makes models and requests and runs it beside a
// peer.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "catenary/engine/batch.h"
#include "catenary/engine/scorer.h"
#include "catenary/model/device.h"
#include "catenary/model/huge_pages.h"
#include "catenary/weights/cost.h"

namespace {

using namespace catenary;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<engine::Request> read_requests(const char* path) {
  std::vector<engine::Request> requests;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto json = nlohmann::json::parse(line);
    engine::Request request;
    for (const auto& continuation : json["continuations"]) {
      std::vector<tokenizer::TokenId> tokens = json["context"];
      const std::size_t begin = tokens.size();
      for (const auto& token : continuation) tokens.push_back(token);
      request.push_back({tokens, begin});
    }
    requests.push_back(std::move(request));
  }
  return requests;
}

// Of all distinct tokens, and of the logits that are scored. What the last layer does after its keys and values is for
// rows that are scored alone.
double count_flops(const weights::ModelConfig& c, const std::vector<engine::Request>& requests) {
  const engine::Batches all = engine::make_batches(requests, c, {});
  const weights::ForwardFlops first = weights::forward_flops(c, 1);
  const auto layers = static_cast<double>(c.num_layers);
  const double after_keys = 2 * static_cast<double>(c.hidden_size) *
                            static_cast<double>(c.num_heads * c.head_dim + (c.gated_mlp ? 3 : 2) * c.intermediate_size);
  double flops = 0;
  const auto add = [&](std::int64_t num_tokens_seen, bool is_scored) {
    const double attention = weights::forward_flops(c, num_tokens_seen).attention;
    flops += first.layers + attention - (is_scored ? 0 : after_keys + attention / layers);
  };
  for (std::int64_t i = 0; i < std::ssize(all.prefix); ++i) add(i + 1, false);
  for (const engine::Batch& batch : all.batches) {
    for (const model::PrefixTree::Branch& branch : batch.tree.branches()) {
      for (std::int64_t token = branch.begin; token < branch.end; ++token) {
        add(branch.position + token - branch.begin + 1, std::ranges::binary_search(batch.rows, token));
      }
    }
    flops += first.logits * static_cast<double>(batch.rows.size());
  }
  return flops;
}

spec::DType dtype_of(const std::string& word) {
  return word == "float32" ? spec::DType::kFloat32 : word == "float16" ? spec::DType::kFloat16 : spec::DType::kBFloat16;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr,
                 "usage: gpu_bench MODEL REQUESTS.jsonl float32|float16|bfloat16 auto|cuda|cpu resident|streamed "
                 "ROUNDS\n");
    return 2;
  }
  model::use_huge_pages();  // as catenary-run does
  const auto checkpoint = weights::Checkpoint::open(argv[1]);
  const std::vector<engine::Request> requests = read_requests(argv[2]);
  const at::Device device = model::choose_device(argv[4], 0);
  const auto placement = std::string(argv[5]) == "streamed" ? model::Placement::kStreamed : model::Placement::kResident;

  nlohmann::ordered_json result;
  const auto load_start = Clock::now();
  const model::Decoder decoder(checkpoint, dtype_of(argv[3]), device, placement);
  result["load_seconds"] = seconds_since(load_start);
  result["device"] = model::device_kind(device);
  result["items"] = requests.size();
  std::int64_t num_tokens = 0;
  for (const engine::Request& request : requests) {
    for (const auto& continuation : request) num_tokens += std::ssize(continuation.tokens) - 1;
  }
  result["tokens"] = num_tokens;
  for (int round = 0; round < std::atoi(argv[6]); ++round) {
    engine::Scorer scorer(decoder);  // a header is read again in each round
    const auto start = Clock::now();
    const engine::Scores scores = scorer.score(requests);
    result["seconds"].push_back(seconds_since(start));
    if (round > 0) continue;
    result["tokens_fed"] = scores.num_tokens_fed;
    for (std::size_t i = 0; i < std::min<std::size_t>(4, requests.size()); ++i) {
      result["log_likelihoods"].push_back(scores.items[i].log_likelihoods);
    }
  }
  result["flops"] = count_flops(checkpoint.config(), requests);
  std::puts(result.dump().c_str());
}
