#include "catenary/task/prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <random>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "catenary/base/check.h"
#include "catenary/base/error.h"

namespace catenary::task {
namespace {

using spec::ConditionSpec;
using spec::ExemplarLabels;
using spec::Exemplars;

// A generator of its own for each (seed, number); the golden ratio spreads them over seeds with nothing in common.
std::mt19937_64 generator_of(std::uint64_t seed, std::uint64_t number) {
  constexpr std::uint64_t kGoldenRatio = 0x9E3779B97F4A7C15;
  return std::mt19937_64(seed + kGoldenRatio * number);
}

// Different numbers below `size`, one after the other: in order, or as drawn. The bias of taking a 64-bit number modulo
// is below 2^-40.
class Candidates {
 public:
  Candidates(std::int64_t size, bool in_order, std::mt19937_64 generator)
      : size_(size), in_order_(in_order), generator_(generator) {}

  // −1 when there are no more.
  std::int64_t next() {
    if (std::ssize(taken_) == size_) return -1;
    while (true) {
      const auto candidate =
          in_order_ ? std::ssize(taken_) : static_cast<std::int64_t>(generator_() % static_cast<std::uint64_t>(size_));
      if (std::find(taken_.begin(), taken_.end(), candidate) != taken_.end()) continue;
      taken_.push_back(candidate);
      return candidate;
    }
  }

 private:
  std::int64_t size_;
  bool in_order_;
  std::mt19937_64 generator_;
  std::vector<std::int64_t> taken_;
};

using LabelCounts = std::map<std::int32_t, std::int64_t>;  // exemplars by answer_index

const std::vector<Item>& pool_of(const Task& task) {
  return task.exemplars.empty() ? task.items : task.exemplars;
}

// How often each answer_index is taken, of the exemplars that there are.
class LabelQuota {
 public:
  LabelQuota(LabelCounts there_are, const ConditionSpec& condition)
      : labels_(condition.labels), there_are_(std::move(there_are)) {
    const auto num_labels = labels_ == ExemplarLabels::kSame ? 1 : std::max<std::int64_t>(1, std::ssize(there_are_));
    limit_ = (condition.k + num_labels - 1) / num_labels;
    num_at_limit_ = condition.k - (limit_ - 1) * num_labels;
  }

  bool can_be_met() const {
    const auto is_enough = [&](const auto& entry) { return entry.second >= limit_; };
    return labels_ == ExemplarLabels::kSame ? std::ranges::any_of(there_are_, is_enough)
                                            : std::ranges::all_of(there_are_, is_enough);
  }

  bool take(std::int32_t label) {
    if (there_are_.at(label) < limit_) return false;
    if (labels_ == ExemplarLabels::kSame && !taken_.empty() && !taken_.contains(label)) return false;
    std::int64_t& count = taken_[label];
    if (count == limit_ || (count == limit_ - 1 && num_at_limit_ == 0)) return false;
    if (++count == limit_) --num_at_limit_;
    return true;
  }

  std::int64_t limit() const { return limit_; }

 private:
  ExemplarLabels labels_;
  LabelCounts there_are_;
  LabelCounts taken_;
  std::int64_t limit_ = 0;         // no label is taken more often than this,
  std::int64_t num_at_limit_ = 0;  // and only so many labels that often
};

std::vector<std::int64_t> choose_exemplars(const Task& task, std::int64_t item_index, const ConditionSpec& condition) {
  const std::vector<Item>& pool = pool_of(task);
  const std::string& own_prompt = task.items[static_cast<std::size_t>(item_index)].prompt;
  std::optional<LabelQuota> quota;
  if (condition.labels != ExemplarLabels::kAny) {
    LabelCounts there_are;
    for (const Item& item : pool) there_are[item.answer_index] += item.prompt == own_prompt ? 0 : 1;
    quota.emplace(std::move(there_are), condition);
  }
  const std::uint64_t number =
      condition.exemplars == Exemplars::kPerItem ? static_cast<std::uint64_t>(item_index + 1) : 0;
  Candidates candidates(std::ssize(pool), condition.exemplars == Exemplars::kInOrder,
                        generator_of(condition.seed, number));
  std::vector<std::int64_t> chosen;
  while (std::ssize(chosen) < condition.k) {
    const std::int64_t candidate = candidates.next();
    check(candidate >= 0, "the task passed check_condition");
    const Item& exemplar = pool[static_cast<std::size_t>(candidate)];
    if (exemplar.prompt == own_prompt) continue;
    if (!quota || quota->take(exemplar.answer_index)) chosen.push_back(candidate);
  }
  return chosen;
}

// What exemplar `index` shows as its answer.
std::string answer_of(const Item& exemplar, std::int64_t index, const ConditionSpec& condition) {
  auto shown = static_cast<std::size_t>(exemplar.answer_index);
  if (condition.answers == spec::ExemplarAnswers::kWrong) {
    auto generator = generator_of(condition.seed, static_cast<std::uint64_t>(index + 1));
    shown = (shown + 1 + generator() % (exemplar.classes.size() - 1)) % exemplar.classes.size();
  }
  const std::string& answer = exemplar.classes[shown];
  if (!condition.cot) return answer;
  return condition.trigger + exemplar.rationale + condition.answer_cue + answer + condition.answer_end;
}

}  // namespace

void check_condition(const Task& task, const ConditionSpec& condition) {
  if (!condition.few_shot) return;
  const auto fail = [&](const std::string& what) {
    throw SpecError(fmt::format("condition \"{}\" needs {}", condition.name, what));
  };
  const std::vector<Item>& pool = pool_of(task);
  LabelCounts all;
  std::unordered_map<std::string_view, LabelCounts> by_prompt;
  for (const Item& exemplar : pool) {
    ++all[exemplar.answer_index];
    ++by_prompt[exemplar.prompt][exemplar.answer_index];
  }
  for (const Item& item : task.items) {
    LabelCounts there_are = all;  // but for the item itself
    std::int64_t num_exemplars = std::ssize(pool);
    if (const auto same = by_prompt.find(item.prompt); same != by_prompt.end()) {
      for (const auto& [label, count] : same->second) {
        there_are[label] -= count;
        num_exemplars -= count;
      }
    }
    if (num_exemplars < condition.k) {
      fail(fmt::format("{} exemplars besides the item, and the {} has {} items", condition.k,
                       task.exemplars.empty() ? "task" : "file of exemplars", pool.size()));
    }
    const LabelQuota quota(std::move(there_are), condition);
    if (condition.labels != ExemplarLabels::kAny && !quota.can_be_met()) {
      fail(fmt::format("{} exemplars of {} besides the item, and the task has fewer", quota.limit(),
                       condition.labels == ExemplarLabels::kSame ? "one answer_index" : "each answer_index"));
    }
  }
  for (std::size_t i = 0; i < pool.size(); ++i) {
    if (condition.cot && pool[i].rationale.empty()) {
      fail(fmt::format("exemplars with a \"rationale\", and exemplar {} has none", i));
    }
    if (condition.answers == spec::ExemplarAnswers::kWrong && pool[i].classes.size() < 2) {
      fail(fmt::format("exemplars with wrong classes to show, and exemplar {} has none", i));
    }
  }
}

std::vector<Prompt> build_prompts(const Task& task, std::int64_t item_index, const ConditionSpec& condition) {
  check(item_index >= 0 && item_index < std::ssize(task.items), "item index within the task");
  const Item& item = task.items[static_cast<std::size_t>(item_index)];
  Prompt prompt{.preamble = item.preamble, .exemplars = {}, .text = item.prompt, .answer_begin = {}};
  if (condition.cot) prompt.answer_begin = condition.trigger;
  if (condition.few_shot) {
    const std::vector<Item>& pool = pool_of(task);
    if (prompt.preamble.empty()) prompt.preamble = pool.front().preamble;
    for (const std::int64_t index : choose_exemplars(task, item_index, condition)) {
      const Item& exemplar = pool[static_cast<std::size_t>(index)];
      prompt.exemplars.push_back({exemplar.prompt, answer_of(exemplar, index, condition)});
    }
  }
  std::vector<Prompt> prompts{prompt};
  if (task.format == spec::TaskFormat::kLogodds || task.format == spec::TaskFormat::kAbsoluteLogodds) {
    prompt.text = item.other_prompt;
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

std::string plain_text(const Prompt& prompt, const ConditionSpec& condition) {
  std::string text = prompt.preamble;
  for (const Exemplar& exemplar : prompt.exemplars) text += exemplar.prompt + exemplar.answer + condition.separator;
  return text + prompt.text + prompt.answer_begin;
}

std::string doubtful_joins(const Task& task) {
  constexpr std::size_t kMostShown = 24;  // bytes of the prompt
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  std::int64_t num_doubtful = 0;
  std::string first;
  for (const Item& item :
       std::span(task.items).subspan(static_cast<std::size_t>(task.first), static_cast<std::size_t>(task.count))) {
    if (task.format == spec::TaskFormat::kNumeric || item.prompt.empty()) continue;
    const char end = item.prompt.back();
    const auto odd = std::ranges::find_if(item.classes, [&](const std::string& text) {
      return end == ' ' ? text.front() == ' '
                        : is_word(text.front()) &&
                              (is_word(end) || std::string_view(".,:;?!").find(end) != std::string_view::npos);
    });
    if (odd == item.classes.end() || ++num_doubtful > 1) continue;
    std::size_t begin = item.prompt.size() - std::min(item.prompt.size(), kMostShown);
    while (begin < item.prompt.size() && (item.prompt[begin] & 0xC0) == 0x80) ++begin;  // inside a character
    first = item.prompt.substr(begin) + *odd;
  }
  if (num_doubtful == 0) return "";
  return fmt::format(
      "in {} of {} items there is no space, or two, between prompt and class: \"{}\" is scored; they are "
      "joined with nothing between",
      num_doubtful, task.count, first);
}

}  // namespace catenary::task
