#include "catenary/base/parse_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "catenary/base/mapped_file.h"
#include "catenary/base/utf8.h"

namespace catenary {
namespace {

using OnKey = std::function<void(const std::string& key)>;

constexpr int kMaxDepth = 64;           // a checkpoint's tokenizer.json has ten
constexpr std::size_t kMaxShown = 200;  // bytes of a key or of what was read last, strings of any length

// Brackets are counted as the parser will meet them, up to the first mistake at which it stops.
bool is_too_deep(std::string_view text) {
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) i += text[i] == '\\' ? 1 : 0;
    } else if (text[i] == '[' || text[i] == '{') {
      if (++depth > kMaxDepth) return true;
    } else if (text[i] == ']' || text[i] == '}') {
      --depth;
    }
  }
  return false;
}

// Sees every key in the text; the values are not its concern.
class KeyReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit KeyReader(const OnKey& on_repeated_key) : on_repeated_key_(on_repeated_key) {}

  bool start_object(std::size_t /*size*/) override { return keys_.emplace_back(), true; }
  bool end_object() override { return keys_.pop_back(), true; }
  bool key(std::string& key) override {
    if (!keys_.back().insert(key).second) on_repeated_key_(std::string(cut_utf8(key, kMaxShown)));
    return true;
  }

  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(std::int64_t /*value*/) override { return true; }
  bool number_unsigned(std::uint64_t /*value*/) override { return true; }
  bool number_float(double /*value*/, const std::string& /*text*/) override { return true; }
  bool string(std::string& /*value*/) override { return true; }
  bool binary(nlohmann::json::binary_t& /*value*/) override { return true; }
  bool start_array(std::size_t /*size*/) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/, const nlohmann::json::exception& /*e*/) override {
    return false;
  }

 private:
  const OnKey& on_repeated_key_;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
};

// Without the library's names for kinds of errors.
std::string_view without_names(std::string_view message) {
  for (const std::string_view end : {"] ", "parse error at "}) {
    const std::size_t at = message.find(end);
    if (at != std::string_view::npos) message.remove_prefix(at + end.size());
  }
  return message;
}

}  // namespace

template <class Json>
Json parse_json(std::string_view text, const OnKey& on_repeated_key) {
  if (is_too_deep(text)) throw JsonError(fmt::format("JSON nested deeper than {} levels", kMaxDepth));
  if (on_repeated_key) {
    KeyReader reader(on_repeated_key);
    nlohmann::json::sax_parse(text, &reader);
  }
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::exception& e) {
    throw JsonError(fmt::format("not valid JSON: {}", cut_utf8(without_names(e.what()), kMaxShown)));
  }
}

nlohmann::json read_json_object(const std::filesystem::path& path) {
  const auto fail = [&](std::string_view what) { throw DataError(fmt::format("{}: {}", path.string(), what)); };
  const MappedFile file(path);
  nlohmann::json json;
  try {
    json = parse_json(file.text());
  } catch (const JsonError& e) {
    fail(e.what());
  }
  if (!json.is_object()) fail(fmt::format("expected a JSON object, found {}", json.type_name()));
  return json;
}

template nlohmann::json parse_json(std::string_view, const OnKey&);
template nlohmann::ordered_json parse_json(std::string_view, const OnKey&);

}  // namespace catenary
