#include "catenary/tokenizer/end_tokens.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "catenary/base/error.h"
#include "catenary/base/parse_json.h"
#include "catenary/weights/gguf.h"

namespace catenary::tokenizer {
namespace {

using nlohmann::json;

// `eos_token_id` is an id, a list of them, null or missing.
std::set<std::int64_t> read_generation_config(const std::filesystem::path& path) {
  const auto fail = [&](std::string_view what) { throw DataError(fmt::format("{}: {}", path.string(), what)); };
  const json config = read_json_object(path);
  const json ids = config.value("eos_token_id", json());
  std::set<std::int64_t> ends;
  for (const json& id : ids.is_array() ? ids : json::array({ids})) {
    if (id.is_null()) continue;
    if (!id.is_number_integer()) fail(fmt::format("/eos_token_id: expected token ids, found {}", id.dump()));
    ends.insert(id.get<std::int64_t>());
  }
  return ends;
}

}  // namespace

std::vector<TokenId> end_tokens(const weights::Checkpoint& checkpoint, const Tokenizer& tokenizer) {
  std::set<std::int64_t> ends;
  if (const weights::GgufFile* gguf = checkpoint.gguf()) {
    for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
      if (const auto id = gguf->find_integer(key)) ends.insert(*id);
    }
  } else if (const auto path = checkpoint.path() / "generation_config.json"; std::filesystem::exists(path)) {
    ends = read_generation_config(path);
  }
  if (tokenizer.eos_id()) ends.insert(*tokenizer.eos_id());
  std::vector<TokenId> ids;
  for (const std::int64_t id : ends) {
    if (id >= 0 && id < tokenizer.vocab_size()) ids.push_back(static_cast<TokenId>(id));
  }
  return ids;
}

}  // namespace catenary::tokenizer
