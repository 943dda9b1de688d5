// Reads tiktoken's files of ranks: a line for each token, its bytes in base64 and its rank, which is its id. The file
// says neither how a text is cut nor which special tokens there are, so only those are read whose name (for
// tokenizer.model, whose number of tokens) tells: openai/tiktoken, tiktoken_ext/openai_public.py; meta-llama/llama3,
// llama/tokenizer.py; Qwen/Qwen-7B, tokenization_qwen.py.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "catenary/base/error.h"
#include "catenary/base/mapped_file.h"
#include "catenary/base/to_number.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/merges.h"
#include "tokenizer/tokenizer_spec.h"

namespace catenary::tokenizer {
namespace {

struct Special {
  std::string_view token;
  TokenId offset;  // of its id from the number of ranks
};

constexpr std::string_view kLlama3Name = "tokenizer.model";
constexpr std::string_view kQwenName = "qwen.tiktoken";

constexpr std::array kOpenAi{Special{"<|endoftext|>", 1}, Special{"<|fim_prefix|>", 2}, Special{"<|fim_middle|>", 3},
                             Special{"<|fim_suffix|>", 4}, Special{"<|endofprompt|>", 20}};
constexpr std::array kGpt2{Special{"<|endoftext|>", 0}};
constexpr std::array kQwen{Special{"<|endoftext|>", 0}, Special{"<|im_start|>", 1}, Special{"<|im_end|>", 2}};
constexpr std::array kLlama3{Special{"<|begin_of_text|>", 0}, Special{"<|end_of_text|>", 1},
                             Special{"<|start_header_id|>", 6}, Special{"<|end_header_id|>", 7},
                             Special{"<|eot_id|>", 9}};

// As tiktoken 0.14.0 has it, with \s and $ written for PCRE2. It differs from Llama 3's at white space that ends a
// text.
constexpr std::string_view kCl100kPattern =
    R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\p{White_Space}\p{L}\p{N}]++[\r\n]*+|)"
    R"(\p{White_Space}++\z|\p{White_Space}*[\r\n]|\p{White_Space}+(?!\P{White_Space})|\p{White_Space})";

struct KnownFile {
  std::string_view name;
  std::string_view pattern;
  std::span<const Special> specials;
};

constexpr std::array kKnownFiles{
    KnownFile{"r50k_base.tiktoken", kGpt2Pattern, kGpt2}, KnownFile{"cl100k_base.tiktoken", kCl100kPattern, kOpenAi},
    KnownFile{kQwenName, kQwenPattern, kQwen}, KnownFile{kLlama3Name, kLlama3Pattern, kLlama3}};

std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int num_bits = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char digit : text) {
    const auto value = kDigits.find(digit);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    num_bits += 6;
    if (num_bits < 8) continue;
    num_bits -= 8;
    bytes += static_cast<char>(bits >> num_bits & 0xFF);
  }
  return bytes;
}

}  // namespace

bool is_tiktoken(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  const std::size_t space = line.find(' ');
  return space != std::string_view::npos && space > 0 && decode_base64(line.substr(0, space)) &&
         line.find_first_not_of("0123456789\r", space + 1) == std::string_view::npos;
}

TokenizerSpec read_tiktoken(const std::filesystem::path& path) {
  const auto known = std::ranges::find(kKnownFiles, path.filename().string(), &KnownFile::name);
  if (known == kKnownFiles.end()) {
    throw DataError(
        fmt::format("{}: nobody but its name says how this file's tokenizer cuts a text; known are "
                    "r50k_base.tiktoken, cl100k_base.tiktoken, qwen.tiktoken and Llama 3's tokenizer.model",
                    path.string()));
  }
  TokenizerSpec spec;
  spec.path = path;
  spec.vocab_key = spec.merges_key = spec.added_tokens_key = "ranks";
  if (known->name == kQwenName) spec.normalizer.emplace_back(UnicodeForm::kNfc);
  spec.pre_tokenizer.emplace_back(
      SplitStep{.pattern = std::string(known->pattern),
                .syntax = known->pattern == kCl100kPattern ? PatternSyntax::kPcre2 : PatternSyntax::kOniguruma});
  spec.ignore_merges = true;

  const MappedFile file(path);
  std::size_t line_number = 0;
  for (std::string_view rest = file.text(); !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++line_number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const std::size_t space = std::min(line.find(' '), line.size());
    const auto bytes = decode_base64(line.substr(0, space));
    const auto rank = to_number<TokenId>(line.substr(std::min(space + 1, line.size())));
    if (!bytes || bytes->empty() || !rank || *rank < 0) {
      throw DataError(
          fmt::format("{}: line {}: expected a token in base64, a space and its rank", path.string(), line_number));
    }
    spec.vocab.push_back({byte_level_encode(*bytes), *rank, -static_cast<double>(*rank)});
  }
  std::ranges::sort(spec.vocab, {}, &VocabEntry::id);
  const auto num_ranks = static_cast<TokenId>(spec.vocab.size());
  for (const auto& [token, offset] : known->specials) {
    spec.added_tokens.push_back({.id = num_ranks + offset, .content = std::string(token)});
  }
  if (known->name == kLlama3Name) {
    spec.bos_id = num_ranks;
    spec.eos_id = num_ranks + 1;
    spec.prefix = {num_ranks};
  }
  spec.merges = merges_of_scores(spec);
  return spec;
}

}  // namespace catenary::tokenizer
