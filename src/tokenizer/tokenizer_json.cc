// Reads tokenizer.json of Hugging Face `tokenizers` (version 1.0), and the BOS and EOS that tokenizer_config.json
// names.
//
// What the file says and we do not do is refused, not skipped: a tokenizer that is nearly right gives scores that are
// wrong. Left out on purpose: truncation and padding (scoring does neither), decoder (a byte-level vocabulary has one),
// the pair template (there is one text), and type ids.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "catenary/base/error.h"
#include "catenary/base/parse_json.h"
#include "tokenizer/character_sets.h"
#include "tokenizer/merges.h"
#include "tokenizer/tokenizer_spec.h"

namespace catenary::tokenizer {
namespace {

using nlohmann::json;

// is_chinese_char in tokenizers, src/normalizers/bert.rs (with 2B920 where Unicode's block begins at 2B820).
constexpr std::string_view kChineseChar =
    R"([\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}\x{2B740}-\x{2B81F})"
    R"(\x{2B920}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}])";

// One value of the file, with its JSON pointer.
class Node {
 public:
  Node(const json& value, std::string pointer, const std::filesystem::path& path)
      : value_(&value), pointer_(std::move(pointer)), path_(&path) {}

  const json& value() const { return *value_; }
  const std::string& pointer() const { return pointer_; }
  const std::filesystem::path& path() const { return *path_; }

  [[noreturn]] void fail(std::string_view what) const {
    throw DataError(fmt::format("{}: {}: {}", path_->string(), pointer_.empty() ? "/" : pointer_, what));
  }

  // The member `key`, unless it is absent or null.
  std::optional<Node> find(std::string_view key) const {
    if (!value_->is_object()) fail("expected an object");
    const auto member = value_->find(key);
    if (member == value_->end() || member->is_null()) return std::nullopt;
    return Node(*member, fmt::format("{}/{}", pointer_, key), *path_);
  }
  Node get(std::string_view key) const {
    if (auto member = find(key)) return *std::move(member);
    fail(fmt::format("expected a member \"{}\"", key));
  }
  std::vector<Node> elements() const {
    if (!value_->is_array()) fail("expected a list");
    std::vector<Node> nodes;
    nodes.reserve(value_->size());
    for (const json& element : *value_) {
      nodes.emplace_back(element, fmt::format("{}/{}", pointer_, nodes.size()), *path_);
    }
    return nodes;
  }
  const std::string& string() const {
    if (!value_->is_string()) fail("expected a string");
    return value_->get_ref<const std::string&>();
  }
  bool boolean() const {
    if (!value_->is_boolean()) fail("expected true or false");
    return value_->get<bool>();
  }
  bool boolean_or(std::string_view key, bool otherwise) const {
    const auto member = find(key);
    return member ? member->boolean() : otherwise;
  }
  TokenId id() const {
    if (value_->is_number_unsigned() && value_->get<std::uint64_t>() <= std::numeric_limits<TokenId>::max()) {
      return value_->get<TokenId>();
    }
    fail(fmt::format("expected a token id (0, 1, 2 …), found {}", value_->dump()));
  }
  const std::string& type() const { return get("type").string(); }
  [[noreturn]] void fail_type(std::string_view supported) const {
    fail(fmt::format("type \"{}\" is not supported; supported are {}", type(), supported));
  }

 private:
  const json* value_;
  std::string pointer_;
  const std::filesystem::path* path_;
};

// Calls `read_step` with `node`, or with each step of the Sequence that it is; `key` names the list of steps.
template <class ReadStep>
void for_each_step(const Node& node, std::string_view key, const ReadStep& read_step) {
  if (node.type() != "Sequence") return read_step(node);
  for (const Node& step : node.get(key).elements()) for_each_step(step, key, read_step);
}

// The pattern of a Replace or Split, tried out so that a mistake in it is reported where it stands.
std::pair<std::string, PatternSyntax> read_pattern(const Node& pattern) {
  const auto regex = pattern.find("Regex");
  const auto& text = regex ? regex->string() : pattern.get("String").string();
  const auto syntax = regex ? PatternSyntax::kOniguruma : PatternSyntax::kLiteral;
  if (text.empty()) pattern.fail("an empty pattern is not supported");
  try {
    Regex(text, syntax);
  } catch (const DataError& error) {
    pattern.fail(error.what());
  }
  return {text, syntax};
}

void read_normalizer(const Node& normalizer, TokenizerSpec& spec) {
  constexpr std::array<std::pair<std::string_view, UnicodeForm>, 4> kForms{{{"NFC", UnicodeForm::kNfc},
                                                                            {"NFD", UnicodeForm::kNfd},
                                                                            {"NFKC", UnicodeForm::kNfkc},
                                                                            {"NFKD", UnicodeForm::kNfkd}}};
  for_each_step(normalizer, "normalizers", [&](const Node& step) {
    const std::string& type = step.type();
    const auto remove = [&](std::string_view pattern) {
      spec.normalizer.emplace_back(ReplaceStep{.pattern = std::string(pattern)});
    };
    const auto form = std::ranges::find(kForms, type, [](const auto& known) { return known.first; });
    if (form != kForms.end()) {
      spec.normalizer.emplace_back(form->second);
    } else if (type == "Replace") {
      auto [pattern, syntax] = read_pattern(step.get("pattern"));
      spec.normalizer.emplace_back(ReplaceStep{std::move(pattern), syntax, step.get("content").string()});
    } else if (type == "Prepend") {
      spec.normalizer.emplace_back(PrependStep{step.get("prepend").string()});
    } else if (type == "Lowercase") {
      spec.normalizer.emplace_back(LowercaseStep{});
    } else if (type == "StripAccents") {
      remove(kCombiningMark);
    } else if (type == "Strip") {
      if (step.get("strip_left").boolean()) remove(R"(\A\p{White_Space}++)");
      // Tried only where the white space begins: the time would go with the square of its length.
      if (step.get("strip_right").boolean()) remove(R"((?<!\p{White_Space})\p{White_Space}++\z)");
    } else if (type == "BertNormalizer") {
      const bool lowercase = step.get("lowercase").boolean();
      if (step.get("clean_text").boolean()) {
        remove(kControl);
        spec.normalizer.emplace_back(ReplaceStep{.pattern = R"(\p{White_Space})", .content = " "});
      }
      if (step.get("handle_chinese_chars").boolean()) {
        spec.normalizer.emplace_back(
            ReplaceStep{.pattern = std::string(kChineseChar), .content = " ", .keep_match = true});
      }
      if (step.boolean_or("strip_accents", lowercase)) {
        spec.normalizer.emplace_back(UnicodeForm::kNfd);
        remove(kNonspacingMark);
      }
      if (lowercase) spec.normalizer.emplace_back(LowercaseStep{});
    } else {
      step.fail_type(
          "BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip, StripAccents and Sequence");
    }
  });
}

SplitBehavior read_behavior(const Node& name) {
  constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> kBehaviors{{
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous},
  }};
  const auto behavior = std::ranges::find(kBehaviors, name.string(), [](const auto& known) { return known.first; });
  if (behavior == kBehaviors.end()) name.fail(fmt::format("behavior \"{}\" is not known", name.string()));
  return behavior->second;
}

SplitStep read_split(const Node& node) {
  SplitStep split;
  std::tie(split.pattern, split.syntax) = read_pattern(node.get("pattern"));
  split.invert = node.get("invert").boolean();
  split.behavior = read_behavior(node.get("behavior"));
  return split;
}

// Metaspace's "first" asks where in the input a piece began, which is known unless the normalizer may take something
// away from the beginning.
bool keeps_the_start(const NormalizerStep& step) {
  if (const auto* replace = std::get_if<ReplaceStep>(&step)) {
    return replace->syntax == PatternSyntax::kLiteral && !replace->content.empty() &&
           replace->pattern.size() == char_length(replace->pattern, 0);
  }
  const auto* form = std::get_if<UnicodeForm>(&step);
  return form != nullptr && *form == UnicodeForm::kNfc;
}

MetaspaceStep read_metaspace(const Node& node, const TokenizerSpec& spec) {
  using Prepend = MetaspaceStep::Prepend;
  MetaspaceStep step{.replacement = node.get("replacement").string(), .split = node.boolean_or("split", true)};
  if (step.replacement.empty() || step.replacement.size() != char_length(step.replacement, 0)) {
    node.get("replacement").fail("expected one character");
  }
  const auto scheme = node.find("prepend_scheme");
  const auto add_prefix_space = node.find("add_prefix_space");  // as it was called before
  if (!scheme) {
    if (!node.boolean_or("add_prefix_space", true)) node.get("add_prefix_space").fail("needs a prepend_scheme");
    return step;
  }
  if (scheme->string() == "never") {
    step.prepend = Prepend::kNever;
  } else if (scheme->string() == "first") {
    step.prepend = Prepend::kFirst;
    if (!std::ranges::all_of(spec.normalizer, keeps_the_start)) {
      scheme->fail("\"first\" is not supported with this normalizer");
    }
  } else if (scheme->string() != "always") {
    scheme->fail("expected \"always\", \"first\" or \"never\"");
  }
  if (add_prefix_space && add_prefix_space->boolean() == (step.prepend == Prepend::kNever)) {
    add_prefix_space->fail("contradicts prepend_scheme");
  }
  return step;
}

void read_pre_tokenizer(const Node& pre_tokenizer, TokenizerSpec& spec) {
  std::vector<PreTokenizerStep>& steps = spec.pre_tokenizer;
  bool has_byte_chars = false;
  for_each_step(pre_tokenizer, "pretokenizers", [&](const Node& step) {
    if (spec.style == VocabStyle::kByteLevel) {
      if (step.type() == "ByteLevel" || step.type() == "Metaspace") {
        step.fail("ByteLevel and Metaspace after ByteLevel are not supported");
      }
      if (!std::exchange(has_byte_chars, true)) steps.emplace_back(ByteCharsStep{});
    }
    const auto split = [&](std::string_view pattern, SplitBehavior behavior, bool invert = false) {
      steps.push_back(SplitStep{std::string(pattern), PatternSyntax::kPcre2, behavior, invert});
    };
    if (step.type() == "Split") {
      steps.push_back(read_split(step));
    } else if (step.type() == "Whitespace") {  // \w and \s of Rust's regex crate
      split(fmt::format(R"([{0}]+|[^{0}\p{{White_Space}}]+)", kWordCharacters), SplitBehavior::kRemoved, true);
    } else if (step.type() == "WhitespaceSplit") {
      split(R"(\p{White_Space})", SplitBehavior::kRemoved);
    } else if (step.type() == "Punctuation") {
      const auto behavior = step.find("behavior");
      split(kPunctuation, behavior ? read_behavior(*behavior) : SplitBehavior::kIsolated);
    } else if (step.type() == "BertPreTokenizer") {
      split(R"(\p{White_Space})", SplitBehavior::kRemoved);
      split(kPunctuation, SplitBehavior::kIsolated);
    } else if (step.type() == "CharDelimiterSplit") {
      steps.push_back(
          SplitStep{step.get("delimiter").string(), PatternSyntax::kLiteral, SplitBehavior::kRemoved, false});
    } else if (step.type() == "Digits") {
      const bool individual = step.get("individual_digits").boolean();
      split(fmt::format("{}{}", kNumeric, individual ? "" : "+"), SplitBehavior::kIsolated);
    } else if (step.type() == "Metaspace") {
      steps.push_back(read_metaspace(step, spec));
    } else if (step.type() == "ByteLevel") {
      spec.style = VocabStyle::kByteLevel;
      if (step.get("add_prefix_space").boolean()) steps.emplace_back(PrefixSpaceStep{});
      if (step.boolean_or("use_regex", true)) steps.push_back(SplitStep{.pattern = std::string(kGpt2Pattern)});
    } else {
      step.fail_type(
          "BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, Metaspace, Punctuation, Split, Whitespace, "
          "WhitespaceSplit and Sequence");
    }
  });
}

TokenPair read_merge(const Node& node) {
  if (node.value().is_array()) {
    const auto parts = node.elements();
    if (parts.size() != 2) node.fail("expected a pair of tokens");
    return {parts[0].string(), parts[1].string()};
  }
  const std::string& text = node.string();
  const std::size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
    node.fail(fmt::format("expected two tokens with a space between them, found \"{}\"", text));
  }
  return {text.substr(0, space), text.substr(space + 1)};
}

// The object of tokens and ids that BPE and WordPiece have.
void read_vocab(const Node& vocab, TokenizerSpec& spec) {
  if (!vocab.value().is_object()) vocab.fail("expected an object of tokens and ids");
  for (const auto& [token, id] : vocab.value().items()) {
    spec.vocab.push_back({token, Node(id, fmt::format("{}/{}", vocab.pointer(), token), vocab.path()).id()});
  }
  std::ranges::sort(spec.vocab, {}, &VocabEntry::id);
}

void read_bpe(const Node& model, TokenizerSpec& spec) {
  for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (const auto text = model.find(key); text && !text->string().empty()) {
      text->fail("is not supported; expected null");
    }
  }
  spec.byte_fallback = model.boolean_or("byte_fallback", false);
  if (const auto dropout = model.find("dropout"); dropout && dropout->value() != 0) {
    dropout->fail("is not supported: a text must always have the same tokens; expected null");
  }
  spec.ignore_merges = model.boolean_or("ignore_merges", false);
  spec.fuse_unk = model.boolean_or("fuse_unk", false);
  if (const auto unk = model.find("unk_token")) spec.unk_token = unk->string();

  read_vocab(model.get("vocab"), spec);
  std::vector<TokenPair> pairs;
  for (const Node& merge : model.get("merges").elements()) pairs.push_back(read_merge(merge));
  spec.merges = merges_of_pairs(spec, pairs);
}

// A list of tokens with their log-probabilities; a token's id is its place.
void read_unigram(const Node& model, TokenizerSpec& spec) {
  for (const std::string_view key : {"alpha", "nbest_size"}) {
    if (const auto option = model.find(key)) {
      option->fail("is not supported: a text must always have the same tokens; expected null");
    }
  }
  spec.model = ModelKind::kUnigram;
  spec.byte_fallback = model.boolean_or("byte_fallback", false);
  for (const Node& entry : model.get("vocab").elements()) {
    const auto parts = entry.elements();
    if (parts.size() != 2 || !parts[1].value().is_number()) entry.fail("expected a token and its score");
    const auto id = static_cast<TokenId>(spec.vocab.size());
    spec.vocab.push_back({parts[0].string(), id, parts[1].value().get<double>()});
  }
  if (const auto unk = model.find("unk_id")) {
    spec.unk_id = unk->id();
    if (static_cast<std::size_t>(*spec.unk_id) >= spec.vocab.size()) unk->fail("is not in the vocabulary");
  }
}

void read_word_piece(const Node& model, TokenizerSpec& spec) {
  spec.model = ModelKind::kWordPiece;
  spec.style = VocabStyle::kWords;
  spec.unk_token = model.get("unk_token").string();
  spec.subword_prefix = model.get("continuing_subword_prefix").string();
  spec.max_word_chars = static_cast<std::size_t>(model.get("max_input_chars_per_word").id());
  read_vocab(model.get("vocab"), spec);
}

void read_model(const Node& model, TokenizerSpec& spec) {
  // Older files do not name it.
  const std::string type = model.find("type") ? model.type() : model.find("merges") ? "BPE" : "";
  if (type != "BPE" && spec.style == VocabStyle::kByteLevel) {
    model.fail(fmt::format("\"{}\" with a ByteLevel pre-tokenizer is not supported", type));
  }
  if (type == "BPE") {
    read_bpe(model, spec);
  } else if (type == "Unigram") {
    read_unigram(model, spec);
  } else if (type == "WordPiece") {
    read_word_piece(model, spec);
  } else {
    model.fail_type("BPE, Unigram and WordPiece");
  }
}

// Does a text get a space before it that was not there?
bool adds_space(const TokenizerSpec& spec) {
  return std::ranges::any_of(spec.normalizer,
                             [](const NormalizerStep& step) {
                               const auto* prepend = std::get_if<PrependStep>(&step);
                               return prepend != nullptr && prepend->text == kMetaspace;
                             }) ||
         std::ranges::any_of(spec.pre_tokenizer, [](const PreTokenizerStep& step) {
           const auto* metaspace = std::get_if<MetaspaceStep>(&step);
           return metaspace != nullptr && metaspace->prepend != MetaspaceStep::Prepend::kNever;
         });
}

// Hugging Face `tokenizers` gives each token, in the order of the file, its id in the vocabulary or else the next free
// one, and only warns where the file says another. Such a file is refused here.
void read_added_tokens(const Node& list, TokenizerSpec& spec) {
  std::unordered_map<std::string_view, TokenId> known;
  for (const auto& [token, id, score] : spec.vocab) known.emplace(token, id);
  auto next_id = static_cast<TokenId>(spec.vocab.size());
  for (const Node& node : list.elements()) {
    AddedToken token{.id = node.get("id").id(),
                     .content = node.get("content").string(),
                     .single_word = node.get("single_word").boolean(),
                     .lstrip = node.get("lstrip").boolean(),
                     .rstrip = node.get("rstrip").boolean(),
                     .normalized = node.get("normalized").boolean()};
    const auto found = known.find(token.content);
    const TokenId expected = found != known.end() ? found->second : next_id;
    if (token.id != expected) {
      node.get("id").fail(fmt::format("token \"{}\" has id {} here, but {} by its place in the file", token.content,
                                      token.id, expected));
    }
    if (token.id >= next_id) next_id = token.id + 1;
    spec.added_tokens.push_back(std::move(token));
  }
}

// "single" of a TemplateProcessing: special tokens, the text once, special tokens.
void read_template(const Node& processor, TokenizerSpec& spec) {
  bool seen_text = false;
  const Node single = processor.get("single");
  for (const Node& piece : single.elements()) {
    if (const auto sequence = piece.find("Sequence")) {
      if (seen_text || sequence->get("id").string() != "A") piece.fail("expected the text, \"A\", exactly once");
      seen_text = true;
      continue;
    }
    const Node name = piece.get("SpecialToken").get("id");
    for (const Node& id : processor.get("special_tokens").get(name.string()).get("ids").elements()) {
      (seen_text ? spec.suffix : spec.prefix).push_back(id.id());
    }
  }
  if (!seen_text) single.fail("expected a Sequence \"A\"");
}

// [token, id] of BertProcessing and RobertaProcessing.
TokenId read_marker(const Node& marker) {
  const auto parts = marker.elements();
  if (parts.size() != 2) marker.fail("expected a token and its id");
  return parts[1].id();
}

void read_post_processor(const Node& post_processor, TokenizerSpec& spec) {
  bool seen_template = false;
  for_each_step(post_processor, "processors", [&](const Node& step) {
    if (step.type() == "ByteLevel") return;  // it only changes offsets
    if (seen_template) step.fail("a second step that adds special tokens is not supported");
    seen_template = true;
    if (step.type() == "TemplateProcessing") {
      read_template(step, spec);
    } else if (step.type() == "BertProcessing" || step.type() == "RobertaProcessing") {
      spec.prefix = {read_marker(step.get("cls"))};
      spec.suffix = {read_marker(step.get("sep"))};
    } else {
      step.fail_type("BertProcessing, ByteLevel, RobertaProcessing, TemplateProcessing and Sequence");
    }
  });
}

// bos_token and eos_token are a string, or an object with the string in "content".
std::optional<TokenId> read_special_token(const Node& config, std::string_view key, const TokenizerSpec& spec) {
  const auto node = config.find(key);
  if (!node) return std::nullopt;
  const std::string& token = node->value().is_object() ? node->get("content").string() : node->string();
  const auto added = std::ranges::find(spec.added_tokens, token, &AddedToken::content);
  if (added != spec.added_tokens.end()) return added->id;
  const auto known = std::ranges::find(spec.vocab, token, &VocabEntry::token);
  if (known != spec.vocab.end()) return known->id;
  node->fail(fmt::format("token \"{}\" is not in {}", token, spec.path.string()));
}

}  // namespace

TokenizerSpec read_tokenizer_json(const std::filesystem::path& path) {
  const json document = read_json_object(path);
  const Node root(document, "", path);
  TokenizerSpec spec;
  spec.path = path;
  spec.vocab_key = "/model/vocab";
  spec.merges_key = "/model/merges";
  spec.added_tokens_key = "/added_tokens";
  spec.style = VocabStyle::kMetaspace;  // unless there is a ByteLevel
  if (const auto normalizer = root.find("normalizer")) read_normalizer(*normalizer, spec);
  if (const auto pre_tokenizer = root.find("pre_tokenizer")) read_pre_tokenizer(*pre_tokenizer, spec);
  spec.prefix_space = adds_space(spec);
  read_model(root.get("model"), spec);
  if (const auto added_tokens = root.find("added_tokens")) read_added_tokens(*added_tokens, spec);
  if (const auto post_processor = root.find("post_processor")) read_post_processor(*post_processor, spec);

  const auto config_path = path.parent_path() / "tokenizer_config.json";
  if (std::filesystem::exists(config_path)) {
    const json config_document = read_json_object(config_path);
    const Node config(config_document, "", config_path);
    spec.bos_id = read_special_token(config, "bos_token", spec);
    spec.eos_id = read_special_token(config, "eos_token", spec);
  }
  return spec;
}

}  // namespace catenary::tokenizer
