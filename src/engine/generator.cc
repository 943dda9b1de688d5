#include "catenary/engine/generator.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <random>

#include "catenary/base/error.h"
#include "catenary/base/log.h"
#include "catenary/model/memory_plan.h"

namespace catenary::engine {
namespace {

using tokenizer::TokenId;

void check_options(const GenerationOptions& options) {
  if (options.max_new_tokens < 1) throw SpecError("max_new_tokens must be at least 1");
  if (!(options.temperature >= 0 && std::isfinite(options.temperature)))
    throw SpecError("temperature must be 0 or more");
  if (!(options.top_p > 0 && options.top_p <= 1)) throw SpecError("top_p must be above 0 and at most 1");
}

std::mt19937_64 generator_for(std::uint64_t seed, std::uint64_t id) {
  std::seed_seq sequence{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                         static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(id >> 32)};
  return std::mt19937_64(sequence);
}

// In [0, 1), the same on every machine.
double uniform(std::mt19937_64& random) {
  return static_cast<double>(random() >> 11) * 0x1p-53;
}

// Never one of `not_tokens`.
TokenId choose(std::span<float> logits, std::span<const TokenId> not_tokens, const GenerationOptions& options,
               std::mt19937_64& random) {
  if (!std::ranges::all_of(logits, [](float logit) { return std::isfinite(logit); })) {
    throw DataError("a logit is not finite; weights or activations are not finite numbers");
  }
  // A number, for sequences may share their logits.
  for (const TokenId id : not_tokens) logits[static_cast<std::size_t>(id)] = std::numeric_limits<float>::lowest();
  const auto best = std::ranges::max_element(logits);
  if (options.temperature == 0) return static_cast<TokenId>(best - logits.begin());
  std::vector<double> weights(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    weights[i] = std::exp((static_cast<double>(logits[i]) - static_cast<double>(*best)) / options.temperature);
  }
  std::vector<TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (options.top_p < 1) {
    std::ranges::stable_sort(order, std::greater(), [&](TokenId t) { return weights[static_cast<std::size_t>(t)]; });
    double sum = 0;
    std::size_t count = 0;
    while (count < order.size() && sum < options.top_p * total)
      sum += weights[static_cast<std::size_t>(order[count++])];
    order.resize(count);
    total = sum;
  }
  double left = uniform(random) * total;
  for (const TokenId token : order) {
    left -= weights[static_cast<std::size_t>(token)];
    if (left < 0) return token;
  }
  return static_cast<TokenId>(best - logits.begin());  // rounding
}

struct Sequence {
  const Prompt* prompt;
  Generation* generation;
  std::mt19937_64 random;
  std::vector<model::SlotRange> path;  // of the prompt; the last is what is generated
  std::int64_t max_tokens = 0;         // that the options and the context allow
};

class SideBySide {
 public:
  // `not_tokens` are never chosen.
  SideBySide(const model::Decoder& decoder, const tokenizer::Tokenizer& tokenizer, const GenerationOptions& options,
             std::span<const TokenId> not_tokens)
      : decoder_(decoder), tokenizer_(tokenizer), options_(options), not_tokens_(not_tokens) {
    for (const std::string& stop : options.stop) longest_stop_ = std::max(longest_stop_, stop.size());
  }

  // `sequences` sorted by their prompts' tokens. Returns how many tokens were fed.
  std::int64_t run(std::vector<Sequence> sequences) {
    model::PrefixTree tree;
    std::vector<std::int64_t> last_tokens;
    std::int64_t extra_slots = 0;
    for (const Sequence& sequence : sequences) {
      *sequence.generation = {};
      last_tokens.push_back(tree.add(sequence.prompt->tokens).back());
      extra_slots += sequence.max_tokens;
    }
    std::int64_t next_slot = tree.num_tokens();
    for (std::size_t i = 0; i < sequences.size(); ++i) {
      sequences[i].path = tree.path(tree.branch_of(last_tokens[i]));
      sequences[i].path.back().end = last_tokens[i] + 1;
      sequences[i].path.push_back({next_slot, next_slot, std::ssize(sequences[i].prompt->tokens)});
      next_slot += sequences[i].max_tokens;
    }
    std::vector<std::int64_t> rows = last_tokens;
    std::ranges::sort(rows);
    rows.erase(std::ranges::unique(rows).begin(), rows.end());
    std::vector<std::int64_t> row_of;
    for (const std::int64_t token : last_tokens) row_of.push_back(std::ranges::lower_bound(rows, token) - rows.begin());

    at::Tensor hidden = decoder_.hidden_states(tree, rows, extra_slots, kept_);
    std::int64_t num_tokens_fed = tree.num_tokens();
    while (true) {
      const at::Tensor logits = decoder_.logits(hidden).cpu().contiguous();
      const auto vocab_size = static_cast<std::size_t>(logits.size(1));
      std::vector<Sequence> going_on;
      std::vector<model::NextToken> next;
      for (std::size_t i = 0; i < sequences.size(); ++i) {
        Sequence& sequence = sequences[i];
        float* row = logits.mutable_data_ptr<float>() + static_cast<std::size_t>(row_of[i]) * vocab_size;
        const TokenId token = choose({row, vocab_size}, not_tokens_, options_, sequence.random);
        if (finishes(sequence, token)) continue;
        sequence.path.back().end += 1;
        next.push_back({token, sequence.path});
        going_on.push_back(std::move(sequence));
      }
      if (going_on.empty()) return num_tokens_fed;
      sequences = std::move(going_on);
      num_tokens_fed += std::ssize(sequences);
      hidden = decoder_.next_hidden_states(next, kept_);
      row_of.resize(sequences.size());
      std::iota(row_of.begin(), row_of.end(), 0);
    }
  }

 private:
  // Takes the token; whether it was the last one.
  bool finishes(Sequence& sequence, TokenId token) const {
    Generation& generation = *sequence.generation;
    if (token == tokenizer_.eos_id() || std::ranges::count(options_.end_tokens, token) > 0) {
      generation.finish_reason = FinishReason::kEndToken;
      return finish(sequence, {});
    }
    generation.tokens.push_back(token);
    if (const auto stop = find_stop(sequence)) {
      generation.finish_reason = FinishReason::kStop;
      return finish(sequence, stop);
    }
    if (std::ssize(generation.tokens) < sequence.max_tokens) return false;
    generation.finish_reason = FinishReason::kLength;
    return finish(sequence, {});
  }

  bool finish(Sequence& sequence, std::optional<std::size_t> end) const {
    std::string text = text_of(sequence, sequence.generation->tokens);
    sequence.generation->text = end ? text.substr(0, *end) : std::move(text);
    return true;
  }

  // Where the first stop text begins. Only the end of the text is new; every token but a special one makes a byte or
  // more.
  std::optional<std::size_t> find_stop(const Sequence& sequence) const {
    if (longest_stop_ == 0) return {};
    const std::vector<TokenId>& tokens = sequence.generation->tokens;
    const std::size_t tail = std::min(tokens.size(), longest_stop_ + 8);
    if (tail < tokens.size() && !first_stop(tokenizer_.decode(std::span(tokens).last(tail)))) return {};
    return first_stop(text_of(sequence, tokens));
  }

  std::optional<std::size_t> first_stop(const std::string& text) const {
    std::optional<std::size_t> first;
    for (const std::string& stop : options_.stop) {
      const std::size_t at = text.find(stop);
      if (at != std::string::npos && (!first || at < *first)) first = at;
    }
    return first;
  }

  // As what follows the prompt, for some tokenizers drop a space at the beginning of a text.
  std::string text_of(const Sequence& sequence, const std::vector<TokenId>& tokens) const {
    std::vector<TokenId> whole{sequence.prompt->tokens.back()};
    const std::string before = tokenizer_.decode(whole);
    whole.insert(whole.end(), tokens.begin(), tokens.end());
    const std::string text = tokenizer_.decode(whole);
    return text.starts_with(before) ? text.substr(before.size()) : tokenizer_.decode(tokens);
  }

  const model::Decoder& decoder_;
  const tokenizer::Tokenizer& tokenizer_;
  const GenerationOptions& options_;
  std::span<const TokenId> not_tokens_;
  std::size_t longest_stop_ = 0;
  std::vector<model::KeyValues> kept_;
};

// How many of the sequences go side by side, from the first.
std::size_t num_side_by_side(std::span<const Sequence> sequences, std::int64_t max_texts, std::int64_t max_tokens) {
  model::PrefixTree tree;
  std::int64_t num_new_tokens = 0;
  std::size_t count = 0;
  while (count < sequences.size() && std::cmp_less(count, max_texts)) {
    tree.add(sequences[count].prompt->tokens);
    num_new_tokens += sequences[count].max_tokens;
    if (count > 0 && tree.num_tokens() + num_new_tokens > max_tokens) break;
    ++count;
  }
  return count;
}

}  // namespace

Generations generate(const model::Decoder& decoder, const tokenizer::Tokenizer& tokenizer,
                     std::span<const Prompt> prompts, const GenerationOptions& options, std::int64_t& max_texts) {
  check_options(options);
  Generations generations{std::vector<Generation>(prompts.size())};
  std::vector<Sequence> sequences;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const std::int64_t length = std::ssize(prompts[i].tokens);
    if (length == 0) throw DataError("a prompt without tokens");
    // The last token is never fed, so it may lie one past the context.
    const std::int64_t most = decoder.config().context_length() - length + 1;
    if (most < 1) {
      throw DataError(fmt::format("a prompt has {} tokens, and the model's context is {}", length,
                                  decoder.config().context_length()));
    }
    const std::int64_t max_tokens = std::min(options.max_new_tokens, most);
    if (decoder.config().position_depends_on_length(length + max_tokens - 1)) {
      throw DataError(fmt::format(
          "a prompt of {} tokens with up to {} more: the model's rotary embedding changes on the way there; "
          "ask for fewer tokens",
          length, max_tokens));
    }
    sequences.push_back(
        {&prompts[i], &generations.items[i], generator_for(options.seed, prompts[i].id), {}, max_tokens});
  }
  std::ranges::stable_sort(
      sequences, {}, [](const Sequence& s) -> const auto& { return s.prompt->tokens; });

  // Embeddings may be padded to more rows than there are tokens, and ids have gaps.
  std::vector<TokenId> not_tokens;
  for (TokenId id = 0; id < decoder.config().vocab_size; ++id) {
    if (!tokenizer.has_token(id)) not_tokens.push_back(id);
  }

  for (std::span<const Sequence> left = sequences; !left.empty();) {
    const std::size_t count = num_side_by_side(left, max_texts, options.max_tokens);
    try {
      generations.num_tokens_fed += SideBySide(decoder, tokenizer, options, not_tokens)
                                        .run({left.begin(), left.begin() + static_cast<std::ptrdiff_t>(count)});
      left = left.subspan(count);
    } catch (const std::exception& e) {
      if (!model::is_out_of_memory(e)) throw;
      ::malloc_trim(0);  // what it had is kept for the next one of its size otherwise
      if (count == 1) {
        throw Error(fmt::format("out of memory: a prompt of {} tokens with up to {} more does not fit even alone",
                                left.front().prompt->tokens.size(), left.front().max_tokens));
      }
      max_texts = static_cast<std::int64_t>(count / 2);
      log::warning(
          fmt::format("out of memory with {} sequences side by side; going on with {} at most", count, max_texts));
      if (decoder.group().size() > 1) throw;  // the others are to do the same
    }
  }
  return generations;
}

}  // namespace catenary::engine
