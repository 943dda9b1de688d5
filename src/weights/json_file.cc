#include "weights/json_file.h"

#include <fmt/format.h>

#include <string>

#include "catenary/base/error.h"
#include "catenary/base/mapped_file.h"
#include "catenary/base/parse_json.h"
#include "weights/layout.h"

namespace catenary::weights {
namespace {

constexpr std::size_t kMaxBytes = 100'000'000;  // the limit of the safetensors library

}  // namespace

nlohmann::json parse_json(const std::filesystem::path& path, std::string_view text) {
  const auto fail = [&](std::string_view what) { throw DataError(fmt::format("{}: {}", path.string(), what)); };
  if (text.size() > kMaxBytes) fail(fmt::format("{} bytes of JSON are more than {}", text.size(), kMaxBytes));
  try {
    return catenary::parse_json(
        text, [&](const std::string& key) { fail(fmt::format("the key {} occurs twice in one object", shown(key))); });
  } catch (const JsonError& e) {
    fail(e.what());
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
