#include "catenary/task/prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "catenary/base/error.h"
#include "support/temporary_folder.h"

namespace catenary::task {
namespace {

using spec::ConditionSpec;
using testing::HasSubstr;
using testing::Not;

// "Q3:" with classes " wrong3" and " right3"; the labels go 1, 1, 1, 0, 1, 1, 1, 0, …
Task numbered_task(int num_items) {
  Task task;
  for (int i = 0; i < num_items; ++i) {
    const std::string n = std::to_string(i);
    const std::int32_t answer = i % 4 == 3 ? 0 : 1;
    std::vector<std::string> classes{" wrong" + n, " right" + n};
    if (answer == 0) std::swap(classes[0], classes[1]);
    task.items.push_back({"Q" + n + ":", classes, answer});
  }
  return task;
}

ConditionSpec few_shot(std::int64_t k, spec::Exemplars exemplars, std::uint64_t seed) {
  return {.name = "c", .few_shot = true, .k = k, .seed = seed, .exemplars = exemplars, .separator = "\n"};
}

std::string context_of(const Task& task, std::int64_t item_index, const ConditionSpec& condition) {
  check_condition(task, condition);
  return plain_text(build_prompts(task, item_index, condition).at(0), condition);
}

std::string problem_of(const Task& task, const ConditionSpec& condition) {
  return test::message_of<SpecError>([&] { check_condition(task, condition); });
}

TEST(Prompt, zero_shot_is_the_prompt) {
  EXPECT_EQ(context_of(numbered_task(3), 1, {.name = "z"}), "Q1:");
}

TEST(Prompt, few_shot_shows_right_answers_of_other_items) {
  const Task task = numbered_task(6);
  for (const auto exemplars : {spec::Exemplars::kFixed, spec::Exemplars::kPerItem, spec::Exemplars::kInOrder}) {
    std::set<std::string> headers;
    for (int i = 0; i < 6; ++i) {
      const std::string context = context_of(task, i, few_shot(4, exemplars, 11));
      const std::string own = "Q" + std::to_string(i) + ":";
      ASSERT_TRUE(context.ends_with("\n" + own));
      const std::string header = context.substr(0, context.size() - own.size());
      EXPECT_THAT(header, Not(HasSubstr(own)));
      EXPECT_THAT(header, Not(HasSubstr("wrong")));
      EXPECT_EQ(std::count(header.begin(), header.end(), '\n'), 4);
      for (int j = 0; j < 6; ++j) {
        const std::string question = "Q" + std::to_string(j) + ":";
        const auto q = header.find(question);
        if (q == std::string::npos) continue;
        EXPECT_EQ(header.find(question, q + 1), std::string::npos);
        EXPECT_THAT(header, HasSubstr(question + " right" + std::to_string(j) + "\n"));
      }
      headers.insert(header);
    }
    if (exemplars != spec::Exemplars::kPerItem) {
      EXPECT_LE(headers.size(), 5u);  // one header, but for the exemplars themselves
    }
  }
}

TEST(Prompt, a_seed_gives_the_same_prompt_everywhere) {
  // The generator's published first outputs from seed 5489: 14514284786278117030, 4620546740167642908 (Nishimura and
  // Matsumoto).
  EXPECT_EQ(context_of(numbered_task(100), 7, few_shot(2, spec::Exemplars::kFixed, 5489)),
            "Q30: right30\nQ8: right8\nQ7:");
  EXPECT_EQ(context_of(numbered_task(9), 1, few_shot(2, spec::Exemplars::kInOrder, 5)), "Q0: right0\nQ2: right2\nQ1:");
}

TEST(Prompt, labels_are_balanced_or_all_the_same) {
  const Task task = numbered_task(40);
  for (int i = 0; i < 40; ++i) {
    for (const std::int64_t k : {2, 3, 4, 5}) {
      ConditionSpec condition = few_shot(k, spec::Exemplars::kPerItem, 3);
      const auto count = [&] {
        std::map<std::int32_t, std::int64_t> counts;
        const Prompt prompt = build_prompts(task, i, condition)[0];
        for (const Exemplar& exemplar : prompt.exemplars) {
          const auto j = std::stoul(exemplar.prompt.substr(1));
          EXPECT_NE(j, static_cast<std::size_t>(i));
          ++counts[task.items[j].answer_index];
        }
        return counts;
      };
      condition.labels = spec::ExemplarLabels::kBalanced;
      const auto balanced = count();
      EXPECT_EQ(balanced.at(0) + balanced.at(1), k);
      EXPECT_LE(std::abs(balanced.at(0) - balanced.at(1)), k % 2);
      condition.labels = spec::ExemplarLabels::kSame;
      EXPECT_EQ(count().size(), 1u);
    }
  }
}

TEST(Prompt, a_copy_of_the_item_is_no_exemplar) {
  Task task = numbered_task(8);
  task.items[5] = task.items[2];
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    for (const auto exemplars : {spec::Exemplars::kFixed, spec::Exemplars::kPerItem, spec::Exemplars::kInOrder}) {
      const std::string context = context_of(task, 2, few_shot(6, exemplars, seed));
      EXPECT_EQ(context.find("Q2:"), context.rfind("Q2:")) << context;
    }
  }
  EXPECT_THAT(problem_of(task, few_shot(7, spec::Exemplars::kFixed, 0)),
              HasSubstr("needs 7 exemplars besides the item"));
  Task own_file = numbered_task(3);
  own_file.exemplars = numbered_task(3).items;
  EXPECT_EQ(context_of(own_file, 0, few_shot(2, spec::Exemplars::kInOrder, 0)), "Q1: right1\nQ2: right2\nQ0:");
  EXPECT_THAT(problem_of(own_file, few_shot(3, spec::Exemplars::kInOrder, 0)),
              HasSubstr("the file of exemplars has 3"));
}

TEST(Prompt, wrong_exemplars_show_another_class) {
  ConditionSpec condition = few_shot(3, spec::Exemplars::kPerItem, 1);
  condition.answers = spec::ExemplarAnswers::kWrong;
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(context_of(numbered_task(10), i, condition), Not(HasSubstr("right")));
  }
  Task three = numbered_task(30);
  for (Item& item : three.items) item.classes.push_back(" also wrong");
  std::string all;
  for (int i = 0; i < 30; ++i) all += context_of(three, i, condition);
  EXPECT_THAT(all, Not(HasSubstr("right")));
  EXPECT_THAT(all, HasSubstr(": wrong"));
  EXPECT_THAT(all, HasSubstr(": also wrong"));
}

TEST(Prompt, log_odds_has_two_prompts_with_the_same_exemplars) {
  Task task = numbered_task(4);
  task.format = spec::TaskFormat::kLogodds;
  for (Item& item : task.items) item.other_prompt = "Other " + item.prompt;
  const auto prompts = build_prompts(task, 2, few_shot(2, spec::Exemplars::kInOrder, 0));
  ASSERT_EQ(prompts.size(), 2u);
  EXPECT_EQ(prompts[0].text, "Q2:");
  EXPECT_EQ(prompts[1].text, "Other Q2:");
  EXPECT_EQ(prompts[1].exemplars[0].prompt, prompts[0].exemplars[0].prompt);
}

TEST(Prompt, words_that_run_together_and_double_spaces_are_doubtful) {
  const auto doubt = [](std::string prompt, std::vector<std::string> classes) {
    Task task;
    task.items = {{"Is it?", {" yes", " no"}, 0}, {std::move(prompt), std::move(classes), 0}};
    task.count = 2;
    return doubtful_joins(task);
  };
  EXPECT_EQ(doubt("I know: the capital of France is", {"Paris", "Rome"}),
            "in 1 of 2 items there is no space, or two, between prompt and class: \"the capital of France isParis\" is "
            "scored; they are joined with nothing between");
  EXPECT_THAT(doubt("Answer:", {" A", "B"}), HasSubstr("\"Answer:B\""));
  EXPECT_THAT(doubt("Answer: ", {" A", " B"}), HasSubstr("\"Answer:  A\""));
  for (const char* prompt : {"2 + 2 =", "Answer: ", "Answer:\n", "say \"", "das heißt: \u201e", "答案是", ""})
    EXPECT_EQ(doubt(prompt, {"4", "5"}), "") << prompt;
  EXPECT_EQ(doubt("Paris", {"'s", ", which"}), "");
  EXPECT_THAT(doubt("öööööööööööö is", {"y"}), HasSubstr("class: \"öööööööööö isy\""));  // 24 bytes would halve one
  Task scored;
  scored.items = {{"a", {"b", "c"}, 0}, {"Is it?", {" yes", " no"}, 0}};
  scored.first = scored.count = 1;  // the other serves as exemplar
  EXPECT_EQ(doubtful_joins(scored), "");
}

TEST(Prompt, what_a_task_lacks_for_a_condition_is_told) {
  EXPECT_THAT(problem_of(numbered_task(3), few_shot(3, spec::Exemplars::kFixed, 0)),
              HasSubstr("needs 3 exemplars besides the item, and the task has 3 items"));
  ConditionSpec balanced = few_shot(4, spec::Exemplars::kFixed, 0);
  balanced.labels = spec::ExemplarLabels::kBalanced;
  EXPECT_THAT(problem_of(numbered_task(8), balanced), HasSubstr("2 exemplars of each answer_index"));
  balanced.labels = spec::ExemplarLabels::kSame;
  EXPECT_THAT(problem_of(numbered_task(5), balanced), HasSubstr("4 exemplars of one answer_index"));
  ConditionSpec cot = few_shot(1, spec::Exemplars::kFixed, 0);
  cot.cot = true;
  EXPECT_THAT(problem_of(numbered_task(5), cot), HasSubstr("exemplars with a \"rationale\", and exemplar 0 has none"));
  Task single = numbered_task(5);
  for (Item& item : single.items) item.classes.resize(1), item.answer_index = 0;
  ConditionSpec wrong = few_shot(1, spec::Exemplars::kFixed, 0);
  wrong.answers = spec::ExemplarAnswers::kWrong;
  EXPECT_THAT(problem_of(single, wrong), HasSubstr("wrong classes to show"));
}

// The published prompts of BIG-Bench-Hard come out byte by byte.
TEST(PromptReference, bbh_chain_of_thought_prompts_are_the_published_ones) {
  const std::filesystem::path folder = std::filesystem::path(CATENARY_SHARED_DIR) / "data/bbh";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  int num_tasks = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    ++num_tasks;
    const auto prompts = folder / "cot-prompts" / entry.path().stem().concat(".txt");
    const Task task = read_task({.name = "t", .path = entry.path(), .exemplars = prompts});
    std::ifstream file(prompts);
    std::string published((std::istreambuf_iterator<char>(file)), {});
    published.erase(0, published.find("-----\n") + 6);
    published.erase(published.find_last_not_of('\n') + 1);
    ConditionSpec condition{.name = "c", .few_shot = true, .cot = true, .k = 3, .exemplars = spec::Exemplars::kInOrder};
    // One of the six goes on after the trigger on the same line; that is in its rationales.
    EXPECT_EQ(context_of(task, 5, condition), published + "\n\n" + task.items[5].prompt + " Let's think step by step.")
        << entry.path();
    EXPECT_EQ(task.items.size(), 250u);
  }
  EXPECT_EQ(num_tasks, 6);
}

}  // namespace
}  // namespace catenary::task
