// Reads SentencePiece's tokenizer.model (sentencepiece_model.proto of google/sentencepiece), as the slow LlamaTokenizer
// of transformers uses it: each text between special tokens gets a space before it where the model says
// add_dummy_prefix; a BOS before the text and no EOS, unless tokenizer_config.json beside it says otherwise.
//
// The file is read here and not by libsentencepiece: our BPE has the same rule (the highest score first, the leftmost
// of equals), gives the same ids, and is several times as fast.

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "catenary/base/error.h"
#include "catenary/base/mapped_file.h"
#include "catenary/base/parse_json.h"
#include "tokenizer/merges.h"
#include "tokenizer/tokenizer_spec.h"
#include "tokenizer/unicode.h"

namespace catenary::tokenizer {
namespace {

// One field of a protocol buffer message (protobuf.dev, "Encoding").
struct Field {
  std::uint32_t number = 0;
  std::uint64_t value = 0;  // of a number; the bits of a float
  std::string_view bytes;   // of a string or message
};

class Message {
 public:
  Message(std::string_view bytes, const std::filesystem::path& path) : rest_(bytes), path_(&path) {}

  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const std::uint64_t tag = varint();
    Field field{.number = static_cast<std::uint32_t>(tag >> 3)};
    switch (tag & 7) {
      case 0:
        field.value = varint();
        break;
      case 1:
        take(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5: {
        std::uint32_t bits = 0;
        std::memcpy(&bits, take(4).data(), 4);
        field.value = bits;
        break;
      }
      default:
        fail();
    }
    return field;
  }

 private:
  [[noreturn]] void fail() const {
    throw DataError(
        fmt::format("{}: is neither a SentencePiece model nor a tiktoken file, or is damaged", path_->string()));
  }
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) fail();
    const auto taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    fail();
  }

  std::string_view rest_;
  const std::filesystem::path* path_;
};

enum PieceType : std::uint64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

struct Model {
  struct Piece {
    std::string text;
    float score = 0;
    std::uint64_t type = kNormal;
  };
  std::vector<Piece> pieces;
  std::uint64_t type = 1;  // 1: unigram, 2: BPE
  bool byte_fallback = false, whitespace_is_suffix = false;
  std::int32_t bos_id = 1, eos_id = 2;  // negative: none
  bool has_charsmap = false, add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
};

Model read_model(std::string_view bytes, const std::filesystem::path& path) {
  Model model;
  Message message(bytes, path);
  while (const auto field = message.next()) {
    Message inner(field->bytes, path);
    if (field->number == 1) {
      Model::Piece piece;
      while (const auto part = inner.next()) {
        if (part->number == 1) piece.text = part->bytes;
        if (part->number == 2) piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(part->value));
        if (part->number == 3) piece.type = part->value;
      }
      model.pieces.push_back(std::move(piece));
    } else if (field->number == 2) {  // trainer_spec
      while (const auto part = inner.next()) {
        if (part->number == 3) model.type = part->value;
        if (part->number == 24) model.whitespace_is_suffix = part->value != 0;
        if (part->number == 35) model.byte_fallback = part->value != 0;
        if (part->number == 41) model.bos_id = static_cast<std::int32_t>(part->value);
        if (part->number == 42) model.eos_id = static_cast<std::int32_t>(part->value);
      }
    } else if (field->number == 3) {  // normalizer_spec
      while (const auto part = inner.next()) {
        if (part->number == 2) model.has_charsmap = !part->bytes.empty();
        if (part->number == 3) model.add_dummy_prefix = part->value != 0;
        if (part->number == 4) model.remove_extra_whitespaces = part->value != 0;
        if (part->number == 5) model.escape_whitespaces = part->value != 0;
      }
    }
  }
  return model;
}

// The flags of tokenizer_config.json that change ids.
struct Config {
  bool add_bos = true, add_eos = false;
};

Config read_config(const std::filesystem::path& path) {
  Config config;
  if (!std::filesystem::exists(path)) return config;
  const auto fail = [&](std::string_view what) { throw DataError(fmt::format("{}: {}", path.string(), what)); };
  const nlohmann::json json = read_json_object(path);
  const auto flag = [&](const char* key, bool otherwise) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) return otherwise;
    if (!found->is_boolean()) fail(fmt::format("/{}: expected true or false", key));
    return found->get<bool>();
  };
  if (!flag("legacy", true)) fail("/legacy: false is not supported without a tokenizer.json; expected true");
  config.add_bos = flag("add_bos_token", true);
  config.add_eos = flag("add_eos_token", false);
  return config;
}

}  // namespace

TokenizerSpec read_sentencepiece(const std::filesystem::path& path) {
  const MappedFile file(path);
  const Model model = read_model(file.text(), path);
  TokenizerSpec spec;
  spec.path = path;
  spec.vocab_key = spec.added_tokens_key = spec.merges_key = "pieces";
  spec.style = VocabStyle::kMetaspace;
  const auto fail = [&](std::string_view what) { throw DataError(fmt::format("{}: {}", path.string(), what)); };
  if (model.pieces.empty()) fail("pieces: there are none");
  if (model.type != 2) fail("trainer_spec.model_type: only BPE is supported; save it as tokenizer.json");
  if (model.whitespace_is_suffix) fail("trainer_spec.treat_whitespace_as_suffix: is not supported");
  if (model.has_charsmap) fail("normalizer_spec.precompiled_charsmap: is not supported");
  if (model.remove_extra_whitespaces) fail("normalizer_spec.remove_extra_whitespaces: is not supported");
  if (!model.escape_whitespaces) fail("normalizer_spec.escape_whitespaces: false is not supported");

  spec.byte_fallback = model.byte_fallback;
  spec.fuse_unk = true;
  spec.prefix_space = model.add_dummy_prefix;
  if (model.add_dummy_prefix) spec.normalizer.emplace_back(PrependStep{std::string(kMetaspace)});
  spec.normalizer.emplace_back(
      ReplaceStep{.pattern = " ", .syntax = PatternSyntax::kLiteral, .content = std::string(kMetaspace)});
  for (const auto& [text, score, type] : model.pieces) {
    const auto id = static_cast<TokenId>(spec.vocab.size());
    if (repair_utf8(text)) fail(fmt::format("pieces: piece {} is not valid UTF-8", id));
    if (!std::isfinite(score)) fail(fmt::format("pieces: piece {} has no finite score", id));
    spec.vocab.push_back({text, id, score});
    if (type == kUnknown) spec.unk_token = text;
    if (type == kUnknown || type == kControl) {
      spec.added_tokens.push_back({.id = id, .content = text});
    } else if (type != kNormal && type != kByte) {
      fail(fmt::format("pieces: piece {}, \"{}\", has type {}, which is not supported", id, text, type));
    }
  }
  spec.merges = merges_of_scores(spec);

  const Config config = read_config(path.parent_path() / "tokenizer_config.json");
  if (model.bos_id >= 0) spec.bos_id = model.bos_id;
  if (model.eos_id >= 0) spec.eos_id = model.eos_id;
  if (config.add_bos && spec.bos_id) spec.prefix = {*spec.bos_id};
  if (config.add_eos && spec.eos_id) spec.suffix = {*spec.eos_id};
  return spec;
}

}  // namespace catenary::tokenizer
