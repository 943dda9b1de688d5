#include "catenary/spec/sweep_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "catenary/base/error.h"
#include "catenary/spec/work_unit.h"
#include "support/temporary_folder.h"

namespace catenary::spec {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string problem_of(std::string_view text) {
  const test::TemporaryFolder folder;
  const auto path = folder.write("sweep.json", text);
  return test::message_of<SpecError>([&] { read_sweep_spec(path); });
}

TEST(SweepSpec, reads_every_key) {
  const test::TemporaryFolder folder;
  const auto path = folder.write("a/sweep.json", R"({
    "name": "study", "comment": "free text", "dtype": "bfloat16",
    "models": [{"name": "m", "path": "../models/m", "family": "f", "training_tokens": 3e9}, {"name": "n", "path": "/abs/n.gguf", "training_flops": 1e21}],
    "tasks": [{"name": "t", "path": "t.jsonl", "offset": 2, "limit": 5}],
    "conditions": [{"name": "z", "kind": "zero_shot"},
                   {"name": "five", "kind": "few_shot", "k": 5, "seed": 7, "exemplars": "per_item", "separator": "\n"}]})");
  const SweepSpec spec = read_sweep_spec(path);
  EXPECT_EQ(spec.name, "study");
  EXPECT_EQ(spec.dtype, DType::kBFloat16);
  ASSERT_EQ(spec.models.size(), 2u);
  EXPECT_EQ(spec.models[0].path, folder.path() / "models/m");
  EXPECT_EQ(spec.models[0].family, "f");
  EXPECT_EQ(spec.models[0].training_tokens, 3e9);
  EXPECT_EQ(spec.models[1].path, "/abs/n.gguf");
  EXPECT_EQ(spec.models[1].family, "study");
  EXPECT_FALSE(spec.models[1].training_tokens);
  EXPECT_FALSE(spec.models[0].training_flops);
  EXPECT_EQ(spec.models[1].training_flops, 1e21);
  EXPECT_EQ(spec.models[1].pointer, "/models/1/path");
  EXPECT_EQ(spec.tasks[0].path, folder.path() / "a/t.jsonl");
  EXPECT_EQ(spec.tasks[0].offset, 2);
  EXPECT_EQ(spec.tasks[0].limit, 5);
  EXPECT_EQ(kind_of(spec.conditions[0]), "zero_shot");
  EXPECT_EQ(spec.conditions[1].k, 5);
  EXPECT_EQ(spec.conditions[1].seed, 7u);
  EXPECT_EQ(spec.conditions[1].exemplars, Exemplars::kPerItem);
  EXPECT_EQ(spec.conditions[1].separator, "\n");
  EXPECT_THAT(spec.text, HasSubstr("free text"));
}

TEST(SweepSpec, all_problems_are_reported_at_once_with_their_pointers) {
  const std::string text = problem_of(R"({
    "name": 3, "dtype": "float8", "models": [{"name": "m", "path": "x"}, {"name": "m", "pth": "x"}], "tasks": [],
    "conditions": [{"name": "c", "kind": "few_shot"}, {"name": "d", "kind": "zero_shot", "k": 2}, {"name": "e/f", "kind": 1}, 5]})");
  EXPECT_THAT(text, HasSubstr("sweep.json: /name: expected a string that is not empty, found 3"));
  EXPECT_THAT(text, HasSubstr("/dtype: expected one of \"float32\", \"float16\", \"bfloat16\", found \"float8\""));
  EXPECT_THAT(text, HasSubstr("/models/1/name: \"m\" is used twice"));
  EXPECT_THAT(text, HasSubstr("/models/1/path: missing, expected a string"));
  EXPECT_THAT(
      text,
      HasSubstr("/models/1/pth: unknown key; known here are \"family\", \"folder\", \"ladder\", \"name\", \"path\""));
  EXPECT_THAT(text, HasSubstr("/tasks: expected a list of at least one object, found []"));
  EXPECT_THAT(text, HasSubstr("/conditions/0/k: missing, expected the number of exemplars"));
  EXPECT_THAT(text, HasSubstr("/conditions/1/k: unknown key"));
  EXPECT_THAT(
      text,
      HasSubstr("/conditions/2/kind: expected \"zero_shot\", or \"few_shot\", \"instruct\" and \"cot\", joined by"));
  EXPECT_THAT(text, HasSubstr("/conditions/2/name: expected at most 64 bytes without slashes"));
  EXPECT_THAT(text, HasSubstr("/conditions/3: expected an object, found number"));
}

TEST(SweepSpec, conditions_combine_and_know_only_the_keys_of_their_parts) {
  const test::TemporaryFolder folder;
  const auto path = folder.write("sweep.json", R"({"name": "s", "models": [{"name": "m", "path": "m"}],
    "tasks": [{"name": "t", "path": "t", "format": "absolute_logodds", "exemplars": "cot.txt",
               "fields": {"prompt": "Q: {{q}}", "classes": "choices.text", "answer": "key", "labels": "choices.label"}}],
    "conditions": [
      {"name": "all", "kind": "instruct+few_shot+cot", "k": 4, "labels": "balanced", "answers": "wrong",
       "exemplars": "in_order", "system": "Be brief.", "chat_template": "own.jinja", "trigger": " Think.",
       "answer_cue": " Answer:", "answer_end": "!",
       "generation": {"max_new_tokens": 9, "temperature": 0.5, "top_p": 0.9, "seed": 2, "stop": ["\n\n", "Q:"]}},
      {"name": "chat", "kind": "instruct"}, {"name": "cut", "kind": "zero_shot", "too_long": "truncate_left"}]})");
  const SweepSpec spec = read_sweep_spec(path);
  EXPECT_EQ(spec.tasks[0].format, TaskFormat::kAbsoluteLogodds);
  EXPECT_EQ(spec.tasks[0].exemplars, folder.path() / "cot.txt");
  EXPECT_EQ(spec.tasks[0].fields->classes, "choices.text");
  EXPECT_EQ(spec.tasks[0].fields->labels, "choices.label");
  EXPECT_EQ(spec.tasks[0].fields->class_prefix, " ");
  const ConditionSpec& all = spec.conditions[0];
  EXPECT_EQ(kind_of(all), "few_shot+cot+instruct");
  EXPECT_EQ(all.labels, ExemplarLabels::kBalanced);
  EXPECT_EQ(all.answers, ExemplarAnswers::kWrong);
  EXPECT_EQ(all.exemplars, Exemplars::kInOrder);
  EXPECT_EQ(all.chat_template, folder.path() / "own.jinja");
  EXPECT_EQ(definition_of(all),
            R"({"kind":"few_shot+cot+instruct","k":4,"seed":0,"exemplars":"in_order","separator":"\n\n",)"
            R"("labels":"balanced","answers":"wrong","system":"Be brief.","trigger":" Think.",)"
            R"("answer_cue":" Answer:","answer_end":"!",)"
            R"("generation":{"max_new_tokens":9,"temperature":0.5,"top_p":0.9,"seed":2,"stop":["\n\n","Q:"]}})");
  EXPECT_EQ(definition_of(spec.conditions[1]), R"({"kind":"instruct"})");
  EXPECT_EQ(spec.conditions[1].too_long, TooLong::kRefuse);
  EXPECT_EQ(definition_of(spec.conditions[2]), R"({"kind":"zero_shot","too_long":"truncate_left"})");

  const std::string text = problem_of(R"({"name": "s", "models": [{"name": "m", "path": "m"}],
    "tasks": [{"name": "t", "path": "t", "format": "multiple", "fields": {"prompt": "{{q}}", "answer": 1}}],
    "conditions": [{"name": "a", "kind": "zero_shot+cot"}, {"name": "b", "kind": "cot+cot"}, {"name": "c", "kind": ""},
                   {"name": "d", "kind": "instruct", "k": 1, "trigger": "x"},
                   {"name": "e", "kind": "few_shot", "k": 1, "labels": "equal", "system": "x"}]})");
  EXPECT_THAT(text, HasSubstr("/tasks/0/format: expected one of \"classification\", \"sequence_prob\", \"logodds\", "
                              "\"absolute_logodds\", \"numeric\", found \"multiple\""));
  EXPECT_THAT(text, HasSubstr("/tasks/0/fields/classes: missing"));
  EXPECT_THAT(text, HasSubstr("/tasks/0/fields/answer: expected a string that is not empty, found 1"));
  for (const char* pointer : {"/conditions/0/kind", "/conditions/1/kind", "/conditions/2/kind"}) {
    EXPECT_THAT(text, HasSubstr(std::string(pointer) + ": expected \"zero_shot\", or"));
  }
  EXPECT_THAT(text, HasSubstr("/conditions/3/k: unknown key"));
  EXPECT_THAT(text, HasSubstr("/conditions/3/trigger: unknown key"));
  EXPECT_THAT(text, HasSubstr("/conditions/4/labels: expected one of \"any\", \"balanced\", \"same\""));
  EXPECT_THAT(text, HasSubstr("/conditions/4/system: unknown key"));
}

TEST(SweepSpec, wrong_generation_is_refused) {
  const std::string text = problem_of(R"({"name": "s", "models": [{"name": "m", "path": "m"}],
    "tasks": [{"name": "t", "path": "t"}],
    "conditions": [{"name": "a", "kind": "cot", "generation": {"max_new_tokens": 0, "temperature": -1, "top_p": 0, "stop": [""]}},
                   {"name": "b", "kind": "cot", "generation": {"top_p": 1.5, "stop": "x", "k": 3}},
                   {"name": "c", "kind": "zero_shot", "generation": {}}]})");
  for (const char* problem :
       {"/conditions/0/generation/max_new_tokens: expected an integer of at least 1 and at most 1048576, found 0",
        "/conditions/0/generation/temperature: expected a number of at least 0, found -1",
        "/conditions/0/generation/top_p: expected a number above 0, at most 1, found 0",
        "/conditions/0/generation/stop: expected strings that are not empty",
        "/conditions/1/generation/top_p: expected a number above 0, at most 1, found 1.5",
        "/conditions/1/generation/stop: expected a list of at least one string",
        "/conditions/1/generation/k: unknown key", "/conditions/2/generation: unknown key"}) {
    EXPECT_THAT(text, HasSubstr(problem));
  }
}

TEST(SweepSpec, a_task_can_be_generated) {
  const test::TemporaryFolder folder;
  const auto path = folder.write("s.json", R"({"name": "s", "models": [{"name": "m", "path": "m"}], "tasks": [
      {"generate": "redefine", "n": 200, "seed": 7, "limit": 100},
      {"generate": "redefine", "n": 200, "control": true, "settings": {"kind": 2, "largest": 50}},
      {"name": "own", "generate": "neqa", "n": 3}], "conditions": [{"name": "z", "kind": "zero_shot"}]})");
  const SweepSpec spec = read_sweep_spec(path);
  ASSERT_EQ(spec.tasks.size(), 3u);
  EXPECT_EQ(spec.tasks[0].name, "redefine");
  EXPECT_EQ(spec.tasks[0].generate->num_items, 200);
  EXPECT_EQ(spec.tasks[0].generate->seed, 7u);
  EXPECT_EQ(spec.tasks[0].limit, 100);
  EXPECT_EQ(spec.tasks[1].name, "redefine-control");
  EXPECT_TRUE(spec.tasks[1].generate->control);
  EXPECT_EQ(spec.tasks[1].generate->settings, (std::map<std::string, int>{{"kind", 2}, {"largest", 50}}));
  EXPECT_EQ(spec.tasks[2].name, "own");
  const std::string text = problem_of(R"({"name": "s", "models": [{"name": "m", "path": "m"}], "tasks": [
      {"generate": "redefine"}, {"generate": "redefine", "n": 2, "control": 1, "settings": {"kind": "2"}, "path": "x"}],
      "conditions": [{"name": "z", "kind": "zero_shot"}]})");
  for (const char* problem :
       {"/tasks/0/n: missing, expected the number of items", "/tasks/1/name: \"redefine\" is used twice",
        "/tasks/1/control: expected true or false, found 1",
        "/tasks/1/settings/kind: expected an integer of at least 0", "/tasks/1/path: unknown key"}) {
    EXPECT_THAT(text, HasSubstr(problem));
  }
}

TEST(SweepSpec, the_command_line_takes_a_kind_or_an_object) {
  EXPECT_EQ(kind_of(parse_condition("instruct")), "instruct");
  const ConditionSpec condition = parse_condition(R"({"kind": "few_shot", "k": 3, "separator": "\n"})");
  EXPECT_EQ(condition.k, 3);
  EXPECT_EQ(condition.separator, "\n");
  EXPECT_EQ(condition.name, "few_shot");
  EXPECT_THAT(test::message_of<SpecError>([] { parse_condition("few_shot"); }),
              HasSubstr("--condition: /k: missing, expected the number of exemplars"));
  EXPECT_THAT(test::message_of<SpecError>([] { parse_condition("{\"kind\": "); }), HasSubstr("not valid JSON"));
}

TEST(SweepSpec, wrong_numbers_are_refused) {
  const std::string text = problem_of(R"({"name": "s", "conditions": [{"name": "c", "kind": "few_shot", "k": 0}],
    "models": [{"name": "m", "path": "x", "training_tokens": -1}],
    "tasks": [{"name": "t", "path": "x", "offset": -1, "limit": 1e3}, {"name": "u", "path": "x", "limit": 18446744073709551615}]})");
  EXPECT_THAT(text, HasSubstr("/models/0/training_tokens: expected a number above 0, found -1"));
  EXPECT_THAT(text, HasSubstr("/tasks/0/offset: expected an integer of at least 0, found -1"));
  EXPECT_THAT(text, HasSubstr("/tasks/0/limit: expected an integer of at least 1, found 1000.0"));
  EXPECT_THAT(text, HasSubstr("/tasks/1/limit: expected an integer of at least 1"));
  EXPECT_THAT(text, HasSubstr("/conditions/0/k: expected an integer of at least 1, found 0"));
}

TEST(SweepSpec, texts_that_a_store_or_a_terminal_cannot_hold_are_refused) {
  const std::string text =
      problem_of(R"({"name": "a\u001b[31m", "models": [{"name": "m", "path": "x\u0000y", "family": "f/g"}],
    "tasks": [{"name": "t", "path": "x", "a/b~": 1}],
    "conditions": [{"name": "c", "kind": "few_shot", "k": 1, "separator": "\u0000"}]})");
  EXPECT_THAT(text, HasSubstr("/name: expected at most 64 bytes without slashes and control characters"));
  EXPECT_THAT(text, HasSubstr("/models/0/path: expected a string without NUL"));
  EXPECT_THAT(text, HasSubstr("/models/0/family: expected at most 64 bytes"));
  EXPECT_THAT(text, HasSubstr("/tasks/0/a~1b~0: unknown key"));
  EXPECT_THAT(text, HasSubstr("/conditions/0/separator: expected a string without NUL"));
}

TEST(SweepSpec, a_key_given_twice_and_a_number_out_of_range_are_named) {
  EXPECT_THAT(problem_of(R"({"name": "a", "name": "b", "models": [], "tasks": [], "conditions": []})"),
              HasSubstr("the key \"name\" stands twice"));
  EXPECT_THAT(problem_of(R"({"name": 1e400})"), HasSubstr("sweep.json: not valid JSON"));
}

TEST(SweepSpec, broken_json_and_missing_files_are_named) {
  EXPECT_THAT(problem_of("{\"name\": "), HasSubstr("sweep.json: not valid JSON"));
  EXPECT_THAT(problem_of("{\n  // mine\n  \"name\": \"a\"}"),
              AllOf(HasSubstr("sweep.json: not valid JSON: line 2, column 3: "),
                    HasSubstr("a comment is a key, \"comment\": \"…\"")));
  EXPECT_THAT(problem_of("{\"name\": " + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}"),
              HasSubstr("sweep.json: JSON nested deeper than 64 levels"));
  EXPECT_THAT(problem_of("[]"), HasSubstr("sweep.json: /: expected an object, found array"));
  EXPECT_THAT(test::message_of<SpecError>([] { read_sweep_spec("/no/such.json"); }),
              HasSubstr("/no/such.json: No such file"));
}

std::string with_models(std::string_view models) {
  return std::string(R"({"name": "s", "tasks": [{"name": "t", "path": "t"}],
    "conditions": [{"name": "z", "kind": "zero_shot"}], "models": )") +
         std::string(models) + "}";
}

TEST(SweepSpec, a_ladder_stands_for_its_models) {
  const test::TemporaryFolder folder;
  const SweepSpec spec = read_sweep_spec(folder.write("a/sweep.json", with_models(R"([
    {"name": "mine", "path": "x"}, {"ladder": "qwen2.5", "root": "../hub"},
    {"ladder": "qwen2.5", "root": "/hub", "kind": "instruct", "members": ["Qwen2.5-7B-Instruct"]},
    {"ladder": "gpt2", "root": "/hub", "members": ["gpt2-xl", "gpt2"], "family": "f"}])")));
  ASSERT_EQ(spec.models.size(), 1u + 7 + 1 + 2);
  EXPECT_EQ(spec.models[0].family, "s");
  EXPECT_FALSE(spec.models[0].repository);
  EXPECT_EQ(spec.models[1].name, "Qwen2.5-0.5B");
  EXPECT_EQ(spec.models[1].family, "qwen2.5");
  EXPECT_EQ(spec.models[1].path, folder.path() / "hub/Qwen2.5-0.5B");
  EXPECT_EQ(spec.models[1].repository, "Qwen/Qwen2.5-0.5B");
  EXPECT_EQ(spec.models[1].training_tokens, 18e12);
  EXPECT_EQ(spec.models[1].pointer, "/models/1/root");
  EXPECT_EQ(spec.models[8].name, "Qwen2.5-7B-Instruct");
  EXPECT_EQ(spec.models[8].family, "qwen2.5-instruct");
  EXPECT_EQ(spec.models[9].name, "gpt2-xl");
  EXPECT_EQ(spec.models[9].family, "f");
  EXPECT_FALSE(spec.models[9].training_tokens);
  EXPECT_EQ(spec.models[10].path, "/hub/gpt2");
}

TEST(SweepSpec, what_a_ladder_does_not_have_is_named) {
  const std::string text = problem_of(with_models(R"([
    {"ladder": "pythia"}, {"ladder": "pythons", "root": "/"}, {"ladder": "gpt2", "root": "/", "members": ["gpt3"]},
    {"ladder": "gpt2", "root": "/", "kind": "instruct"}, {"ladder": "gpt2", "root": "/", "kind": "chat"},
    {"ladder": "gpt2", "root": "/", "members": []}, {"ladder": "opt", "root": "/", "members": ["opt-13b", "opt-13b"]},
    {"ladder": "mpt", "root": "/", "path": "x"}])"));
  EXPECT_THAT(text, HasSubstr("/models/0/root: missing, expected a string"));
  EXPECT_THAT(text, HasSubstr("/models/1/ladder: expected one of \"pythia\", \"pythia-deduped\", \"gpt2\""));
  EXPECT_THAT(text, HasSubstr("\"smollm2\", found \"pythons\""));
  EXPECT_THAT(text, HasSubstr("/models/2/members: expected of \"gpt2\", \"gpt2-medium\", \"gpt2-large\", "
                              "\"gpt2-xl\", found \"gpt3\""));
  EXPECT_THAT(text, HasSubstr("/models/3/ladder: \"gpt2\" has no instruct models"));
  EXPECT_THAT(text, HasSubstr("/models/4/kind: expected one of \"base\", \"instruct\", found \"chat\""));
  EXPECT_THAT(text, HasSubstr("/models/5/members: expected a list of at least one string, found []"));
  EXPECT_THAT(text, HasSubstr("/models/6/ladder: its \"opt-13b\" is in \"models\" already"));
  EXPECT_THAT(text, HasSubstr("/models/7/path: unknown key"));
}

TEST(SweepSpec, a_ladder_and_a_folder_give_each_model_its_ranks_by_name) {
  const test::TemporaryFolder folder;
  folder.write("mine/a.gguf", "");
  folder.write("mine/b/config.json", "{}");
  const SweepSpec spec = read_sweep_spec(folder.write("sweep.json", with_models(R"([
    {"name": "x", "path": "x", "tensor_parallel": 8},
    {"folder": "mine", "tensor_parallel": {"b": 2}},
    {"ladder": "gpt2", "root": "/hub", "tensor_parallel": {"gpt2": 1, "gpt2-medium": 4}}])")));
  std::map<std::string, std::int64_t> sizes;
  for (const ModelSpec& model : spec.models) {
    if (model.tensor_parallel) sizes[model.name] = *model.tensor_parallel;
  }
  EXPECT_THAT(sizes, testing::ElementsAre(testing::Pair("b", 2), testing::Pair("gpt2", 1),
                                          testing::Pair("gpt2-medium", 4), testing::Pair("x", 8)));

  const std::string text = problem_of(with_models(R"([
    {"ladder": "gpt2", "root": "/", "tensor_parallel": {"gpt3": 2}},
    {"ladder": "opt", "root": "/", "members": ["opt-13b"], "tensor_parallel": {"opt-13b": 3}},
    {"ladder": "mpt", "root": "/", "tensor_parallel": 2}, {"ladder": "gpt5", "root": "/", "tensor_parallel": {"x": 2}},
    {"name": "x", "path": "x", "tensor_parallel": {"x": 2}},
    {"name": "y", "path": "y", "tensor_parallel": 4294967296}])"));
  EXPECT_THAT(text, HasSubstr("/models/0/tensor_parallel/gpt3: unknown key; known here are \"gpt2\", \"gpt2-large\""));
  EXPECT_THAT(text, HasSubstr("/models/1/tensor_parallel/opt-13b: expected a power of two, found 3"));
  EXPECT_THAT(text, HasSubstr("/models/2/tensor_parallel: expected an object, found number"));
  EXPECT_THAT(text, testing::Not(HasSubstr("/models/3/tensor_parallel")));
  EXPECT_THAT(text, HasSubstr("/models/4/tensor_parallel: expected an integer of at least 1 and at most 65536, found {\"x\":2}"));
  EXPECT_THAT(text, HasSubstr("/models/5/tensor_parallel: expected an integer of at least 1 and at most 65536, found 4"));
}

TEST(SweepSpec, tasks_and_conditions_are_read_from_a_text_whose_models_are_gone) {
  const SweepSpec spec = parse_tasks_and_conditions(R"({
    "name": "s",
    "models": [{"folder": "checkpoints", "family": "f"}, {"ladder": "pythia", "root": "nowhere"}],
    "tasks": [{"name": "t", "path": "data/t.jsonl"}],
    "conditions": [{"name": "zero_shot", "kind": "zero_shot"}]})");
  EXPECT_TRUE(spec.models.empty());
  ASSERT_EQ(spec.tasks.size(), 1U);
  EXPECT_EQ(spec.tasks[0].path, "/data/t.jsonl");
  EXPECT_EQ(spec.conditions.size(), 1U);
}

TEST(ItemRange, ranges_cover_a_unit_once) {
  EXPECT_TRUE(cut_into_ranges(0, 0).empty());
  for (const std::int64_t num_items : {1, 63, 64, 65, 860}) {
    std::int64_t next = 0;
    for (const ItemRange& range : cut_into_ranges(3, num_items)) {
      EXPECT_EQ(range.unit_index, 3);
      EXPECT_EQ(range.first_item, next);
      EXPECT_GT(range.num_items, 0);
      EXPECT_LE(range.num_items, kItemsPerRange);
      next += range.num_items;
    }
    EXPECT_EQ(next, num_items);
  }
}

}  // namespace
}  // namespace catenary::spec
