#include "weights/json_file.h"

#include <fmt/format.h>

#include <array>
#include <set>
#include <string>

#include "catenary/base/error.h"
#include "catenary/base/json_error.h"
#include "catenary/base/mapped_file.h"
#include "weights/layout.h"

namespace catenary::weights {
namespace {

constexpr std::size_t kMaxBytes = 100'000'000;  // the limit of the safetensors library
constexpr int kMaxDepth = 16;

}  // namespace

nlohmann::json parse_json(const std::filesystem::path& path, std::string_view text) {
  using nlohmann::json;
  const auto fail = [&](std::string_view what) { throw DataError(fmt::format("{}: {}", path.string(), what)); };
  if (text.size() > kMaxBytes) fail(fmt::format("{} bytes of JSON are more than {}", text.size(), kMaxBytes));
  // nlohmann's parser has no limit of depth and keeps the last of two equal keys; a hostile file can use either.
  std::array<std::set<std::string>, kMaxDepth + 2> keys;  // of the open object at each depth
  const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kMaxDepth) fail(fmt::format("JSON nested deeper than {} levels", kMaxDepth));
    if (event == json::parse_event_t::object_end) keys[depth + 1].clear();
    if (event == json::parse_event_t::key && !keys[depth].insert(parsed.get<std::string>()).second) {
      fail(fmt::format("the key {} occurs twice in one object", shown_json(parsed)));
    }
    return true;
  };
  try {
    return json::parse(text, watch);
  } catch (const json::exception& e) {
    fail(fmt::format("not valid JSON: {}", json_error_text(e.what()).substr(0, 200)));
  }
  return {};
}

nlohmann::json read_json(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse_json(path, file.text());
}

std::string shown_json(const nlohmann::json& value) {
  if (value.is_string()) return shown(value.get_ref<const std::string&>());
  constexpr std::size_t kMaxShown = 60;
  const std::string text = value.dump();
  return text.size() > kMaxShown ? text.substr(0, kMaxShown) + "…" : text;
}

std::string pointer_to(std::string_view key) {
  return (nlohmann::json::json_pointer() / printable(key)).to_string();
}

}  // namespace catenary::weights
