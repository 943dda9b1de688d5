#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catenary/spec/sweep_spec.h"
#include "catenary/task/item.h"

namespace catenary::task {

/// Why larger models do worse on a task; the grouping is that of McKenzie et al. (2023), "Inverse Scaling: When Bigger
/// Isn't Better".
enum class Cause {
  kStrongPrior,        // what was memorised wins over what the prompt says
  kUnwantedImitation,  // people make the same mistake in the training text
  kDistractorTask,     // a similar, easier task is done instead
  kSpuriousFewShot,    // the exemplars are right, but suggest a wrong rule
};
std::string_view to_string(Cause cause);

/// A difficulty parameter of a generator: a whole number from `min` to `max`.
struct Setting {
  std::string_view name;
  std::string_view meaning;
  int default_value = 0;
  int min = 0;
  int max = 0;
};

/// A task of the inverse-scaling literature: the eleven of the Inverse Scaling Prize, quote-repetition, sycophancy.
struct KnownTask {
  std::string_view name;
  Cause cause = Cause::kStrongPrior;
  std::string_view format;   // of the published data: classification or sequence_prob
  std::string_view trend;    // what was found, and by whom
  /// With PaLM up to 540 billion parameters (J. Wei et al. 2022); empty where we do not know it.
  std::string_view palm_trend;
  std::string_view summary;  // what an item asks, and what the trap is
  std::vector<Setting> settings;
};

/// In alphabetical order. All of them can be generated.
const std::vector<KnownTask>& known_tasks();

/// Fresh items of a known task, made by rule. Item i of the control file is the twin of item i of the other. Every item
/// has two classes, and in every eight items the answer is four times the first of them and four times the second.
/// No two items consist of the same words in another order. The same options give the same items on any machine, and
/// a larger `num_items` begins with the same ones. Throws SpecError on an unknown task or setting, a value out of
/// range, or when there are not that many different items.
std::vector<Item> generate(const spec::GeneratedTask& task);

}  // namespace catenary::task
