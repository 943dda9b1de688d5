// Times the scoring of a task with one model, and the matrix products that are its limit.
//
//   score_bench MODEL TASK.jsonl float32|bfloat16 THREADS ITEMS ROUNDS
//
// Prints a JSON object: seconds of each round (tokenizing included, loading not), items, the tokens fed, their FLOPs,
// and what plain products of the model's shapes reach in the same minute. tests/bench/score_bench.py runs it beside a
// peer.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "catenary/engine/scorer.h"
#include "catenary/model/device.h"
#include "catenary/model/huge_pages.h"
#include "catenary/task/task_reader.h"
#include "model/linear.h"

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Shape {
  std::int64_t in, out;
};

std::vector<Shape> shapes_of(const catenary::weights::ModelConfig& c) {
  return {{c.hidden_size, (c.num_heads + 2 * c.num_kv_heads) * c.head_dim},
          {c.num_heads * c.head_dim, c.hidden_size},
          {c.hidden_size, (c.gated_mlp ? 2 : 1) * c.intermediate_size},
          {c.intermediate_size, c.hidden_size}};
}

// FLOP/s of the four products of a layer for 1,024 tokens, best of five; `packed` as the decoder computes them.
double product_speed(const catenary::weights::ModelConfig& config, at::ScalarType dtype, bool packed) {
  constexpr std::int64_t kTokens = 1024;
  std::vector<std::pair<at::Tensor, catenary::model::Linear>> products;
  double flops = 0;
  for (const Shape& shape : shapes_of(config)) {
    const at::Tensor weight = (at::randn({shape.out, shape.in}) * 0.05).to(dtype);
    products.emplace_back(at::randn({kTokens, shape.in}).to(dtype),
                          packed ? catenary::model::make_linear(weight) : catenary::model::Linear{.weight = weight});
    flops += 2.0 * kTokens * static_cast<double>(shape.in * shape.out);
  }
  double best = 1e30;
  for (int round = 0; round < 6; ++round) {
    const auto start = Clock::now();
    for (int repeat = 0; repeat < 4; ++repeat) {
      for (const auto& [x, linear] : products) catenary::model::linear(x, linear);
    }
    if (round > 0) best = std::min(best, seconds_since(start) / 4);
  }
  return flops / best;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace catenary;
  if (argc != 7) {
    std::fprintf(stderr, "usage: score_bench MODEL TASK.jsonl float32|bfloat16 THREADS ITEMS ROUNDS\n");
    return 2;
  }
  model::use_huge_pages();  // as catenary-run does
  const bool is_bfloat16 = std::string(argv[3]) == "bfloat16";
  model::set_num_threads(std::atoi(argv[4]));
  const task::Task task = task::read_task({.name = "bench", .path = argv[2]});
  const auto num_items = std::min<std::size_t>(task.items.size(), std::strtoul(argv[5], nullptr, 10));
  const auto checkpoint = weights::Checkpoint::open(argv[1]);
  const auto tokenizer = tokenizer::Tokenizer::open(checkpoint);
  const model::Decoder decoder(checkpoint, is_bfloat16 ? spec::DType::kBFloat16 : spec::DType::kFloat32, at::kCPU);

  nlohmann::ordered_json result;
  result["items"] = num_items;
  for (int round = 0; round < std::atoi(argv[6]); ++round) {
    engine::Scorer scorer(decoder);
    const auto start = Clock::now();
    std::vector<engine::Request> requests;
    for (std::size_t i = 0; i < num_items; ++i) {
      requests.push_back(tokenizer::encode_continuations(tokenizer, task.items[i].prompt, tokenizer::Context::kText,
                                                         task.items[i].classes));
    }
    const engine::Scores scores = scorer.score(requests);
    result["seconds"].push_back(seconds_since(start));
    result["tokens_fed"] = scores.num_tokens_fed;
  }
  const auto parameters = static_cast<double>(checkpoint.num_parameters() - checkpoint.num_embedding_parameters());
  result["flops_per_token"] = 2 * parameters;  // of the linear layers
  const c10::InferenceMode inference;
  const at::ScalarType dtype = is_bfloat16 ? at::kBFloat16 : at::kFloat;
  result["at_linear_flops_per_second"] = product_speed(checkpoint.config(), dtype, false);
  result["packed_flops_per_second"] = product_speed(checkpoint.config(), dtype, true);
  std::puts(result.dump().c_str());
}
