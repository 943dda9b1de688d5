#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "catenary/spec/work_unit.h"

namespace catenary::store {

/// The version of the file format that this program reads and writes (docs/store-format.md); others are refused.
inline constexpr std::int32_t kSchemaVersion = 4;

/// Number of a quantity that is not known: NaN in the file, never 0.
struct ModelRow {
  std::string name;
  std::string path;
  std::string family;
  std::int64_t num_parameters = 0;            // the embedding counts, once when tied
  std::int64_t num_embedding_parameters = 0;  // of those, embeddings of tokens and positions, and an untied head
  double training_tokens = 0;                 // NaN when not known
  double training_flops = 0;  // as the spec states them, else 6·N·D (weights/cost.h); NaN when not known
  std::string weights_fingerprint;
  std::string tokenizer_fingerprint;
  std::int32_t tensor_parallel_size = 1;  // ranks that held it together; part of the numerics
};

/// One item of a task: what is known of it without any model.
struct TaskItemRow {
  std::int64_t item = 0;  // its position in the task file, from 0
  std::int32_t answer_index = 0;
  std::vector<std::int32_t> class_num_bytes;  // UTF-8 bytes of each continuation, in the order of the scores
  double true_answer = std::numeric_limits<double>::quiet_NaN();  // numeric items only
  double anchor = std::numeric_limits<double>::quiet_NaN();       // NaN: none
};

struct TaskRow {
  std::string name;
  std::string path;
  std::string format;       // "classification", "logodds", …
  std::string fingerprint;  // hash of the items
  std::vector<TaskItemRow> items;
};

struct ConditionRow {
  std::string name;
  std::string kind;  // "zero_shot", "few_shot", "few_shot+instruct", …
  std::int64_t k = 0;
  std::uint64_t seed = 0;
  std::string exemplars;   // "fixed", "per_item"; empty for zero_shot
  std::string separator;   // empty for zero_shot
  std::string definition;  // all of it, but for the chat template, as JSON
};

/// What the stored values depend on besides the unit itself and how many ranks hold its model.
struct Numerics {
  std::string dtype;        // "float32", "float16", "bfloat16"
  std::string device_kind;  // "cpu", or the GPU's name
  std::int32_t threads_per_rank = 1;

  bool operator==(const Numerics&) const = default;
};

struct Provenance {
  std::string catenary_version;
  std::string libtorch_version;
  std::string host;
  std::string created;  // UTC, ISO 8601
};

/// Everything that is known before the first item is scored. The file is laid out from it.
struct Layout {
  std::string sweep_name;
  std::string spec_text;  // the sweep spec, verbatim
  std::vector<ModelRow> models;
  std::vector<TaskRow> tasks;
  std::vector<ConditionRow> conditions;
  std::vector<spec::WorkUnit> units;
  Numerics numerics;
  Provenance provenance;
};

/// One `catenary run` that wrote to the store.
struct Run {
  double started = 0;   // seconds since 1970-01-01 UTC
  double finished = 0;  // NaN where it did not end by itself
  std::int32_t num_ranks = 0;
  std::string host;  // of rank 0
  std::string catenary_version;
  std::string libtorch_version;
};

/// On disk; never renumber.
enum class RangeState : std::uint8_t { kPending = 0, kDone = 1, kFailed = 2 };

}  // namespace catenary::store
