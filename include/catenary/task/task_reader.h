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
  std::string fingerprint;  // hash of format, items and exemplars
  spec::TaskFormat format = spec::TaskFormat::kClassification;
  std::vector<Item> exemplars;  // of their own file; empty: the other items serve
};

/// Makes the items of a generated task, or reads a task file; docs/tasks.md describes each form. Which one it is
/// follows from the name and what is in it:
///   .csv    the Inverse Scaling Prize's tables; lists of classes in Python's or JSON's notation
///   .json   BIG-bench's task.json, or a file of BIG-Bench-Hard
///   .txt    BIG-Bench-Hard's chain-of-thought prompts (of use as `exemplars`)
///   others  JSONL, one object a line: Catenary's and the Prize's, or with `spec.fields` anybody's
/// Keys and columns that are not known are ignored. Throws DataError that lists every problem with file, line or JSON
/// pointer, and field, or that `offset` lies beyond the last item.
Task read_task(const spec::TaskSpec& spec);

/// Where a task's items come from: the file, or "redefine --n 200 --seed 7", the options that generate them.
std::string source_of(const spec::TaskSpec& spec);

/// The item as a line of Catenary's own JSONL, without the line end.
std::string to_json_line(const Item& item, spec::TaskFormat format);

}  // namespace catenary::task
