#pragma once

#include <array>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "catenary/tokenizer/chat_template.h"
#include "support/temporary_folder.h"

/// What tests/reference/chat_template/make_reference.py wrote.
namespace catenary::tokenizer::test {

using catenary::test::message_of;
using catenary::test::TemporaryFolder;

/// The time of its templates that ask for the date: 6 July 2024, 12:34:56, in UTC.
inline const auto kNoon = std::chrono::system_clock::from_time_t(1'720'269'296);
inline const std::array<Message, 1> kHello{{{"user", "Hello"}}};

inline std::filesystem::path reference_folder() {
  // The date is a local one.
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  return std::filesystem::path(CATENARY_SOURCE_DIR) / "tests/reference/chat_template";
}

inline nlohmann::json read_reference(const std::string& name) {
  return nlohmann::json::parse(std::ifstream(reference_folder() / name));
}

inline std::vector<Message> read_messages(const nlohmann::json& conversation) {
  std::vector<Message> messages;
  for (const auto& message : conversation) messages.push_back({message["role"], message["content"]});
  return messages;
}

}  // namespace catenary::tokenizer::test
