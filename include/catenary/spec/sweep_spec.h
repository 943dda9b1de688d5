#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace catenary::spec {

/// One checkpoint of the ladder.
struct ModelSpec {
  std::string name;                             // unique in the sweep
  std::filesystem::path path;                   // folder or .gguf file; absolute once read
  std::string family;                           // curves are fitted per family; default: the spec's name
  std::optional<double> training_tokens;        // D of the training-FLOPs axis, 6·N·D
  std::optional<double> training_flops;         // stated in place of 6·N·D
  std::optional<std::int64_t> tensor_parallel;  // ranks that hold it together, a power of two; default: what it needs
  std::optional<std::string> repository;  // on Hugging Face, of a model that stands for a member of a public ladder
  std::string pointer;                    // what in the spec names its path: "/models/0/path"
};

/// What is measured of an item, as in the Inverse Scaling Prize (docs/tasks.md).
enum class TaskFormat { kClassification, kSequenceProb, kLogodds, kAbsoluteLogodds, kNumeric };

/// How the fields of another project's JSONL become an item's. A field's name may be a path: "choices.text".
struct FieldMapping {
  std::string prompt;                 // a text with {{name}} wherever a field's value goes
  std::string classes;                // the field that lists the classes
  std::string answer;                 // the field that tells the right one: its position, label, text or letter
  std::optional<std::string> labels;  // the field that lists the classes' labels
  std::string class_prefix = " ";     // goes before each class
};

/// Fresh items of a known task (task/known_task.h), made by rule.
struct GeneratedTask {
  std::string name;  // of the known task
  std::int64_t num_items = 0;
  std::uint64_t seed = 0;
  bool control = false;                 // the twins: the same items without the trap
  std::map<std::string, int> settings;  // difficulty parameters; the default where one is missing
};

/// One task: a file of items (see task/task_reader.h), or generated ones.
struct TaskSpec {
  std::string name;                                // unique in the sweep
  std::filesystem::path path;                      // absolute once read
  std::optional<GeneratedTask> generate;           // in place of a file
  std::int64_t offset = 0;                         // first item scored
  std::optional<std::int64_t> limit;               // how many are scored; default: all from `offset`
  std::optional<TaskFormat> format;                // default: what the first item's fields say
  std::optional<std::filesystem::path> exemplars;  // file of exemplars; default: the other items. Absolute once read
  std::optional<FieldMapping> fields;              // of a JSONL file that is not in our form
};

/// How a model goes on with a prompt by itself.
struct Generation {
  std::int64_t max_new_tokens = 256;
  double temperature = 0;                        // 0: the most likely token each time
  double top_p = 1;                              // drawn from the fewest tokens whose probabilities add up to this
  std::uint64_t seed = 0;                        // of what is drawn
  std::optional<std::vector<std::string>> stop;  // texts that end it; default: the separator of exemplars in plain text
};

enum class Exemplars { kFixed, kPerItem, kInOrder };
enum class ExemplarLabels { kAny, kBalanced, kSame };
enum class ExemplarAnswers { kRight, kWrong };
/// What becomes of an item that is longer than a model's context.
enum class TooLong { kRefuse, kTruncateLeft };

/// One prompt condition. Without few_shot, instruct and cot it is zero-shot; they combine freely.
struct ConditionSpec {
  std::string name;       // unique in the sweep
  bool few_shot = false;  // exemplars before the item
  bool instruct = false;  // rendered by the chat template
  bool cot = false;       // the model reasons before it answers
  TooLong too_long = TooLong::kRefuse;

  // few_shot
  std::int64_t k = 0;                                 // number of exemplars
  std::uint64_t seed = 0;                             // which are drawn
  Exemplars exemplars = Exemplars::kFixed;            // the same for all items, drawn anew for each, or the first k
  std::string separator = "\n\n";                     // after each exemplar; a chat has turns instead
  ExemplarLabels labels = ExemplarLabels::kAny;       // each answer_index equally often, or all the same one (a cue)
  ExemplarAnswers answers = ExemplarAnswers::kRight;  // what they show

  // instruct
  std::optional<std::string> system;                   // the system prompt
  std::optional<std::filesystem::path> chat_template;  // instead of the checkpoint's own; absolute once read

  // cot: the answer is trigger + reasoning + answer_cue + class + answer_end. The cue ends the reasoning, too.
  std::string trigger = " Let's think step by step.";
  std::string answer_cue = " So the answer is";
  std::string answer_end = ".";
  Generation generation;
};

enum class DType { kFloat32, kFloat16, kBFloat16 };

/// A sweep: every model × task × condition.
struct SweepSpec {
  std::string name;
  std::vector<ModelSpec> models;
  std::vector<TaskSpec> tasks;
  std::vector<ConditionSpec> conditions;
  DType dtype = DType::kFloat32;  // of weights and activations; log-softmax is float32 always
  std::string text;               // the file, verbatim
};

/// Reads and validates a sweep spec. Relative paths are taken from the spec's folder. A ladder of the catalogue
/// (spec/catalogue.h) in "models" becomes its models: each with its name and family, the folder of that name below
/// "root", and its training tokens.
/// Throws SpecError that lists every problem with file, JSON pointer and what was expected. Whether the files that it
/// names exist is not looked at here.
SweepSpec read_sweep_spec(const std::filesystem::path& path);
/// The tasks and conditions of a spec that a store holds, without the models: nothing of the disk is looked at.
/// Relative paths are taken from the root.
SweepSpec parse_tasks_and_conditions(const std::string& text);

/// A condition as the command line takes it: a kind ("zero_shot", "few_shot+instruct"), or an object as in a spec.
/// Relative paths are taken from the working folder. Throws SpecError that lists every problem.
ConditionSpec parse_condition(const std::string& text);

/// A mapping as the command line takes it: an object as in a spec. Throws as parse_condition does.
FieldMapping parse_fields(const std::string& text);

/// "zero_shot", "few_shot", "few_shot+cot+instruct", …
std::string kind_of(const ConditionSpec& condition);
/// Everything that the prompts of a condition depend on, but for the chat template, as one line of JSON.
std::string definition_of(const ConditionSpec& condition);

/// The words of the spec: "logodds", "per_item", "bfloat16", …
std::string_view to_string(TaskFormat format);
std::string_view to_string(Exemplars exemplars);
std::string_view to_string(DType dtype);
/// These throw SpecError naming the known words.
TaskFormat parse_task_format(std::string_view word);
DType parse_dtype(std::string_view word);

}  // namespace catenary::spec
