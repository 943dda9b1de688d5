#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "catenary/base/error.h"
#include "catenary/task/metric.h"
#include "catenary/task/prompt.h"
#include "catenary/task/task_reader.h"
#include "support/temporary_folder.h"

namespace catenary::task {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(TaskReader, reads_items_and_ignores_further_keys) {
  const test::TemporaryFolder folder;
  const auto path =
      folder.write("t.jsonl",
                   "{\"prompt\": \"2 + 2 =\", \"classes\": [\" 4\", \" 5\"], \"answer_index\": 0, \"part\": 1}\n"
                   "{\"prompt\": \"\", \"classes\": [\"a\", \"b\", \"c\"], \"answer_index\": 2}\r\n\n");
  const Task task = read_task({.name = "t", .path = path});
  ASSERT_EQ(task.items.size(), 2u);
  EXPECT_EQ(task.items[0].prompt, "2 + 2 =");
  EXPECT_THAT(task.items[0].classes, ElementsAre(" 4", " 5"));
  EXPECT_EQ(task.items[1].answer_index, 2);
  EXPECT_EQ(task.count, 2);

  const Task part = read_task({.name = "t", .path = path, .offset = 1, .limit = 10});
  EXPECT_EQ(part.items.size(), 2u);
  EXPECT_EQ(part.first, 1);
  EXPECT_EQ(part.count, 1);
  EXPECT_EQ(part.fingerprint, task.fingerprint);
}

TEST(TaskReader, every_bad_line_is_named_in_one_pass) {
  const test::TemporaryFolder folder;
  const auto path =
      folder.write("t.jsonl",
                   "{\"prompt\": \"p\", \"classes\": [\"a\", \"b\"], \"answer_index\": 2}\n"
                   "{\"prompt\": \"p\", \"classes\": [], \"answer_index\": 0}\n"
                   "{\"prompt\": 1, \"classes\": [\"a\", \"\"], \"answer_index\": -1}\n"
                   "not json\n"
                   "[]\n"
                   "{\"prompt\": \"p\", \"classes\": [\"a\", \"b\"], \"answer_index\": 0.5}\n"
                   "\n"
                   "{\"prompt\": \"p\", \"classes\": [\"a\", \"b\"], \"answer_index\": 18446744073709551615}\n");
  const std::string text = test::message_of<DataError>([&] { read_task({.name = "t", .path = path}); });
  EXPECT_THAT(text, HasSubstr("t.jsonl:1: answer_index: expected 0 to 1, found 2"));
  EXPECT_THAT(text, HasSubstr("t.jsonl:2: classes: expected a list of two or more strings"));
  EXPECT_THAT(text, HasSubstr("t.jsonl:3: prompt: expected a string"));
  EXPECT_THAT(text, HasSubstr("t.jsonl:3: classes/1: expected a string that is not empty"));
  EXPECT_THAT(text, HasSubstr("t.jsonl:3: answer_index: expected 0 to 1, found -1"));
  EXPECT_THAT(text, HasSubstr("t.jsonl:4: not valid JSON"));
  EXPECT_THAT(text, HasSubstr("t.jsonl:5: expected an object, found array"));
  EXPECT_THAT(text, HasSubstr("t.jsonl:6: answer_index: expected an integer"));
  EXPECT_THAT(text, HasSubstr("t.jsonl:7: not valid JSON"));
  EXPECT_THAT(text, HasSubstr("t.jsonl:8: answer_index: expected 0 to 1"));
}

TEST(TaskReader, an_empty_or_missing_file_and_an_offset_beyond_the_end_are_refused) {
  const test::TemporaryFolder folder;
  const auto empty = folder.write("empty.jsonl", "\n");
  EXPECT_THAT(test::message_of<DataError>([&] { read_task({.name = "t", .path = empty}); }), HasSubstr("no items"));
  EXPECT_THAT(test::message_of<DataError>([&] { read_task({.name = "t", .path = folder.path() / "no"}); }),
              HasSubstr("/no: "));
  const auto one = folder.write("one.jsonl", "{\"prompt\": \"\", \"classes\": [\"a\", \"b\"], \"answer_index\": 0}");
  EXPECT_THAT(test::message_of<DataError>([&] { read_task({.name = "t", .path = one, .offset = 1}); }),
              HasSubstr("offset 1 is beyond the last of 1 items"));
}

Task numbered_task(int num_items) {
  Task task;
  for (int i = 0; i < num_items; ++i) {
    const std::string n = std::to_string(i);
    task.items.push_back({"Q" + n + ":", {" wrong" + n, " right" + n}, 1});
  }
  return task;
}

spec::ConditionSpec few_shot(std::int64_t k, spec::Exemplars exemplars, std::uint64_t seed) {
  return {.name = "c",
          .kind = spec::ConditionKind::kFewShot,
          .k = k,
          .seed = seed,
          .exemplars = exemplars,
          .separator = "\n"};
}

TEST(Prompt, zero_shot_is_the_prompt) {
  EXPECT_EQ(build_context(numbered_task(3), 1, {.name = "z"}), "Q1:");
}

TEST(Prompt, few_shot_shows_right_answers_of_other_items) {
  const Task task = numbered_task(6);
  for (const auto exemplars : {spec::Exemplars::kFixed, spec::Exemplars::kPerItem}) {
    std::set<std::string> headers;
    for (int i = 0; i < 6; ++i) {
      const std::string context = build_context(task, i, few_shot(4, exemplars, 11));
      const std::string own = "Q" + std::to_string(i) + ":";
      ASSERT_TRUE(context.ends_with("\n" + own));
      const std::string header = context.substr(0, context.size() - own.size());
      EXPECT_THAT(header, Not(HasSubstr(own)));
      EXPECT_THAT(header, Not(HasSubstr("wrong")));
      EXPECT_EQ(std::count(header.begin(), header.end(), '\n'), 4);
      for (int j = 0; j < 6; ++j) {
        const auto q = header.find("Q" + std::to_string(j) + ":");
        if (q != std::string::npos) EXPECT_EQ(header.find("Q" + std::to_string(j) + ":", q + 1), std::string::npos);
        if (q != std::string::npos)
          EXPECT_THAT(header, HasSubstr("Q" + std::to_string(j) + ": right" + std::to_string(j) + "\n"));
      }
      headers.insert(header);
    }
    if (exemplars == spec::Exemplars::kFixed)
      EXPECT_LE(headers.size(), 5u);  // one header, but for the exemplars themselves
  }
}

TEST(Prompt, a_seed_gives_the_same_prompt_everywhere) {
  // The generator's published first outputs from seed 5489: 14514284786278117030, 4620546740167642908 (Nishimura and
  // Matsumoto).
  EXPECT_EQ(build_context(numbered_task(100), 7, few_shot(2, spec::Exemplars::kFixed, 5489)),
            "Q30: right30\nQ8: right8\nQ7:");
}

TEST(Prompt, too_few_items_for_the_exemplars_is_an_error) {
  EXPECT_THAT(
      test::message_of<SpecError>([] { build_context(numbered_task(3), 0, few_shot(3, spec::Exemplars::kFixed, 0)); }),
      HasSubstr("needs 3 exemplars besides the item, and the task has 3 items"));
}

TEST(Metric, equals_a_case_computed_by_hand) {
  // p = 0.2, 0.3, 0.1; answer 0: p/Σ = 1/3, odds 0.2 / 0.4.
  const std::array p{std::log(0.2), std::log(0.3), std::log(0.1)};
  const auto metrics = classification_metrics(p, 0);
  EXPECT_FALSE(metrics.is_correct);
  EXPECT_NEAR(metrics.loss, std::log(3.0), 1e-12);
  EXPECT_NEAR(metrics.log_odds, std::log(0.5), 1e-12);
  EXPECT_NEAR(metrics.total_probability, 0.6, 1e-12);
  EXPECT_TRUE(classification_metrics(p, 1).is_correct);
}

TEST(Metric, very_unlikely_classes_do_not_underflow) {
  const std::array p{-2000.0, -2001.0};
  const auto metrics = classification_metrics(p, 1);
  EXPECT_NEAR(metrics.loss, 1 + std::log1p(std::exp(-1.0)), 1e-9);
  EXPECT_NEAR(metrics.log_odds, -1, 1e-9);
  EXPECT_FALSE(metrics.is_correct);
}

TEST(Metric, of_equal_classes_the_first_counts) {
  EXPECT_TRUE(classification_metrics(std::array{-1.0, -1.0}, 0).is_correct);
  EXPECT_FALSE(classification_metrics(std::array{-1.0, -1.0}, 1).is_correct);
}

}  // namespace
}  // namespace catenary::task
