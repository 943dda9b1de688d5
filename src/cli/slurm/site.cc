#include "cli/slurm/site.h"

#include <fmt/format.h>

#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>

#include "catenary/base/error.h"
#include "catenary/base/parse_json.h"

namespace catenary::cli {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

std::optional<fs::path> find_site_file() {
  if (const char* named = std::getenv("CATENARY_SITE"); named != nullptr && *named != '\0') return named;
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const char* home = std::getenv("HOME");
  const fs::path own = config != nullptr && *config != '\0' ? fs::path(config)
                       : home != nullptr                    ? fs::path(home) / ".config"
                                                            : fs::path();
  std::error_code ignored;
  for (const fs::path& folder : {own / "catenary", fs::path("/etc/catenary")}) {
    if (fs::exists(folder / "site.json", ignored)) return folder / "site.json";
  }
  return std::nullopt;
}

// Text that ends up in a script must not end its line.
bool is_line(const Json& json) {
  if (!json.is_string()) return false;
  for (const char c : json.get_ref<const std::string&>()) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
  }
  return true;
}

bool is_variable_name(const std::string& name) {
  const std::string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
  return !name.empty() && letters.find(name[0]) != std::string::npos &&
         name.find_first_not_of(letters + "0123456789") == std::string::npos;
}

}  // namespace

Site read_site() {
  Site site;
  const auto path = find_site_file();
  if (!path) return site;
  site.path = *path;
  Json json;
  try {
    json = read_json_object(*path);
  } catch (const DataError& e) {
    throw SpecError(e.what());
  }

  Problems problems;
  const auto expect = [&](const std::string& key, const Json& value, bool fits, std::string_view expected) {
    if (!fits) {
      problems.add(fmt::format("{}: /{}: expected {}, found {}", path->string(), key, expected,
                               value.dump(-1, ' ', false, Json::error_handler_t::replace)));
    }
    return fits;
  };
  using Read = std::function<void(const std::string& key, const Json& value)>;
  const auto text = [&](std::string& to) -> Read {
    return [&](const std::string& key, const Json& value) {
      if (expect(key, value, is_line(value), "a line of text")) to = value;
    };
  };
  const auto texts = [&](std::vector<std::string>& to) -> Read {
    return [&](const std::string& key, const Json& value) {
      const bool fits = value.is_array() && std::all_of(value.begin(), value.end(), is_line);
      if (expect(key, value, fits, "a list of lines of text")) to = value.get<std::vector<std::string>>();
    };
  };
  const auto count = [&](auto& to, std::int64_t min) -> Read {
    return [&, min](const std::string& key, const Json& value) {
      const bool fits = value.is_number_integer() && value >= min && value <= 1'000'000'000;
      if (expect(key, value, fits, fmt::format("a whole number of at least {}", min))) {
        to = value.template get<typename std::decay_t<decltype(to)>::value_type>();
      }
    };
  };
  const std::map<std::string, Read> readers{
      {"partition", text(site.partition)},
      {"account", text(site.account)},
      {"time", text(site.time)},
      {"launcher", texts(site.launcher)},
      {"modules", texts(site.modules)},
      {"sbatch", texts(site.sbatch)},
      {"cpus_per_node", count(site.cpus_per_node, 1)},
      {"gpus_per_node", count(site.gpus_per_node, 0)},
      {"mib_per_node", count(site.mib_per_node, 1)},
      {"max_nodes", count(site.max_nodes, 1)},
      {"requeue",
       [&](const std::string& key, const Json& value) {
         if (expect(key, value, value.is_boolean(), "true or false")) site.requeue = value;
       }},
      {"flops_per_rank",
       [&](const std::string& key, const Json& value) {
         if (expect(key, value, value.is_number() && value > 0, "a number above 0")) site.flops_per_rank = value;
       }},
      {"environment",
       [&](const std::string& key, const Json& value) {
         const bool fits = value.is_object() && std::all_of(value.begin(), value.end(), is_line);
         if (!expect(key, value, fits, "an object of lines of text")) return;
         for (const auto& [name, content] : value.items()) {
           if (expect(key + "/" + name, name, is_variable_name(name), "a variable's name")) {
             site.environment[name] = content;
           }
         }
       }},
  };
  for (const auto& [key, value] : json.items()) {
    if (const auto reader = readers.find(key); reader != readers.end()) {
      reader->second(key, value);
    } else {
      std::string known;
      for (const auto& entry : readers) known += (known.empty() ? "" : ", ") + entry.first;
      problems.add(fmt::format("{}: /{}: no such setting; there are {}", path->string(), key, known));
    }
  }
  problems.throw_if_any<SpecError>();
  return site;
}

}  // namespace catenary::cli
