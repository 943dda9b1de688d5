#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "catenary/spec/sweep_spec.h"
#include "catenary/task/item.h"

namespace catenary::task {

/// A task's items and which of them are scored. The others still serve as exemplars, so a limit does not change a
/// prompt.
struct Task {
  std::vector<Item> items;  // the whole file
  std::int64_t first = 0;   // scored: items [first, first + count)
  std::int64_t count = 0;
  std::string fingerprint;  // hash of all items
};

/// Reads a JSONL file, one object a line: `prompt` (string), `classes` (list of two or more strings), `answer_index`
/// (integer). Other keys are allowed and ignored; so are empty lines at the end. Throws DataError that lists every
/// problem with file, line and field, or that `offset` lies beyond the last item.
Task read_task(const spec::TaskSpec& spec);

}  // namespace catenary::task
