#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "catenary/base/error.h"

namespace catenary {

/// A text is not JSON. The message says what and where; the file's name is the caller's to add.
class JsonError : public Error {
  using Error::Error;
};

/// Parses a file that may come from anybody. The library's parser takes any depth, but what is then done with the value
/// (dump, copies, comparisons) recurses: arrays and objects nested deeper than 64 levels are refused. It also keeps the
/// last of two equal keys of an object: `on_repeated_key`, if given, is called with the second of each, cut to 200
/// bytes, before the text is parsed. Takes time linear in the text, which the library's own callback does not. Throws
/// JsonError. For nlohmann::json and nlohmann::ordered_json.
template <class Json = nlohmann::json>
Json parse_json(std::string_view text, const std::function<void(const std::string& key)>& on_repeated_key = {});

extern template nlohmann::json parse_json(std::string_view, const std::function<void(const std::string&)>&);
extern template nlohmann::ordered_json parse_json(std::string_view, const std::function<void(const std::string&)>&);

/// Reads a file that holds one JSON object, and parses it as parse_json() does. Throws DataError that names the file.
nlohmann::json read_json_object(const std::filesystem::path& path);

}  // namespace catenary
