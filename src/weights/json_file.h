#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

namespace catenary::weights {

/// Parses JSON that came from `path`, whose name goes into messages. Throws DataError: malformed, longer than 100 MB,
/// nested deeper than any checkpoint's, or with a key twice in one object.
nlohmann::json parse_json(const std::filesystem::path& path, std::string_view text);

/// Reads and parses a whole file.
nlohmann::json read_json(const std::filesystem::path& path);

/// For messages: a value as JSON text, shortened.
std::string shown_json(const nlohmann::json& value);

/// The JSON pointer of a member of the top-level object ("/weight_map").
std::string pointer_to(std::string_view key);

}  // namespace catenary::weights
