#include "catenary/task/known_task.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>

#include "catenary/base/check.h"
#include "catenary/base/error.h"
#include "catenary/base/hash.h"
#include "task/generators/generators.h"

namespace catenary::task {
namespace {

const std::vector<Generator>& generators() {
  static const std::vector<Generator> all = {
      hindsight_neglect(),
      into_the_unknown(),
      memo_trap(),
      modus_tollens(),
      neqa(),
      pattern_matching_suppression(),
      prompt_injection(),
      quote_repetition(),
      redefine(),
      repetitive_algebra(),
      resisting_correction(),
      sig_figs(),
      sycophancy(),
  };
  return all;
}

const Generator& get_generator(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Generator& generator : generators()) {
    if (generator.task.name == name) return generator;
    names.push_back(generator.task.name);
  }
  throw SpecError(fmt::format("no task is called \"{}\"; expected one of {}", name, fmt::join(names, ", ")));
}

// The defaults, and over them what was asked for.
Settings complete_settings(const KnownTask& task, const std::map<std::string, int>& asked) {
  Settings settings;
  for (const Setting& setting : task.settings) settings[std::string(setting.name)] = setting.default_value;
  Problems problems;
  for (const auto& [name, value] : asked) {
    const auto setting = std::find_if(task.settings.begin(), task.settings.end(),
                                      [&name = name](const Setting& known) { return known.name == name; });
    if (setting == task.settings.end()) {
      std::vector<std::string_view> known;
      for (const Setting& one : task.settings) known.push_back(one.name);
      problems.add(fmt::format("{} has no setting \"{}\"; it has {}", task.name, name,
                               known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", "))));
    } else if (value < setting->min || value > setting->max) {
      problems.add(fmt::format("{} of {}: expected a whole number from {} to {}, found {}", name, task.name,
                               setting->min, setting->max, value));
    }
    settings[name] = value;
  }
  problems.throw_if_any<SpecError>();
  return settings;
}

// Equal for two items that differ only in the order of their words.
std::string word_hash(const Item& item) {
  std::istringstream text(item.prompt);
  std::vector<std::string> words(std::istream_iterator<std::string>(text), {});
  words.insert(words.end(), item.classes.begin(), item.classes.end());
  std::sort(words.begin(), words.end());
  Hasher hasher;
  for (const std::string& word : words) hasher.add(word);
  return hasher.hex();
}

// Where the answers of the next eight items stand.
std::vector<int> eight_answers(Random& random) {
  std::vector<int> answers = {0, 0, 0, 0, 1, 1, 1, 1};
  random.shuffle(answers);
  return answers;
}

}  // namespace

std::string_view to_string(Cause cause) {
  constexpr std::array<std::string_view, 4> kWords = {"strong prior", "unwanted imitation", "distractor task",
                                                      "spurious few-shot"};
  return kWords.at(static_cast<std::size_t>(cause));
}

const std::vector<KnownTask>& known_tasks() {
  static const std::vector<KnownTask> tasks = [] {
    std::vector<KnownTask> all;
    for (const Generator& generator : generators()) all.push_back(generator.task);
    return all;
  }();
  return tasks;
}

std::vector<Item> generate(const spec::GeneratedTask& task) {
  constexpr int kTries = 2000;  // all in vain: then nearly everything that there is has been drawn
  const Generator& generator = get_generator(task.name);
  const Settings settings = complete_settings(generator.task, task.settings);
  Random random(task.seed);
  std::vector<Item> items;
  std::vector<int> answers;
  std::set<std::string> seen, seen_controls;
  for (int tries = 0; std::ssize(items) < task.num_items;) {
    if (answers.empty()) answers = eight_answers(random);
    Twins twins = generator.make(random, settings, answers.back());
    check(twins.item.answer_index == answers.back(), "a generator puts the answer where it is told to");
    std::string hash = word_hash(twins.item);
    std::string control_hash = word_hash(twins.control);
    if (seen.contains(hash) || seen_controls.contains(control_hash)) {
      if (++tries < kTries) continue;
      throw SpecError(fmt::format("{} has only about {} different items with these settings, and {} were asked for",
                                  task.name, items.size(), task.num_items));
    }
    tries = 0;
    seen.insert(std::move(hash));
    seen_controls.insert(std::move(control_hash));
    items.push_back(std::move(task.control ? twins.control : twins.item));
    answers.pop_back();
  }
  return items;
}

}  // namespace catenary::task
