#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catenary/base/error.h"
#include "catenary/base/printable.h"
#include "catenary/base/short_number.h"
#include "catenary/tokenizer/chat_template.h"
#include "catenary/tokenizer/tokenizer.h"
#include "catenary/weights/checkpoint.h"
#include "catenary/weights/cost.h"
#include "cli/counted.h"
#include "cli/exit_code.h"
#include "cli/light/json.h"
#include "cli/light/models.h"
#include "cli/light/text_table.h"

namespace catenary::cli {
namespace {

using tokenizer::ChatTemplate;
using tokenizer::Tokenizer;
using weights::Checkpoint;
using weights::ModelConfig;

constexpr std::int64_t kMaxTensorParallelSize = 64;

struct SpecialToken {
  tokenizer::TokenId id = 0;
  std::string text;
  bool is_added = false;  // to a text that is encoded
};

struct TokenizerFacts {
  std::string path, kind;
  std::int64_t vocab_size = 0;
  std::optional<SpecialToken> bos, eos;
};

struct ChatFacts {
  std::string where;
  bool takes_system_message = false;
  bool uses_clock = false;
};

// What was found, or why it is not read; neither where there is none.
template <class Facts>
struct Finding {
  std::optional<Facts> facts;
  std::string error;
};

struct Inspection {
  std::vector<std::filesystem::path> files;
  std::uintmax_t size_bytes = 0;
  std::map<weights::Encoding, std::int64_t> parameters_by_encoding;
  weights::ParameterCount parameters;
  weights::ForwardFlops flops;
  std::int64_t num_tokens_seen = 0;
  std::vector<std::pair<std::int64_t, weights::RankShare>> shares;  // by tensor-parallel size
  Finding<TokenizerFacts> tokenizer;
  Finding<ChatFacts> chat;
};

// What fails here is told as a part of what the checkpoint is: its weights can be used all the same.
template <class Facts, class Look>
Finding<Facts> look_at(Look look) {
  try {
    return {.facts = look(), .error = {}};
  } catch (const DataError& e) {
    return {.facts = std::nullopt, .error = e.what()};
  }
}

std::optional<TokenizerFacts> look_at_tokenizer(const Checkpoint& checkpoint) {
  const Tokenizer tokenizer = Tokenizer::open(checkpoint);
  const auto ids = tokenizer.encode("a", /*add_special_tokens=*/true);
  const auto special = [&](std::optional<tokenizer::TokenId> id, auto added) -> std::optional<SpecialToken> {
    if (!id) return std::nullopt;
    return SpecialToken{*id, tokenizer.decode(std::array{*id}), !ids.empty() && added(ids) == *id};
  };
  return TokenizerFacts{.path = tokenizer.path().string(),
                        .kind = tokenizer.kind(),
                        .vocab_size = tokenizer.vocab_size(),
                        .bos = special(tokenizer.bos_id(), [](const auto& all) { return all.front(); }),
                        .eos = special(tokenizer.eos_id(), [](const auto& all) { return all.back(); })};
}

std::optional<ChatFacts> look_at_chat_template(const Checkpoint& checkpoint) {
  const auto chat = ChatTemplate::find(checkpoint);
  if (!chat) return std::nullopt;
  const tokenizer::Message system{"system", "Be brief."}, user{"user", "Hello"};
  chat->render(std::array{user}, /*add_generation_prompt=*/true);
  ChatFacts facts{.where = chat->where(), .takes_system_message = true, .uses_clock = chat->uses_clock()};
  try {
    chat->render(std::array{system, user}, /*add_generation_prompt=*/true);
  } catch (const DataError&) {
    facts.takes_system_message = false;
  }
  return facts;
}

Inspection inspect(const Checkpoint& checkpoint, std::optional<std::int64_t> num_tokens_seen) {
  constexpr std::int64_t kTokensSeen = 1024;
  const ModelConfig& config = checkpoint.config();
  Inspection result{.files = checkpoint.files()};
  for (const auto& file : result.files) result.size_bytes += std::filesystem::file_size(file);
  for (const auto& tensor : checkpoint.tensors()) {
    result.parameters_by_encoding[tensor.encoding] += tensor.num_elements();
  }
  result.parameters = weights::count_parameters(config);
  result.num_tokens_seen = num_tokens_seen.value_or(std::min(kTokensSeen, config.context_length()));
  result.flops = weights::forward_flops(config, result.num_tokens_seen);
  for (std::int64_t size = 1; size <= kMaxTensorParallelSize; ++size) {
    if (const auto share = weights::rank_share(config, size)) result.shares.emplace_back(size, *share);
  }
  result.tokenizer = look_at<TokenizerFacts>([&] { return look_at_tokenizer(checkpoint); });
  result.chat = look_at<ChatFacts>([&] { return look_at_chat_template(checkpoint); });
  return result;
}

Json to_json(const std::optional<SpecialToken>& token) {
  if (!token) return {};
  return {{"id", token->id}, {"text", token->text}, {"is_added", token->is_added}};
}

Json to_json(const Finding<TokenizerFacts>& found) {
  if (!found.facts) return {{"error", found.error}};
  return {{"path", found.facts->path},
          {"kind", found.facts->kind},
          {"vocab_size", found.facts->vocab_size},
          {"bos", to_json(found.facts->bos)},
          {"eos", to_json(found.facts->eos)}};
}

Json to_json(const Finding<ChatFacts>& found) {
  if (!found.error.empty()) return {{"error", found.error}};
  if (!found.facts) return {};
  return {{"where", found.facts->where},
          {"takes_system_message", found.facts->takes_system_message},
          {"uses_clock", found.facts->uses_clock}};
}

void print_json(const Checkpoint& checkpoint, const Inspection& result) {
  const ModelConfig& config = checkpoint.config();
  const auto& [total, embedding, active] = result.parameters;
  Json json{{"path", checkpoint.path().string()},
            {"format", checkpoint.gguf() != nullptr ? "gguf" : "safetensors"},
            {"architecture", config.architecture},
            {"num_parameters", total},
            {"num_embedding_parameters", embedding},
            {"num_non_embedding_parameters", total - embedding},
            {"num_active_parameters", active},
            {"num_layers", config.num_layers},
            {"hidden_size", config.hidden_size},
            {"intermediate_size", config.intermediate_size},
            {"num_heads", config.num_heads},
            {"num_kv_heads", config.num_kv_heads},
            {"head_dim", config.head_dim},
            {"vocab_size", config.vocab_size},
            {"num_experts", config.num_experts},
            {"num_experts_per_token", config.num_experts_per_token},
            {"context_length_tokens", config.context_length()},
            {"num_files", result.files.size()},
            {"size_bytes", result.size_bytes},
            {"num_parameters_by_encoding", Json::object()},
            {"tokenizer", to_json(result.tokenizer)},
            {"chat_template", to_json(result.chat)},
            {"forward_flops_per_token",
             {{"layers", result.flops.layers},
              {"logits", result.flops.logits},
              {"attention", result.flops.attention},
              {"attention_num_tokens_seen", result.num_tokens_seen}}},
            {"per_rank", Json::array()}};
  for (const auto& [encoding, count] : result.parameters_by_encoding) {
    json["num_parameters_by_encoding"][std::string(to_string(encoding))] = count;
  }
  for (const auto& [size, share] : result.shares) {
    const std::int64_t held = share.split_parameters + share.replicated_parameters;
    json["per_rank"].push_back({{"tensor_parallel_size", size},
                                {"split_parameters", share.split_parameters},
                                {"replicated_parameters", share.replicated_parameters},
                                {"weights_bfloat16_bytes", 2 * held},
                                {"weights_float32_bytes", 4 * held},
                                {"kv_per_token_bfloat16_bytes", 2 * share.kv_elements_per_token}});
  }
  cli::print_json(json);
}

// 1.64M parameters, but 1.64 MB.
std::string bytes_text(double bytes) {
  constexpr std::array<std::pair<double, const char*>, 4> kUnits{{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}}};
  for (const auto& [unit, name] : kUnits) {
    if (bytes >= unit) return fmt::format("{:.3g} {}", bytes / unit, name);
  }
  return fmt::format("{} B", bytes);
}

std::string count_text(std::int64_t count) {
  return count < 1000 ? std::to_string(count) : fmt::format("{} ({})", count, short_number(static_cast<double>(count)));
}

std::string encodings_text(const Inspection& result) {
  std::string text;
  for (const auto& [encoding, count] : result.parameters_by_encoding) {
    const double percent = 100 * static_cast<double>(count) / static_cast<double>(result.parameters.total);
    text += fmt::format("{}{} {:.3g} %", text.empty() ? "" : ", ", to_string(encoding), percent);
  }
  return text;
}

std::string token_text(const char* name, const std::optional<SpecialToken>& token) {
  if (!token) return fmt::format("no {}", name);
  return fmt::format("{} {} ({}{})", name, token->text, token->id, token->is_added ? ", added to texts" : "");
}

std::string tokenizer_text(const Finding<TokenizerFacts>& found) {
  if (!found.facts) return "not read: " + found.error;
  const auto& [path, kind, vocab_size, bos, eos] = *found.facts;
  return fmt::format("{}, {} tokens; {}, {}; from {}", kind, vocab_size, token_text("BOS", bos), token_text("EOS", eos),
                     std::filesystem::path(path).filename().string());
}

std::string chat_text(const Finding<ChatFacts>& found) {
  if (!found.error.empty()) return "not read: " + found.error;
  if (!found.facts) return "none";
  return fmt::format("renders{}{}; from {}", found.facts->takes_system_message ? "" : ", without a system message",
                     found.facts->uses_clock ? ", writes the date" : "", found.facts->where);
}

void print_text(const Checkpoint& checkpoint, const Inspection& result) {
  const ModelConfig& config = checkpoint.config();
  const auto& [total, embedding, active] = result.parameters;
  const auto& flops = result.flops;
  std::vector<std::vector<std::string>> rows{
      {"architecture", config.architecture},
      {"parameters", count_text(total)},
      {"without embeddings", count_text(total - embedding)},
  };
  if (config.num_experts > 0) {
    rows.push_back({"active parameters", count_text(active)});
    rows.push_back({"experts", fmt::format("{} of {} a token", config.num_experts_per_token, config.num_experts)});
  }
  rows.insert(rows.end(), {{"layers", std::to_string(config.num_layers)},
                           {"hidden size", fmt::format("{}, MLP {}", config.hidden_size,
                                                       config.num_experts > 0 ? config.expert_intermediate_size
                                                                              : config.intermediate_size)},
                           {"heads", fmt::format("{} of {}, {} for keys and values", config.num_heads, config.head_dim,
                                                 config.num_kv_heads)},
                           {"vocabulary", std::to_string(config.vocab_size)},
                           {"context length", fmt::format("{} tokens", config.context_length())},
                           {"on disk", fmt::format("{}, {}: {}", bytes_text(static_cast<double>(result.size_bytes)),
                                                   counted(std::ssize(result.files), "file"), encodings_text(result))},
                           {"tokenizer", tokenizer_text(result.tokenizer)},
                           {"chat template", chat_text(result.chat)},
                           {"forward FLOPs", fmt::format("{} a token: layers {}, logits {}, attention {} at {} tokens",
                                                         short_number(flops.layers + flops.logits + flops.attention),
                                                         short_number(flops.layers), short_number(flops.logits),
                                                         short_number(flops.attention), result.num_tokens_seen)}});
  fmt::print("{}\n\n{}\n", printable(checkpoint.path().string()), text_table(rows, {}));
  rows = {{"ranks", "weights bfloat16", "of these replicated", "weights float32", "keys and values bfloat16"}};
  for (const auto& [size, share] : result.shares) {
    const auto held = static_cast<double>(share.split_parameters + share.replicated_parameters);
    const auto replicated = static_cast<double>(share.replicated_parameters);
    rows.push_back({std::to_string(size), bytes_text(2 * held), size == 1 ? "-" : bytes_text(2 * replicated),
                    bytes_text(4 * held),
                    bytes_text(2 * static_cast<double>(share.kv_elements_per_token)) + " a token"});
  }
  fmt::print("what a rank of a tensor-parallel group holds\n\n{}", text_table(rows, {0, 1, 2, 3, 4}));
}

}  // namespace

int inspect_model(const ModelsInspectArgs& args) {
  const Checkpoint checkpoint = Checkpoint::open(args.model);
  const Inspection result = inspect(checkpoint, args.num_tokens_seen);
  args.json ? print_json(checkpoint, result) : print_text(checkpoint, result);
  return kExitDone;
}

}  // namespace catenary::cli
