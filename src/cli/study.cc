#include "cli/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "catenary/base/error.h"
#include "catenary/base/hash.h"
#include "catenary/base/log.h"
#include "catenary/task/metric.h"
#include "catenary/task/prompt.h"
#include "catenary/tokenizer/end_tokens.h"
#include "catenary/tokenizer/tokenizer.h"
#include "catenary/weights/cost.h"
#include "catenary/weights/share.h"
#include "cli/item_encoder.h"

namespace catenary::cli {
namespace {

namespace fs = std::filesystem;

// Change it when the same inputs give other scores than before.
constexpr std::uint64_t kScoringVersion = 1;

store::ConditionRow row_of(const spec::ConditionSpec& condition) {
  const bool few_shot = condition.few_shot;
  return {.name = condition.name,
          .kind = kind_of(condition),
          .k = condition.k,
          .seed = few_shot ? condition.seed : 0,
          .exemplars = few_shot ? std::string(to_string(condition.exemplars)) : "",
          .separator = few_shot ? condition.separator : "",
          .definition = definition_of(condition)};
}

store::TaskRow row_of(const spec::TaskSpec& spec, const task::Task& task) {
  store::TaskRow row{.name = spec.name,
                     .path = task::source_of(spec),
                     .format = std::string(to_string(task.format)),
                     .fingerprint = task.fingerprint,
                     .items = {}};
  for (std::int64_t i = task.first; i < task.first + task.count; ++i) {
    const task::Item& item = task.items[static_cast<std::size_t>(i)];
    store::TaskItemRow& stored = row.items.emplace_back();
    stored.item = i;
    stored.answer_index = item.answer_index;
    stored.class_num_bytes = task::continuation_bytes(task.format, item);
    stored.true_answer = item.true_answer;
    stored.anchor = item.anchor;
  }
  return row;
}

store::ModelRow row_of(const spec::ModelSpec& spec, const weights::Checkpoint& checkpoint,
                       const ModelFingerprint& fingerprint, int tensor_parallel_size) {
  const double tokens = spec.training_tokens.value_or(std::numeric_limits<double>::quiet_NaN());
  const double flops =
      spec.training_flops.value_or(weights::training_flops(weights::count_parameters(checkpoint.config()), tokens));
  return {.name = spec.name,
          .path = spec.path.string(),
          .family = spec.family,
          .num_parameters = checkpoint.num_parameters(),
          .num_embedding_parameters = checkpoint.num_embedding_parameters(),
          .training_tokens = tokens,
          .training_flops = flops,
          .weights_fingerprint = fingerprint.weights,
          .tokenizer_fingerprint = fingerprint.tokenizer,
          .tensor_parallel_size = tensor_parallel_size};
}

std::string unit_id(const store::ModelRow& model, const store::TaskRow& task, const store::ConditionRow& condition,
                    const std::string& chat_template_fingerprint, const std::vector<tokenizer::TokenId>& end_tokens,
                    const store::Numerics& numerics) {
  Hasher hasher;
  hasher.add(kScoringVersion).add(model.weights_fingerprint).add(model.tokenizer_fingerprint);
  hasher.add(task.fingerprint).add(task.format);
  hasher.add(static_cast<std::uint64_t>(task.items.front().item)).add(static_cast<std::uint64_t>(task.items.size()));
  hasher.add(condition.definition).add(chat_template_fingerprint);
  hasher.add(std::as_bytes(std::span(end_tokens)));
  hasher.add(numerics.dtype).add(numerics.device_kind);
  hasher.add(static_cast<std::uint64_t>(model.tensor_parallel_size));
  hasher.add(static_cast<std::uint64_t>(numerics.threads_per_rank));
  return hasher.hex();
}

// Notes the members of each ladder that are not below its root, with how to get them, and returns their paths.
std::set<fs::path> add_absent_members(const spec::SweepSpec& spec, const fs::path& spec_path, Problems& problems) {
  std::set<fs::path> absent;
  std::map<std::string, std::string> commands;  // by pointer
  for (const spec::ModelSpec& model : spec.models) {
    std::error_code ignored;
    if (!model.repository || fs::exists(model.path, ignored)) continue;
    absent.insert(model.path);
    commands[model.pointer] += fmt::format("\n  hf download {} --local-dir {}", *model.repository, model.path.string());
  }
  for (const auto& [pointer, list] : commands) {
    problems.add(
        fmt::format("{}: {}: no such folders; to get them from Hugging Face:{}", spec_path.string(), pointer, list));
  }
  return absent;
}

// "/models/0/path" and "tensor_parallel": "/models/0/tensor_parallel".
std::string sibling_of(const std::string& pointer, std::string_view key) {
  return fmt::format("{}/{}", pointer.substr(0, pointer.rfind('/')), key);
}

}  // namespace

Study read_study(const std::filesystem::path& path) {
  Study study{.spec = spec::read_sweep_spec(path), .checkpoints = {}, .tasks = {}};
  Problems problems;
  const auto attempt = [&](std::string_view pointer, const auto& act) {
    try {
      act();
    } catch (const Error& e) {
      problems.add(fmt::format("{}: {}: {}", path.string(), pointer, e.what()));
    }
  };
  std::set<std::size_t> unfit_conditions;  // of which some task lacks the exemplars
  for (std::size_t i = 0; i < study.spec.tasks.size(); ++i) {
    const char* key = study.spec.tasks[i].generate ? "generate" : "path";
    const std::size_t num_read = study.tasks.size();
    attempt(fmt::format("/tasks/{}/{}", i, key), [&] { study.tasks.push_back(task::read_task(study.spec.tasks[i])); });
    if (study.tasks.size() == num_read) continue;
    for (std::size_t c = 0; c < study.spec.conditions.size(); ++c) {
      const std::size_t num_problems = problems.list().size();
      attempt(fmt::format("/conditions/{}: task \"{}\"", c, study.spec.tasks[i].name),
              [&] { check_condition(study.tasks.back(), study.spec.conditions[c]); });
      if (problems.list().size() > num_problems) unfit_conditions.insert(c);
    }
  }
  const bool tasks_are_good = study.tasks.size() == study.spec.tasks.size();
  const std::set<fs::path> absent = add_absent_members(study.spec, path, problems);
  for (const spec::ModelSpec& model : study.spec.models) {
    if (absent.contains(model.path)) continue;
    const std::size_t num_open = study.checkpoints.size();
    attempt(model.pointer, [&] {
      study.checkpoints.push_back(weights::Checkpoint::open(model.path));
      const ItemEncoder encoder(study.checkpoints.back(), {});
    });
    if (study.checkpoints.size() == num_open) continue;
    attempt(sibling_of(model.pointer, "tensor_parallel"), [&] {
      const auto size = static_cast<int>(model.tensor_parallel.value_or(1));
      const auto problem = weights::share_problem(study.checkpoints.back().config(), size);
      if (!problem.empty()) {
        throw SpecError(fmt::format("{} cannot be split among {} ranks: {}", model.name, size, problem));
      }
    });
    for (std::size_t c = 0; c < study.spec.conditions.size() && tasks_are_good; ++c) {
      const spec::ConditionSpec& condition = study.spec.conditions[c];
      if (!condition.instruct || unfit_conditions.contains(c)) continue;
      // A template may refuse a conversation: it has no system prompt, say.
      attempt(fmt::format("/conditions/{}", c), [&] {
        const auto chat_template = get_chat_template(study.checkpoints.back(), condition);
        for (const task::Task& task : study.tasks) render_item(task, task.first, condition, &chat_template);
      });
    }
  }
  problems.throw_if_any<SpecError>();
  for (std::size_t i = 0; i < study.tasks.size(); ++i) {
    tell_doubtful_joins(study.tasks[i], study.spec.tasks[i], study.spec.conditions);
  }
  return study;
}

void tell_doubtful_joins(const task::Task& task, const spec::TaskSpec& spec,
                         std::span<const spec::ConditionSpec> conditions) {
  // In a chat, and after reasoning, prompt and class do not meet.
  if (std::ranges::all_of(conditions, [](const auto& one) { return one.instruct || one.cot; })) return;
  const std::string doubt = task::doubtful_joins(task);
  if (!doubt.empty()) log::info(fmt::format("catenary: warning: {}: {}", task::source_of(spec), doubt));
}

void keep_part(Study& study, int index, int count) {
  Study part{.spec = study.spec, .checkpoints = {}, .tasks = std::move(study.tasks)};
  part.spec.models.clear();
  for (auto i = static_cast<std::size_t>(index - 1); i < study.checkpoints.size();
       i += static_cast<std::size_t>(count)) {
    part.spec.models.push_back(study.spec.models[i]);
    part.checkpoints.push_back(std::move(study.checkpoints[i]));
  }
  if (part.checkpoints.empty()) {
    throw SpecError(fmt::format("--part {}/{}: the sweep has only {} models", index, count, study.checkpoints.size()));
  }
  study = std::move(part);
}

ModelFingerprint fingerprint_of(const weights::Checkpoint& checkpoint) {
  return {.weights = checkpoint.fingerprint(), .tokenizer = tokenizer::Tokenizer::open(checkpoint).fingerprint()};
}

store::Layout make_layout(const Study& study, const std::vector<ModelFingerprint>& fingerprints,
                          const std::vector<int>& tensor_parallel_sizes, const store::Numerics& numerics,
                          const store::Provenance& provenance) {
  store::Layout layout{.sweep_name = study.spec.name,
                       .spec_text = study.spec.text,
                       .models = {},
                       .tasks = {},
                       .conditions = {},
                       .units = {},
                       .numerics = numerics,
                       .provenance = provenance};
  for (std::size_t i = 0; i < study.spec.models.size(); ++i) {
    layout.models.push_back(
        row_of(study.spec.models[i], study.checkpoints[i], fingerprints[i], tensor_parallel_sizes[i]));
  }
  for (std::size_t i = 0; i < study.spec.tasks.size(); ++i) {
    layout.tasks.push_back(row_of(study.spec.tasks[i], study.tasks[i]));
  }
  for (const auto& condition : study.spec.conditions) layout.conditions.push_back(row_of(condition));
  const auto template_fingerprint = [&](std::size_t m, std::size_t c) {
    const spec::ConditionSpec& condition = study.spec.conditions[c];
    return condition.instruct ? get_chat_template(study.checkpoints[m], condition).fingerprint() : "";
  };
  for (std::size_t m = 0; m < layout.models.size(); ++m) {
    const auto end_tokens =
        tokenizer::end_tokens(study.checkpoints[m], tokenizer::Tokenizer::open(study.checkpoints[m]));
    for (std::size_t t = 0; t < layout.tasks.size(); ++t) {
      for (std::size_t c = 0; c < layout.conditions.size(); ++c) {
        const std::int64_t texts = num_texts(study.tasks[t].format, study.spec.conditions[c]);
        const std::int64_t bytes =
            spec::kTextBytesPerToken * max_generated_tokens(study.tasks[t].format, study.spec.conditions[c]);
        layout.units.push_back(
            {unit_id(layout.models[m], layout.tasks[t], layout.conditions[c], template_fingerprint(m, c),
                     texts > 0 ? end_tokens : std::vector<tokenizer::TokenId>(), numerics),
             static_cast<std::int32_t>(m), static_cast<std::int32_t>(t), static_cast<std::int32_t>(c),
             static_cast<std::int32_t>(texts), texts == 0 ? 0 : static_cast<std::int32_t>(bytes / texts)});
      }
    }
  }
  return layout;
}

}  // namespace catenary::cli
