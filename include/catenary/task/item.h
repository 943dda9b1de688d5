#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace catenary::task {

/// One item: a prompt, the continuations to be scored, and which of them is right. Prompt and continuation are joined
/// with nothing between them.
struct Item {
  std::string prompt;
  std::vector<std::string> classes;  // at least two, none empty
  std::int32_t answer_index = 0;     // into classes
};

}  // namespace catenary::task
