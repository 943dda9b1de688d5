#include "catenary/engine/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "catenary/base/error.h"
#include "catenary/engine/batch.h"
#include "support/scarce_memory.h"
#include "support/temporary_folder.h"

namespace catenary::engine {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using tokenizer::TokenId;

const std::filesystem::path kSource = CATENARY_SOURCE_DIR;

struct Model {
  weights::Checkpoint checkpoint = weights::Checkpoint::open(kSource / "jobs/demo/models/demo-360k");
  tokenizer::Tokenizer tokenizer = tokenizer::Tokenizer::open(checkpoint);
  model::Decoder decoder{checkpoint, spec::DType::kFloat32, at::Device(at::kCPU)};

  std::vector<Generation> generate(std::span<const Prompt> prompts, const GenerationOptions& options,
                                   std::int64_t max_texts = BatchOptions().max_texts) const {
    return engine::generate(decoder, tokenizer, prompts, options, max_texts).items;
  }
};

const Model& model() {
  static const Model instance;
  return instance;
}

json reference() {
  return json::parse(std::ifstream(kSource / "tests/reference/generation/greedy.json"));
}

std::vector<Prompt> reference_prompts() {
  std::vector<Prompt> prompts;
  for (const json& line : reference()) prompts.push_back({line["prompt_ids"], prompts.size()});
  return prompts;
}

TEST(Generate, greedy_tokens_are_those_of_transformers) {
  const json expected = reference();
  for (const std::int64_t side_by_side : {64, 5, 1}) {
    const auto actual = model().generate(reference_prompts(), {.max_new_tokens = 24}, side_by_side);
    ASSERT_EQ(actual.size(), expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
      // Transformers was told to go on after an EOS; ours ends there.
      auto tokens = expected[i]["generated"].get<std::vector<TokenId>>();
      const auto eos = model().tokenizer.eos_id();
      const auto end = eos ? std::ranges::find(tokens, *eos) : tokens.end();
      EXPECT_EQ(actual[i].finish_reason, end == tokens.end() ? FinishReason::kLength : FinishReason::kEndToken);
      tokens.erase(end, tokens.end());
      EXPECT_EQ(actual[i].tokens, tokens) << expected[i]["prompt"];
    }
  }
}

TEST(Generate, texts_do_not_depend_on_how_many_go_side_by_side) {
  const auto prompts = reference_prompts();
  for (const double temperature : {0.0, 1.0}) {
    GenerationOptions options{.max_new_tokens = 24, .temperature = temperature, .seed = 7};
    std::int64_t max_texts = BatchOptions().max_texts;
    const auto together = engine::generate(model().decoder, model().tokenizer, prompts, options, max_texts);
    for (const std::int64_t max_tokens : {200, 64, 1}) {
      options.max_tokens = max_tokens;
      const auto apart = engine::generate(model().decoder, model().tokenizer, prompts, options, max_texts);
      EXPECT_GT(apart.num_tokens_fed, together.num_tokens_fed) << "what prompts begin with goes through again";
      for (std::size_t i = 0; i < prompts.size(); ++i) {
        EXPECT_EQ(apart.items[i].tokens, together.items[i].tokens) << max_tokens;
        EXPECT_EQ(apart.items[i].text, together.items[i].text);
      }
    }
  }
}

TEST(Generate, an_end_token_ends_without_being_part_of_the_text) {
  const auto all = model().generate(reference_prompts(), {.max_new_tokens = 8});
  const TokenId third = all[0].tokens.at(2);
  const auto ended = model().generate(reference_prompts(), {.max_new_tokens = 8, .end_tokens = {third}});
  const auto first = std::ranges::find(all[0].tokens, third);
  EXPECT_EQ(ended[0].tokens, std::vector(all[0].tokens.begin(), first));
  EXPECT_EQ(ended[0].finish_reason, FinishReason::kEndToken);
}

TEST(Generate, a_stop_text_ends_the_text_before_it) {
  const auto all = model().generate(reference_prompts(), {.max_new_tokens = 12});
  const std::string whole = all[0].text;
  ASSERT_GT(whole.size(), 6u);
  const std::string stop = whole.substr(4, 2);  // may lie across tokens
  const auto stopped = model().generate(reference_prompts(), {.max_new_tokens = 12, .stop = {"never in it", stop}});
  EXPECT_EQ(stopped[0].text, whole.substr(0, whole.find(stop)));
  EXPECT_EQ(stopped[0].finish_reason, FinishReason::kStop);
  EXPECT_LE(stopped[0].tokens.size(), all[0].tokens.size());
}

TEST(Generate, draws_follow_the_model_s_probabilities) {
  Prompt prompt{reference_prompts()[3].tokens, 0};
  model::PrefixTree tree;
  const auto path = tree.add(prompt.tokens);
  const at::Tensor logits =
      model().decoder.logits(model().decoder.hidden_states(tree, std::vector<std::int64_t>{path.back()}))[0];
  constexpr int kDraws = 4000;
  const std::vector<Prompt> prompts = [&] {
    std::vector<Prompt> many;
    for (std::uint64_t id = 0; id < kDraws; ++id) many.push_back({prompt.tokens, id});
    return many;
  }();
  for (const double temperature : {0.7, 1.5}) {
    for (const double top_p : {1.0, 0.6}) {
      std::vector<double> expected;
      double total = 0;
      for (std::int64_t t = 0; t < model().tokenizer.vocab_size(); ++t) {
        expected.push_back(std::exp(logits[t].item<double>() / temperature));
        total += expected.back();
      }
      for (double& p : expected) p /= total;
      // The smallest set that reaches top_p.
      std::vector<double> sorted = expected;
      std::ranges::sort(sorted, std::greater());
      double sum = 0, least = 0;
      for (const double p : sorted) {
        if (sum >= top_p) break;
        sum += p;
        least = p;
      }
      std::map<TokenId, int> counts;
      for (const auto& g : model().generate(
               prompts, {.max_new_tokens = 1, .temperature = temperature, .top_p = top_p, .seed = 3}, kDraws)) {
        ++counts[g.tokens.empty() ? *model().tokenizer.eos_id() : g.tokens[0]];
      }
      for (std::size_t t = 0; t < expected.size(); ++t) {
        const double p = expected[t] >= least ? expected[t] / sum : 0;
        const double sigma = std::sqrt(kDraws * p * (1 - p));
        EXPECT_NEAR(counts[static_cast<TokenId>(t)], kDraws * p, 5 * sigma + 3) << t;
      }
    }
  }
}

TEST(Generate, what_is_drawn_depends_on_seed_and_id_not_on_company) {
  const auto prompts = reference_prompts();
  const GenerationOptions options{.max_new_tokens = 12, .temperature = 1, .seed = 5};
  const auto together = model().generate(prompts, options);
  for (std::size_t i = 0; i < prompts.size(); i += 3) {
    EXPECT_EQ(model().generate(std::span(prompts).subspan(i, 1), options)[0].tokens, together[i].tokens);
  }
  GenerationOptions other = options;
  other.seed = 6;
  EXPECT_NE(model().generate(prompts, other)[0].tokens, together[0].tokens);
}

TEST(Generate, the_context_ends_a_sequence) {
  const auto context = model().decoder.config().context_length();
  const std::vector<Prompt> prompts{{std::vector<TokenId>(static_cast<std::size_t>(context - 2), 5), 0}};
  const auto generation = model().generate(prompts, {.max_new_tokens = 50})[0];
  EXPECT_LE(generation.tokens.size(), 3u);
  const std::vector<Prompt> too_long{{std::vector<TokenId>(static_cast<std::size_t>(context + 1), 5), 0}};
  EXPECT_THAT(test::message_of<DataError>([&] { model().generate(too_long, {}); }),
              HasSubstr("the model's context is"));
}

TEST(Generate, an_id_that_no_token_has_is_not_chosen) {
  const auto prompt = reference_prompts()[0];
  const TokenId favourite = model().generate(std::span(&prompt, 1), {.max_new_tokens = 1})[0].tokens.at(0);
  // The same tokenizer without that token, and so with a gap.
  json tokenizer = json::parse(std::ifstream(kSource / "jobs/demo/models/demo-360k/tokenizer.json"));
  std::string text;
  for (const auto& [token, id] : tokenizer["model"]["vocab"].items()) {
    if (id == favourite) text = token;
  }
  tokenizer["model"]["vocab"].erase(text);
  const test::TemporaryFolder folder;
  for (const char* file : {"config.json", "model.safetensors"}) {
    std::filesystem::copy(kSource / "jobs/demo/models/demo-360k" / file, folder.path());
  }
  folder.write("tokenizer.json", tokenizer.dump());
  const auto with_gap = tokenizer::Tokenizer::open(weights::Checkpoint::open(folder.path()));
  ASSERT_FALSE(with_gap.has_token(favourite));

  model::PrefixTree tree;
  const auto path = tree.add(prompt.tokens);
  at::Tensor logits =
      model()
          .decoder.logits(model().decoder.hidden_states(tree, std::vector<std::int64_t>{path.back()}))[0]
          .narrow(0, 0, model().tokenizer.vocab_size())
          .clone();
  logits[favourite] = -1e9;
  std::int64_t max_texts = 2000;
  const std::vector<Prompt> prompts(2000, prompt);
  EXPECT_EQ(generate(model().decoder, with_gap, std::span(prompts).first(2), {.max_new_tokens = 1}, max_texts)
                .items[1]
                .tokens.at(0),
            logits.argmax().item<TokenId>());
  for (const Generation& drawn :
       generate(model().decoder, with_gap, prompts, {.max_new_tokens = 1, .temperature = 1}, max_texts).items) {
    EXPECT_NE(drawn.tokens.at(0), favourite);
  }
}

// "VmRSS:", "VmHWM:": what is resident now, and what was at most.
std::int64_t resident_bytes(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::int64_t kilobytes = 0;
    if (word == name && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

TEST(GenerateInMemory, stays_within_the_plan) {
  if (!test::kMemoryIsOurs) GTEST_SKIP() << "a sanitizer has the memory";
  const auto checkpoint = weights::Checkpoint::open(kSource / "jobs/demo/models/demo-1685k");
  const auto tokenizer = tokenizer::Tokenizer::open(checkpoint);
  const model::Decoder decoder(checkpoint, spec::DType::kFloat32, at::kCPU);
  std::mt19937 random(3);
  std::vector<Prompt> prompts(64);
  for (Prompt& prompt : prompts) {
    prompt.tokens.resize(200);
    std::ranges::generate(prompt.tokens, [&] { return static_cast<TokenId>(random() % 345); });
  }
  const auto peak_bytes = [&](std::int64_t max_tokens) {
    ::malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << 5;  // the peak begins here
    const std::int64_t before = resident_bytes("VmRSS:");
    std::int64_t max_texts = BatchOptions().max_texts;
    engine::generate(decoder, tokenizer, prompts, {.max_new_tokens = 56, .max_tokens = max_tokens}, max_texts);
    return resident_bytes("VmHWM:") - before;
  };
  peak_bytes(256);  // libraries' code
  const std::int64_t weights = checkpoint.num_parameters() * 4, budget = weights + (48 << 20);
  const auto plan = model::plan_memory(checkpoint.config(), spec::DType::kFloat32, at::kCPU, budget, 16384);
  EXPECT_LT(peak_bytes(plan.max_text_tokens), budget - weights);
  EXPECT_GT(peak_bytes(std::numeric_limits<std::int64_t>::max()), budget - weights);
}

TEST(Generate, options_that_make_no_sense_are_refused) {
  const auto prompts = reference_prompts();
  for (const GenerationOptions& options : {GenerationOptions{.max_new_tokens = 0}, GenerationOptions{.temperature = -1},
                                           GenerationOptions{.temperature = std::nan("")},
                                           GenerationOptions{.top_p = 0}, GenerationOptions{.top_p = 1.5}}) {
    EXPECT_THROW(model().generate(prompts, options), SpecError);
  }
  EXPECT_TRUE(model().generate({}, {}).empty());
}

}  // namespace
}  // namespace catenary::engine
