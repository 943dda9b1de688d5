#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "catenary/spec/sweep_spec.h"
#include "catenary/store/schema.h"
#include "catenary/task/task_reader.h"
#include "catenary/weights/checkpoint.h"

namespace catenary::cli {

/// A sweep spec with everything it names opened and checked; checkpoints by their headers only.
struct Study {
  spec::SweepSpec spec;
  std::vector<weights::Checkpoint> checkpoints;  // by model
  std::vector<task::Task> tasks;
};

/// Throws SpecError that lists every problem of the spec or, if it has none, of all files that it names, and what
/// cannot be run: a task without the exemplars that a condition asks for, a chat condition with a model that has no
/// template.
Study read_study(const std::filesystem::path& path);

/// Logs, once among ranks, what task::doubtful_joins finds, if prompts and classes meet under any of the conditions.
void tell_doubtful_joins(const task::Task& task, const spec::TaskSpec& spec,
                         std::span<const spec::ConditionSpec> conditions);

/// Leaves the models number index, index + count, … of the spec; index from 1. Throws SpecError if none is left.
void keep_part(Study& study, int index, int count);

/// What tells a model apart from others.
struct ModelFingerprint {
  std::string weights;
  std::string tokenizer;
};

/// Reads all of the model's weights.
ModelFingerprint fingerprint_of(const weights::Checkpoint& checkpoint);

/// The store's layout, with the number of ranks that hold each model together. Units are ordered by model, task,
/// condition; the id of each is a hash of the model's fingerprint, the task's items and which are scored, the condition
/// with its chat template, and the numerics. Names are not part of it.
store::Layout make_layout(const Study& study, const std::vector<ModelFingerprint>& fingerprints,
                          const std::vector<int>& tensor_parallel_sizes, const store::Numerics& numerics,
                          const store::Provenance& provenance);

}  // namespace catenary::cli
