#include "catenary/model/decoder.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "catenary/model/device.h"
#include "catenary/model/memory_plan.h"
#include "catenary/weights/cost.h"
#include "model/attention.h"
#include "model/linear.h"
#include "model/loader.h"
#include "model/operations.h"
#include "model/position.h"
#include "model/prefetch.h"
#include "model/reduce.h"

namespace catenary::model {
namespace {

/// Calls f(begin, end) for nearly equal parts of [0, size).
template <typename Function>
void for_parts(std::int64_t size, std::int64_t largest, const Function& f) {
  const std::int64_t num_parts = (size + largest - 1) / largest;
  for (std::int64_t i = 0; i < num_parts; ++i) f(size * i / num_parts, size * (i + 1) / num_parts);
}

weights::Share checked_share(const weights::ModelConfig& config, const parallel::TensorParallelGroup& group) {
  const std::string problem = weights::share_problem(config, group.size());
  if (!problem.empty())
    throw SpecError(fmt::format("the model cannot run on {} ranks together: {}", group.size(), problem));
  return {group.rank(), group.size()};
}

}  // namespace

struct Decoder::Pass {
  TokenLayout layout;
  at::Tensor x;  // [num_tokens, hidden_size]
  Rotation full, sliding;
  std::vector<std::unique_ptr<TokenGroup>> parts;  // that go through a layer at a time
};

Decoder::Decoder(const weights::Checkpoint& checkpoint, spec::DType dtype, at::Device device, Placement placement,
                 Kernels kernels, parallel::TensorParallelGroup& group)
    : group_(group),
      share_(checked_share(checkpoint.config(), group)),
      config_(checkpoint.config()),
      own_(weights::config_of(config_, share_)),
      vocabulary_(weights::part_of(config_.vocab_size, share_)),
      options_(at::TensorOptions().dtype(scalar_type(dtype)).device(device)),
      operations_(make_operations(device, kernels)),
      attention_(make_attention(own_, alibi_slopes_, options_, *operations_, kernels)) {
  using Position = weights::ModelConfig::Position;
  const c10::InferenceMode inference;
  auto loader = std::make_unique<Loader>(checkpoint, dtype, device, share_);
  const weights::ModelConfig& c = config_;
  if (c.embedding_norm) embedding_norm_ = loader->load_norm("model.embed_norm", c.norm);
  if (c.position == Position::kLearned) position_embedding_ = loader->load("model.embed_positions.weight");
  if (c.position == Position::kAlibi) {
    const weights::Range heads = weights::heads_of(c, share_);
    alibi_slopes_ = alibi_slopes(c.num_heads).slice(0, heads.begin, heads.end).contiguous().to(device);
  }
  if (c.embedding_size != c.hidden_size) {
    project_in_ = loader->load("model.project_in.weight");
    project_out_ = loader->load("model.project_out.weight");
  }
  if (c.final_norm) final_norm_ = loader->load_norm("model.norm", c.norm);
  if (placement == Placement::kStreamed) {
    loader_ = std::make_unique<Loader>(checkpoint, dtype, at::Device(at::kCPU), share_, /*pinned=*/!device.is_cpu());
    prefetcher_ = std::make_unique<Prefetcher>(device);
    const std::int64_t bytes =
        weights::count_parameters(own_).total * static_cast<std::int64_t>(options_.dtype().itemsize());
    // libtorch rounds each page-locked tensor up to a power of two.
    keeps_on_host_ = !device.is_cpu() && 2 * bytes <= available_bytes(at::Device(at::kCPU)) / 2;
    return;
  }
  std::jthread ahead;
  // Ranks that share a model read different parts.
  if (share_.size == 1 && has_room_to_read_ahead(checkpoint)) ahead = checkpoint.read_ahead();
  const bool lm_head_is_all = c.tie_word_embeddings && keeps_rows(options_, c.embedding_size);
  if (!lm_head_is_all) embedding_ = loader->load("model.embed_tokens.weight");
  for (std::int64_t first = vocabulary_.begin; first < vocabulary_.end; first += kVocabularyPart) {
    lm_head_.push_back(load_vocabulary(*loader, first));
  }
  for (std::int64_t i = 0; i < c.num_layers; ++i) layers_.push_back(load_layer(*loader, i));
  give_back_memory(device);  // where weights waited for their way to it
}

Decoder::~Decoder() = default;

Decoder::Layer Decoder::load_layer(const Loader& loader, std::int64_t index) const {
  const weights::ModelConfig& c = config_;
  const auto name = [&](std::string_view part) { return fmt::format("model.layers.{}.{}", index, part); };
  Layer layer{.slides = c.slides(index)};
  if (c.pre_norm) layer.attention_norm = loader.load_norm(name("input_layernorm"), c.norm);
  layer.qkv_proj =
      loader.load_linear({name("self_attn.q_proj"), name("self_attn.k_proj"), name("self_attn.v_proj")}, c.qkv_bias);
  layer.q_norm = loader.load_qk_norm(name("self_attn.q_norm"), c, weights::heads_of(c, share_));
  layer.k_norm = loader.load_qk_norm(name("self_attn.k_norm"), c, weights::kv_heads_of(c, share_));
  layer.o_proj = loader.load_linear(name("self_attn.o_proj"), c.o_bias);
  if (c.post_norm) layer.attention_output_norm = loader.load_norm(name("attention_output_norm"), c.norm);
  if (c.pre_norm && !c.shared_pre_norm) layer.mlp_norm = loader.load_norm(name("post_attention_layernorm"), c.norm);
  if (c.has_experts(index)) {
    layer.router = loader.load(name("mlp.router.weight")).to(at::kFloat);
    for (std::int64_t expert = 0; expert < c.num_experts; ++expert) {
      layer.experts.push_back(loader.load_mlp(name(fmt::format("mlp.experts.{}", expert)), c));
    }
    if (c.shared_expert_intermediate_size > 0) {
      layer.mlp = loader.load_mlp(name("mlp.shared_expert"), c);
      layer.shared_expert_gate = loader.load(name("mlp.shared_expert_gate.weight"));
    }
  } else {
    layer.mlp = loader.load_mlp(name("mlp"), c);
  }
  if (c.post_norm) layer.mlp_output_norm = loader.load_norm(name("mlp_output_norm"), c.norm);
  return layer;
}

Linear Decoder::load_vocabulary(const Loader& loader, std::int64_t first) const {
  const std::int64_t end = std::min(first + kVocabularyPart, vocabulary_.end);
  if (config_.tie_word_embeddings && embedding_.defined()) {
    return make_linear(embedding_.slice(0, first - vocabulary_.begin, end - vocabulary_.begin));
  }
  if (config_.tie_word_embeddings) return loader.load_rows("model.embed_tokens", first, end, /*has_bias=*/false);
  return loader.load_rows("lm_head", first, end, config_.lm_head_bias);
}

namespace {

at::Tensor on_device(const at::Tensor& x, at::Device device) {
  return x.defined() ? x.to(device, /*non_blocking=*/true) : x;
}

}  // namespace

Decoder::Norm Decoder::on_device(const Norm& norm) const {
  return {model::on_device(norm.weight, device()), model::on_device(norm.bias, device())};
}

Linear Decoder::on_device(const Linear& linear) const {
  return {.weight = model::on_device(linear.weight, device()), .bias = model::on_device(linear.bias, device())};
}

Decoder::Mlp Decoder::on_device(const Mlp& mlp) const {
  if (!mlp.down_proj.weight.defined()) return {};
  return {on_device(mlp.gate_up_proj), on_device(mlp.down_proj)};
}

Decoder::Layer Decoder::on_device(const Layer& layer) const {
  Layer copy{.slides = layer.slides,
             .attention_norm = on_device(layer.attention_norm),
             .attention_output_norm = on_device(layer.attention_output_norm),
             .qkv_proj = on_device(layer.qkv_proj),
             .o_proj = on_device(layer.o_proj),
             .q_norm = on_device(layer.q_norm),
             .k_norm = on_device(layer.k_norm),
             .mlp_norm = on_device(layer.mlp_norm),
             .mlp_output_norm = on_device(layer.mlp_output_norm),
             .mlp = on_device(layer.mlp),
             .router = model::on_device(layer.router, device()),
             .shared_expert_gate = model::on_device(layer.shared_expert_gate, device())};
  for (const Mlp& expert : layer.experts) copy.experts.push_back(on_device(expert));
  return copy;
}

void Decoder::for_layers(const std::function<void(const Layer&, std::int64_t)>& f) const {
  if (loader_) {
    prefetcher_->run(
        config_.num_layers,
        [&](std::int64_t i) { return streamed(host_layers_, i, [&] { return load_layer(*loader_, i); }); }, f);
  } else {
    for (std::int64_t i = 0; i < config_.num_layers; ++i) f(layers_[static_cast<std::size_t>(i)], i);
  }
}

void Decoder::for_vocabulary(const std::function<void(const Linear&, std::int64_t)>& f) const {
  const std::int64_t num_parts = (vocabulary_.size() + kVocabularyPart - 1) / kVocabularyPart;
  const auto first_of = [&](std::int64_t i) { return vocabulary_.begin + i * kVocabularyPart; };
  const auto with_first = [&](const Linear& part, std::int64_t i) { f(part, first_of(i)); };
  if (loader_) {
    prefetcher_->run(
        num_parts,
        [&](std::int64_t i) {
          return streamed(host_lm_head_, i, [&] { return load_vocabulary(*loader_, first_of(i)); });
        },
        with_first);
  } else {
    for (std::int64_t i = 0; i < num_parts; ++i) with_first(lm_head_[static_cast<std::size_t>(i)], i);
  }
}

// On a GPU by way of the host, where it may stay.
template <typename Part, typename Load>
Part Decoder::streamed(std::vector<Part>& kept, std::int64_t index, const Load& load) const {
  if (device().is_cpu()) return load();
  if (!keeps_on_host_) return on_device(load());
  if (index == std::ssize(kept)) kept.push_back(load());
  return on_device(kept[static_cast<std::size_t>(index)]);
}

void Decoder::check_tokens(std::span<const std::int32_t> tokens) const {
  for (const std::int32_t token : tokens) {
    if (token >= 0 && token < config_.vocab_size) continue;
    throw DataError(fmt::format("token id {} is not in the model's vocabulary of {}; does the tokenizer belong to it?",
                                token, config_.vocab_size));
  }
}

void Decoder::check_position(std::int64_t last_position) const {
  if (last_position < config_.context_length()) return;
  throw DataError(fmt::format("a prompt with its continuation has {} tokens, and the model's context is {}",
                              last_position + 1, config_.context_length()));
}

at::Tensor Decoder::hidden_states(const PrefixTree& tree, std::span<const std::int64_t> rows, Prefix* prefix) const {
  return forward(tree, rows, prefix, 0, nullptr);
}

at::Tensor Decoder::hidden_states(const PrefixTree& tree, std::span<const std::int64_t> rows, std::int64_t extra_slots,
                                  std::vector<KeyValues>& kept) const {
  kept.clear();
  return forward(tree, rows, nullptr, extra_slots, &kept);
}

Decoder::Pass Decoder::make_pass(std::span<const std::int32_t> tokens, TokenLayout layout) const {
  check_tokens(tokens);
  check_position(*std::max_element(layout.positions.begin(), layout.positions.end()));
  Pass pass{.layout = std::move(layout)};
  pass.x = embed(tokens, pass.layout);
  if (config_.position == weights::ModelConfig::Position::kRotary) {
    pass.full = rotation(config_.rope, pass.layout);
    if (config_.sliding_window > 0) pass.sliding = rotation(config_.sliding_rope, pass.layout);
  }
  std::vector<std::int64_t> all(tokens.size());
  std::iota(all.begin(), all.end(), 0);
  for_parts(std::ssize(all), tokens_at_a_time(device()), [&](std::int64_t begin, std::int64_t end) {
    pass.parts.push_back(attention_->prepare(pass.layout, std::span(all).subspan(begin, end - begin)));
  });
  return pass;
}

// All tokens through one layer, then through the next: the keys and values of one layer are all that branches need to
// share what lies above them. A prefix that was not read yet goes beside the tree, in parts of its own.
at::Tensor Decoder::forward(const PrefixTree& tree, std::span<const std::int64_t> rows, Prefix* prefix,
                            std::int64_t extra_slots, std::vector<KeyValues>* kept) const {
  check(tree.prefix_length() == (prefix ? prefix->length() : 0), "the tree follows the prefix");
  check(std::is_sorted(rows.begin(), rows.end()), "rows ascend");
  const c10::InferenceMode inference;
  std::optional<Pass> prefix_pass;
  if (prefix && prefix->layers.empty()) {
    PrefixTree alone;
    alone.add(prefix->tokens);
    prefix_pass = make_pass(prefix->tokens, TokenLayout::of(alone));
  }
  Pass pass = make_pass(tree.tokens(), TokenLayout::of(tree));
  std::vector<KeyValues> read;  // the prefix's, layer by layer
  at::Tensor hidden;
  KeyValues key_values;  // of one layer after another, unless they are kept
  for_layers([&](const Layer& layer, std::int64_t i) {
    const bool is_last = i + 1 == config_.num_layers;
    if (i == 0 || kept) {
      key_values = attention_->make_key_values(tree.prefix_length() + tree.num_tokens() + extra_slots);
    }
    if (prefix && !prefix_pass) {
      attention_->set_first_slots(key_values, prefix->layers[static_cast<std::size_t>(i)]);
    } else if (prefix) {
      if (is_last) {
        last_step(layer, *prefix_pass, {}, key_values);
      } else {
        step(layer, *prefix_pass, key_values);
      }
      read.push_back(attention_->first_slots(key_values, prefix->length()));
    }
    if (is_last) {
      hidden = last_step(layer, pass, rows, key_values);
    } else {
      step(layer, pass, key_values);
    }
    if (kept) kept->push_back(key_values);
  });
  if (prefix_pass) prefix->layers = std::move(read);
  return rows.empty() ? hidden : finish(hidden);
}

at::Tensor Decoder::next_hidden_states(std::span<const NextToken> tokens, std::vector<KeyValues>& kept) const {
  const c10::InferenceMode inference;
  TokenLayout layout;
  std::vector<std::int32_t> ids;
  for (const NextToken& next : tokens) {
    const SlotRange& own = next.path.back();
    layout.slots.push_back(own.end - 1);
    layout.positions.push_back(own.position + own.end - 1 - own.begin);
    layout.branches.push_back(std::ssize(ids));
    layout.paths.push_back(next.path);
    ids.push_back(next.token);
  }
  Pass pass = make_pass(ids, std::move(layout));
  for_layers([&](const Layer& layer, std::int64_t i) { step(layer, pass, kept[static_cast<std::size_t>(i)]); });
  return finish(pass.x);
}

// Where ranks reduce while they compute, the next tokens' attention and the MLP of those before run meanwhile: tokens
// are a step behind those that follow them.
void Decoder::step(const Layer& layer, Pass& pass, const KeyValues& key_values) const {
  const std::int64_t num_parts = std::ssize(pass.parts), lag = group_.is_asynchronous() ? 1 : 0;
  std::vector<at::Tensor> branches(pass.parts.size());
  const auto for_part = [&](std::int64_t i, const auto& f) {
    if (i < 0 || i >= num_parts) return;
    const TokenGroup& tokens = *pass.parts[static_cast<std::size_t>(i)];
    f(tokens, pass.x.narrow(0, tokens.first_token, tokens.num_tokens), branches[static_cast<std::size_t>(i)]);
  };
  for (std::int64_t i = 0; i < num_parts + 2 * lag; ++i) {
    for_part(i, [&](const TokenGroup& tokens, const at::Tensor& x, at::Tensor& branch) {
      const at::Tensor normed = attention_input(layer, x);
      const at::Tensor queries =
          attention_->store(project_qkv(layer, normed), tokens, layer.slides ? pass.sliding : pass.full, key_values);
      branch = begin_layer_(layer, x, normed, attention_->attend(queries, tokens, key_values, layer.slides));
    });
    for_part(i - lag, [&](const TokenGroup&, const at::Tensor& x, at::Tensor& branch) {
      branch = continue_layer_(layer, x, branch);
    });
    for_part(i - 2 * lag, [&](const TokenGroup&, const at::Tensor& x, at::Tensor& branch) {
      finish_layer_(layer, x, branch);
      branch.reset();
    });
  }
}

at::Tensor Decoder::last_step(const Layer& layer, Pass& pass, std::span<const std::int64_t> rows,
                              const KeyValues& key_values) const {
  at::Tensor x = pass.x.index_select(0, index_tensor(rows));
  // Rows are scattered. Those that have their queries wait until there are enough for a product.
  std::vector<at::Tensor> waiting;  // the queries of rows first_waiting, …, num_ready - 1
  std::int64_t first_waiting = 0, num_ready = 0;
  const auto finish_waiting = [&] {
    const std::int64_t count = num_ready - first_waiting;
    const at::Tensor part = x.narrow(0, first_waiting, count);
    const auto tokens = attention_->prepare(pass.layout, rows.subspan(first_waiting, count));
    const at::Tensor attended = attention_->attend(at::cat(waiting), *tokens, key_values, layer.slides);
    const at::Tensor branch = begin_layer_(layer, part, attention_input(layer, part), attended);
    finish_layer_(layer, part, continue_layer_(layer, part, branch));
    waiting.clear();
    first_waiting = num_ready;
  };
  for (const auto& tokens : pass.parts) {
    const std::int64_t begin = tokens->first_token, end = begin + tokens->num_tokens;
    const at::Tensor normed = attention_input(layer, pass.x.slice(0, begin, end));
    const at::Tensor queries =
        attention_->store(project_qkv(layer, normed), *tokens, layer.slides ? pass.sliding : pass.full, key_values);
    const auto first = std::lower_bound(rows.begin(), rows.end(), begin);
    const std::vector<std::int64_t> here(first, std::lower_bound(first, rows.end(), end));
    if (here.empty()) continue;
    if (num_ready - first_waiting + std::ssize(here) > tokens_at_a_time(device())) finish_waiting();
    waiting.push_back(queries.index_select(0, index_tensor(here) - begin));
    num_ready += std::ssize(here);
  }
  if (num_ready > first_waiting) finish_waiting();
  return x;
}

at::Tensor Decoder::attention_input(const Layer& layer, const at::Tensor& x) const {
  return config_.pre_norm ? normalize(x, layer.attention_norm) : x;
}

at::Tensor Decoder::finish(const at::Tensor& x) const {
  const at::Tensor normed = config_.final_norm ? normalize(x, final_norm_) : x;
  return project_out_.defined() ? at::linear(normed, project_out_) : normed;
}

at::Tensor Decoder::begin_layer_(const Layer& layer, const at::Tensor& x, const at::Tensor& normed,
                                 const at::Tensor& attended) const {
  const weights::ModelConfig& c = config_;
  at::Tensor branch = linear(attended, layer.o_proj);
  if (c.residual == weights::ModelConfig::Residual::kParallel) {
    const at::Tensor made = mlp(layer, c.shared_pre_norm ? normed : normalize(x, layer.mlp_norm));
    if (group_.size() == 1) {
      x.add_(branch);
      return made;
    }
    branch.add_(made);
  }
  begin_sum_(group_, branch);
  return branch;
}

at::Tensor Decoder::continue_layer_(const Layer& layer, const at::Tensor& x, const at::Tensor& mixed) const {
  const weights::ModelConfig& c = config_;
  if (c.residual == weights::ModelConfig::Residual::kParallel) return mixed;
  end_sum(group_);
  at::Tensor made;
  if (c.pre_norm && !c.post_norm && c.norm.kind == weights::NormConfig::Kind::kRms) {
    made = mlp(layer, operations_->add_rms_norm_(x, mixed, layer.mlp_norm.weight, c.norm.eps));
  } else {
    add_(x, mixed, layer.attention_output_norm);
    made = mlp(layer, c.pre_norm ? normalize(x, layer.mlp_norm) : x);
  }
  begin_sum_(group_, made);
  return made;
}

void Decoder::finish_layer_(const Layer& layer, const at::Tensor& x, const at::Tensor& branch) const {
  end_sum(group_);
  add_(x, branch, layer.mlp_output_norm);
}

at::Tensor Decoder::index_tensor(std::span<const std::int64_t> indices) const {
  return at::tensor(at::ArrayRef<std::int64_t>(indices.data(), indices.size()), at::kLong).to(device());
}

at::Tensor Decoder::embedding_rows(std::span<const std::int32_t> tokens) const {
  if (loader_) return loader_->load_rows_of("model.embed_tokens.weight", tokens).to(device(), /*non_blocking=*/true);
  at::Tensor rows;
  if (embedding_.defined()) {
    const at::Tensor ids = at::tensor(at::ArrayRef<std::int32_t>(tokens.data(), tokens.size()), at::kInt).to(device());
    if (share_.size == 1) return at::embedding(embedding_, ids);
    const at::Tensor is_own = ids.ge(vocabulary_.begin).logical_and_(ids.lt(vocabulary_.end));
    rows = at::embedding(embedding_, (ids - vocabulary_.begin).mul_(is_own)) * is_own.unsqueeze(1);
  } else {
    rows = rows_of_lm_head(tokens);
  }
  sum_(group_, rows);  // of zeros and one row
  return rows;
}

at::Tensor Decoder::rows_of_lm_head(std::span<const std::int32_t> tokens) const {
  at::Tensor rows = at::zeros({std::ssize(tokens), config_.embedding_size}, options_);
  const std::size_t row_bytes = config_.embedding_size * rows.element_size();
  auto* out = static_cast<std::byte*>(rows.mutable_data_ptr());
  at::parallel_for(0, std::ssize(tokens), 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t token = tokens[static_cast<std::size_t>(i)] - vocabulary_.begin;
      if (token < 0 || token >= vocabulary_.size()) continue;
      copy_row(lm_head_[static_cast<std::size_t>(token / kVocabularyPart)], token % kVocabularyPart,
               out + i * row_bytes);
    }
  });
  return rows;
}

at::Tensor Decoder::embed(std::span<const std::int32_t> tokens, const TokenLayout& layout) const {
  at::Tensor x = embedding_rows(tokens);
  if (config_.embedding_scale != 1) x = x * at::scalar_tensor(config_.embedding_scale, x.options());  // rounded like x
  if (project_in_.defined()) x = at::linear(x, project_in_);
  if (config_.embedding_norm) x = normalize(x, embedding_norm_);
  if (position_embedding_.defined()) {
    x = x + at::embedding(position_embedding_, index_tensor(layout.positions) + config_.position_offset);
  }
  return x;
}

void Decoder::add_(const at::Tensor& x, const at::Tensor& branch, const Norm& norm) const {
  if (!config_.post_norm) {
    x.add_(branch);
  } else if (config_.norm_after_residual) {
    x.copy_(normalize(x.add_(branch), norm));
  } else {
    x.add_(normalize(branch, norm));
  }
}

// [rows, (num_heads + 2·num_kv_heads)·head_dim]: queries, keys and values of this rank's heads, not yet rotated.
at::Tensor Decoder::project_qkv(const Layer& layer, const at::Tensor& normed) const {
  const weights::ModelConfig& c = own_;
  using QkNorm = weights::ModelConfig::QkNorm;
  at::Tensor qkv = linear(normed, layer.qkv_proj);
  if (c.qk_norm_kind == QkNorm::kNone && c.qkv_clip == 0) return qkv;
  const std::int64_t query_size = c.num_heads * c.head_dim, kv_size = c.num_kv_heads * c.head_dim;
  const at::Tensor q = qkv.narrow(1, 0, query_size), k = qkv.narrow(1, query_size, kv_size);
  const auto heads = [&](const at::Tensor& x) { return x.unflatten(-1, {-1, c.head_dim}); };
  if (c.qk_norm_kind == QkNorm::kWholeProjection) {
    q.copy_(normalize_heads_of_all(q, layer.q_norm));
    k.copy_(normalize_heads_of_all(k, layer.k_norm));
  }
  if (c.qkv_clip > 0) qkv.clamp_(-c.qkv_clip, c.qkv_clip);
  if (c.qk_norm_kind == QkNorm::kSharedByHeads || c.qk_norm_kind == QkNorm::kEachHead) {
    heads(q).copy_(normalize(heads(q), layer.q_norm, c.qk_norm));
    heads(k).copy_(normalize(heads(k), layer.k_norm, c.qk_norm));
  }
  return qkv;
}

at::Tensor Decoder::mlp(const Layer& layer, const at::Tensor& x) const {
  return layer.router.defined() ? mixture_of_experts(layer, x) : dense_mlp(layer.mlp, x);
}

at::Tensor Decoder::dense_mlp(const Mlp& mlp, const at::Tensor& x) const {
  const at::Tensor up = linear(x, mlp.gate_up_proj);
  return linear(config_.gated_mlp ? operations_->gated(up, config_.activation) : activate(up, config_.activation),
                mlp.down_proj);
}

// Each token goes through the experts that its router likes best; their outputs are added with the router's weights.
at::Tensor Decoder::mixture_of_experts(const Layer& layer, const at::Tensor& x) const {
  const at::Tensor probabilities = at::linear(x.to(at::kFloat), layer.router).softmax(-1);
  auto [weights, chosen] = probabilities.topk(config_.num_experts_per_token, -1);  // [tokens, num_experts_per_token]
  if (config_.normalize_expert_weights) weights = weights / weights.sum(-1, /*keepdim=*/true);
  // Choices in the order of their experts, and of tokens for each. A GPU is waited for once.
  const auto [experts, choices] = chosen.flatten().sort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
  const at::Tensor ends =
      at::searchsorted(experts, at::arange(std::ssize(layer.experts), experts.options()), false, /*right=*/true).cpu();
  at::Tensor out = at::zeros_like(x);
  std::int64_t begin = 0;
  for (std::size_t expert = 0; expert < layer.experts.size(); ++expert) {
    const std::int64_t end = ends.const_data_ptr<std::int64_t>()[expert];
    if (begin == end) continue;
    const at::Tensor of_expert = choices.slice(0, begin, end);
    const at::Tensor tokens = at::floor_divide(of_expert, config_.num_experts_per_token);
    const at::Tensor share = weights.flatten().index_select(0, of_expert).unsqueeze(1);
    const at::Tensor made = dense_mlp(layer.experts[expert], x.index_select(0, tokens)) * share;
    out.index_add_(0, tokens, made.to(x.scalar_type()));
    begin = end;
  }
  if (!layer.shared_expert_gate.defined()) return out;
  return out + at::linear(x, layer.shared_expert_gate).sigmoid() * dense_mlp(layer.mlp, x);
}

// Where the frequencies depend on a sequence's length, that is where the path ends: such a sequence shares nothing, its
// branch is all of it.
Rotation Decoder::rotation(const weights::RopeConfig& rope, const TokenLayout& layout) const {
  using Scaling = weights::RopeConfig::Scaling;
  at::Tensor frequencies = rotary_frequencies(rope, 0);
  if (rope.scaling == Scaling::kDynamic || rope.scaling == Scaling::kFactors) {
    std::vector<at::Tensor> rows;
    for (std::size_t begin = 0, end = 0; begin < layout.branches.size(); begin = end) {
      while (end < layout.branches.size() && layout.branches[end] == layout.branches[begin]) ++end;
      const SlotRange& own = layout.paths[static_cast<std::size_t>(layout.branches[begin])].back();
      rows.push_back(rotary_frequencies(rope, own.position + own.end - own.begin)
                         .expand({static_cast<std::int64_t>(end - begin), -1}));
    }
    frequencies = at::cat(rows);
  }
  const at::Tensor angles = index_tensor(layout.positions).to(at::kFloat).unsqueeze(1) * frequencies.to(device());
  return {angles.cos() * rope.attention_factor, angles.sin() * rope.attention_factor};
}

at::Tensor Decoder::normalize(const at::Tensor& x, const Norm& norm) const {
  return normalize(x, norm, config_.norm);
}

at::Tensor Decoder::normalize(const at::Tensor& x, const Norm& norm, const weights::NormConfig& config) const {
  if (config.kind == weights::NormConfig::Kind::kRms) return operations_->rms_norm(x, norm.weight, config.eps);
  if (norm.weight.defined() && norm.weight.dim() == 2) {
    return at::layer_norm(x, {x.size(-1)}, {}, {}, config.eps) * norm.weight;
  }
  return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, config.eps);
}

// Keys that several ranks hold count for each of them, all alike, so the mean over ranks is that over heads.
at::Tensor Decoder::normalize_heads_of_all(const at::Tensor& x, const Norm& norm) const {
  if (share_.size == 1) return normalize(x, norm, own_.qk_norm);
  check(own_.qk_norm.kind == weights::NormConfig::Kind::kRms, "the norm over all heads is an RMS norm");
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor mean = wide.square().mean(-1, /*keepdim=*/true).div_(share_.size);
  sum_(group_, mean);
  const at::Tensor scaled = wide * mean.add(own_.qk_norm.eps).rsqrt_();
  return (norm.weight.defined() ? scaled * norm.weight : scaled).to(x.scalar_type());
}

at::Tensor Decoder::logits(const at::Tensor& hidden) const {
  const c10::InferenceMode inference;
  at::Tensor logits = at::empty({hidden.size(0), config_.vocab_size}, hidden.options().dtype(at::kFloat));
  if (share_.size > 1) logits.zero_();  // where others have their tokens
  for_vocabulary([&](const Linear& part, std::int64_t first) {
    const at::Tensor of_part = linear(hidden, part).to(at::kFloat);
    logits.narrow(1, first, of_part.size(1)).copy_(soft_capped(of_part, config_.logit_softcap));
  });
  sum_(group_, logits);
  return logits;
}

// The vocabulary goes by in parts, and for each part the rows, some at a time.
std::vector<TokenScore> Decoder::score_next_tokens(const at::Tensor& hidden, std::span<const std::int64_t> rows,
                                                   std::span<const std::int32_t> targets) const {
  const c10::InferenceMode inference;
  check(rows.size() == targets.size() && std::is_sorted(rows.begin(), rows.end()), "a row for each target, ascending");
  check_tokens(targets);
  const auto scoring = operations_->score(hidden.size(0), rows, targets, config_.logit_softcap);
  for_vocabulary([&](const Linear& part, std::int64_t first_token) {
    for_parts(hidden.size(0), logit_rows_at_a_time(device()), [&](std::int64_t begin, std::int64_t end) {
      scoring->add(linear(hidden.slice(0, begin, end), part), begin, first_token);
    });
  });
  return scoring->scores(group_);
}

}  // namespace catenary::model
