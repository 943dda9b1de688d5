#include "catenary/task/task_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catenary/base/error.h"
#include "catenary/task/known_task.h"
#include "support/temporary_folder.h"
#include "task/records.h"

namespace catenary::task {
namespace {

using spec::TaskFormat;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string problem_of(const std::filesystem::path& path, std::optional<spec::FieldMapping> fields = {}) {
  return test::message_of<DataError>([&] { read_task({.name = "t", .path = path, .fields = fields}); });
}

TEST(TaskReader, a_generated_task_is_what_the_generator_makes) {
  const spec::GeneratedTask redefine{
      .name = "redefine", .num_items = 12, .seed = 7, .control = true, .settings = {{"kind", 2}}};
  const spec::TaskSpec spec{.name = "t", .generate = redefine, .offset = 2};
  const Task task = read_task(spec);
  const std::vector<Item> items = generate(redefine);
  ASSERT_EQ(task.items.size(), 12u);
  for (std::size_t i = 0; i < items.size(); ++i) EXPECT_EQ(task.items[i].prompt, items[i].prompt);
  EXPECT_EQ(task.first, 2);
  EXPECT_EQ(task.count, 10);
  EXPECT_EQ(source_of(spec), "redefine --n 12 --seed 7 --kind 2 --control");
  // A file of the same items is the same task.
  const test::TemporaryFolder folder;
  std::string lines;
  for (const Item& item : items) lines += to_json_line(item, task.format) + "\n";
  EXPECT_EQ(read_task({.name = "t", .path = folder.write("t.jsonl", lines)}).fingerprint, task.fingerprint);
  EXPECT_THROW(read_task({.name = "t", .generate = spec::GeneratedTask{.name = "redefined", .num_items = 1}}),
               SpecError);
}

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
  EXPECT_THAT(text, HasSubstr("t.jsonl:4: not valid JSON: column 2: "));
  EXPECT_THAT(text, HasSubstr("t.jsonl:5: expected an object, found array"));
  EXPECT_THAT(text, HasSubstr("t.jsonl:6: answer_index: expected an integer"));
  EXPECT_THAT(text, HasSubstr("t.jsonl:7: not valid JSON"));
  EXPECT_THAT(text, HasSubstr("t.jsonl:8: answer_index: expected 0 to 1"));
}

TEST(TaskReader, what_stands_twice_is_refused) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(problem_of(folder.write(
                  "t.jsonl", R"({"prompt": "p", "classes": ["a", "b"], "answer_index": 0, "answer_index": 1})")),
              HasSubstr("t.jsonl:1: the key \"answer_index\" stands twice"));
  EXPECT_THAT(problem_of(folder.write("t.json",
                                      R"({"metrics": [], "examples": [{"input": "i", "input": "j", "target": "t"}]})")),
              HasSubstr("t.json: the key \"input\" stands twice"));
  EXPECT_THAT(problem_of(folder.write("t.csv", "prompt,prompt,classes,answer_index\np,q,\"['a', 'b']\",0\n")),
              HasSubstr("t.csv:1: the column prompt stands twice"));
  EXPECT_THAT(
      problem_of(folder.write("u.csv", "prompt,classes,answer_index\np,\"['a', 'b']\",0\n\"p,\"\"['a', 'b']\"\",0\n")),
      HasSubstr("u.csv:3: a field begins with a quote that does not end"));
  EXPECT_THAT(problem_of(folder.write("v.csv", "prompt,\"classes,answer_index\np,\"['a', 'b']\",0\n")),
              HasSubstr("v.csv:1: a field"));
}

TEST(TaskReader, what_is_nested_without_end_is_refused) {
  const test::TemporaryFolder folder;
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  EXPECT_THAT(problem_of(folder.write("t.jsonl", "{\"prompt\": " + deep + "}")),
              HasSubstr("t.jsonl:1: JSON nested deeper"));
  EXPECT_THAT(problem_of(folder.write("t.json", "{\"examples\": " + deep + "}")),
              HasSubstr("t.json: JSON nested deeper"));
  EXPECT_THAT(problem_of(folder.write("t.csv", "prompt,classes,answer_index\np,\"" + deep + "\",0\n")),
              HasSubstr("t.csv:2: classes"));
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

TEST(TaskReader, fields_tell_the_format) {
  const test::TemporaryFolder folder;
  const auto read = [&](std::string_view line, std::optional<TaskFormat> format = {}) {
    return read_task({.name = "t", .path = folder.write("t.jsonl", line), .format = format});
  };
  const Task sequence = read(R"({"prompt": "a", "completion": " b", "part": 3, "round": "2"})");
  EXPECT_EQ(sequence.format, TaskFormat::kSequenceProb);
  EXPECT_THAT(sequence.items[0].classes, ElementsAre(" b"));
  EXPECT_EQ(sequence.items[0].part, "3");
  EXPECT_EQ(sequence.items[0].round, "2");
  const char* two = R"({"prompt": "a", "other_prompt": "b", "classes": [" y", " n"], "answer_index": 1})";
  EXPECT_EQ(read(two).format, TaskFormat::kLogodds);
  EXPECT_EQ(read(two).items[0].other_prompt, "b");
  EXPECT_EQ(read(two, TaskFormat::kAbsoluteLogodds).format, TaskFormat::kAbsoluteLogodds);
  EXPECT_NE(read(two, TaskFormat::kAbsoluteLogodds).fingerprint, read(two).fingerprint);
  EXPECT_EQ(read(two, TaskFormat::kClassification).format, TaskFormat::kClassification);
  const Task numeric = read(R"({"prompt": "a", "true_answer": 2350, "anchor": 1175.5})");
  EXPECT_EQ(numeric.format, TaskFormat::kNumeric);
  EXPECT_EQ(numeric.items[0].true_answer, 2350);
  EXPECT_EQ(numeric.items[0].anchor, 1175.5);
  EXPECT_THAT(numeric.items[0].classes, ElementsAre(" 2350"));

  const auto mixed =
      folder.write("mixed.jsonl", std::string(two) + "\n{\"prompt\": \"a\", \"completion\": \"b\"}\n" +
                                      R"({"prompt": 1, "other_prompt": "", "classes": ["a", "b", "c"]})");
  const std::string text = problem_of(mixed);
  EXPECT_THAT(text, HasSubstr("mixed.jsonl:2: other_prompt: expected a string"));
  EXPECT_THAT(text, HasSubstr("mixed.jsonl:3: prompt: expected a string"));
  EXPECT_THAT(text, HasSubstr("mixed.jsonl:3: classes: expected a list of two strings"));
  EXPECT_THAT(text, HasSubstr("mixed.jsonl:3: answer_index: expected an integer"));
}

TEST(TaskReader, a_table_without_our_columns_is_told_once) {
  const test::TemporaryFolder folder;
  for (const char* first : {"question,choices,label", "prompt;classes;answer_index"}) {
    const std::string text = problem_of(
        folder.write("t.csv", std::string(first) + "\r\n\"Is, it?\",\"[' y', ' n']\",0\nx,\"[' y', ' n']\",0\n"));
    EXPECT_THAT(text, HasSubstr("t.csv:1: expected names of columns with commas between them, such as "
                                "prompt,classes,answer_index (docs/tasks.md), found \"" +
                                std::string(first) + "\""));
    EXPECT_EQ(std::ranges::count(text, '\n'), 0);
  }
}

TEST(TaskReader, classes_may_be_the_text_of_a_list) {
  const test::TemporaryFolder folder;
  const auto path = folder.write("t.jsonl", R"({"prompt": "p", "classes": "[' a', \" b\"]", "answer_index": 1})");
  EXPECT_THAT(read_task({.name = "t", .path = path}).items[0].classes, ElementsAre(" a", " b"));
  EXPECT_THAT(problem_of(folder.write("t.jsonl", R"({"prompt": "p", "classes": "a b", "answer_index": 1})")),
              HasSubstr("t.jsonl:1: classes: expected a list of two or more strings"));
}

TEST(TaskReader, classes_that_are_alike_are_refused) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(problem_of(folder.write("t.jsonl", R"({"prompt": "p", "classes": ["a", "b", "a"], "answer_index": 1})")),
              HasSubstr("t.jsonl:1: classes/2: the same as classes/0"));
}

TEST(TaskReader, reads_the_tables_of_the_prize) {
  const test::TemporaryFolder folder;
  // With pandas' row numbers, a prompt of two lines with quotes and a comma, lists as Python and as JSON write them.
  const auto path = folder.write("t.csv",
                                 ",prompt,classes,answer_index,part\r\n"
                                 "0,\"She said \"\"no\"\", so\nthe answer is\",\"[' Yes', \"\" Don't\"\"]\",1,2\r\n"
                                 "1,Plain,\"[\"\" Yes\"\", \"\" No\"\"]\",0,\r\n"
                                 "\n"
                                 "2,caf\xC3\xA9,\"(' \\u00e9\\n', ' \\'x\\\\',)\",0,1\n");
  const Task task = read_task({.name = "t", .path = path});
  ASSERT_EQ(task.items.size(), 3u);
  EXPECT_EQ(task.items[0].prompt, "She said \"no\", so\nthe answer is");
  EXPECT_THAT(task.items[0].classes, ElementsAre(" Yes", " Don't"));
  EXPECT_EQ(task.items[0].answer_index, 1);
  EXPECT_EQ(task.items[0].part, "2");
  EXPECT_EQ(task.items[1].part, "");
  EXPECT_THAT(task.items[2].classes, ElementsAre(" \xC3\xA9\n", " 'x\\"));

  const Task numeric = read_task({.name = "t",
                                  .path = folder.write("n.csv",
                                                       ",filled_template,true_answer,anchor\n"
                                                       "0,How long?,2350,1175\n1,How tall?,5.5,\n")});
  EXPECT_EQ(numeric.format, TaskFormat::kNumeric);
  EXPECT_EQ(numeric.items[0].anchor, 1175);
  EXPECT_TRUE(std::isnan(numeric.items[1].anchor));
  EXPECT_THAT(numeric.items[1].classes, ElementsAre(" 5.5"));
}

TEST(TaskReader, every_bad_row_of_a_table_is_named_by_its_first_line) {
  const test::TemporaryFolder folder;
  const std::string text = problem_of(folder.write("t.csv",
                                                   "prompt,classes,answer_index\n"
                                                   "\"a\nb\",\"[' y', ' n']\",2\n"
                                                   "c,\"[' y', 3]\",0\n"
                                                   "d,\"[' y', ' n']\",one\n"
                                                   "e,\"[' y', ' n']\"\n"
                                                   "f,\"[]\",0\n"
                                                   "g,\"[' y' ' n']\",0\n"));
  EXPECT_THAT(text, HasSubstr("t.csv:2: answer_index: expected 0 to 1, found 2"));
  EXPECT_THAT(text, HasSubstr("t.csv:4: classes: expected a list such as [' Yes', ' No'], found \"[' y', 3]\""));
  EXPECT_THAT(text, HasSubstr("t.csv:5: answer_index: expected a number, found \"one\""));
  EXPECT_THAT(text, HasSubstr("t.csv:6: expected 3 fields, as the first line has, found 2"));
  EXPECT_THAT(text, HasSubstr("t.csv:7: classes: expected a list of two or more strings"));
  EXPECT_THAT(text, HasSubstr("t.csv:8: classes: expected a list such as"));
}

TEST(TaskReader, python_lists_are_read_as_python_reads_them) {
  EXPECT_THAT(*parse_string_list(R"([ 'a' , "b\"'" ])"), ElementsAre("a", "b\"'"));
  EXPECT_THAT(*parse_string_list(R"(('\x41\t\U0001f600', ))"), ElementsAre("A\t\xF0\x9F\x98\x80"));
  EXPECT_THAT(*parse_string_list(R"(['\u0433\u20ac'])"), ElementsAre("\xD0\xB3\xE2\x82\xAC"));
  EXPECT_THAT(*parse_string_list("[]"), ElementsAre());
  for (const char* text : {"", "[", "['a'", "['a',,'b']", "[,]", "['a'] x", "['a)", "['\\q']", "['\\ud800']",
                           "['\\x4']", "[1]", "('a']", "'a'", "[\"a\", 1]"}) {
    EXPECT_FALSE(parse_string_list(text)) << text;
  }
}

constexpr const char* kBigBench = R"({"name": "t", "metrics": ["multiple_choice_grade"], "task_prefix": "Sums.\n",
  "examples": [{"input": "1 + 1", "target_scores": {"two": 1, "one": 0}},
               {"input": "2 + 2", "target_scores": {"five": 0, "four": 1}}]%s})";

TEST(TaskReader, reads_big_bench_with_its_prefixes) {
  const test::TemporaryFolder folder;
  const auto read = [&](const std::string& more) {
    std::string text = kBigBench;
    return read_task({.name = "t", .path = folder.write("task.json", text.replace(text.find("%s"), 2, more))});
  };
  const Task task = read("");
  EXPECT_EQ(task.items[0].prompt, "\nQ: 1 + 1\n  choice: two\n  choice: one\nA: ");
  EXPECT_EQ(task.items[0].preamble, "Sums.\n");
  EXPECT_THAT(task.items[1].classes, ElementsAre("five", "four"));
  EXPECT_EQ(task.items[1].answer_index, 1);
  const Task own = read(R"(, "example_input_prefix": "In: ", "example_output_prefix": "\nOut:", "choice_prefix": "\n- ",
                           "append_choices_to_input": false)");
  EXPECT_EQ(own.items[0].prompt, "In: 1 + 1\nOut:");

  const Task free = read_task({.name = "t", .path = folder.write("task.json", R"({"metrics": [], "examples": [
      {"input": "a", "target": "b"}, {"input": "c", "target": ["d", "e"]}]})")});
  EXPECT_EQ(free.format, TaskFormat::kSequenceProb);
  EXPECT_THAT(free.items[1].classes, ElementsAre("d"));

  const std::string text = problem_of(folder.write("task.json", R"({"metrics": [], "examples": [
      {"input": 1}, {"input": "a", "target_scores": {"x": 1, "y": 1}}, {"input": "a", "target_scores": {"x": 1}},
      {"input": "a", "target": 5}, 7]})"));
  EXPECT_THAT(text, HasSubstr("task.json: /examples/0: input: expected a string"));
  EXPECT_THAT(text, HasSubstr("/examples/1: target_scores: expected one choice with the highest score, found 2"));
  EXPECT_THAT(text, HasSubstr("/examples/2: target_scores: expected an object of two or more choices"));
  EXPECT_THAT(text, HasSubstr("/examples/3: expected \"target_scores\", or a string"));
  EXPECT_THAT(text, HasSubstr("/examples/4: input: expected a string"));
  EXPECT_THAT(problem_of(folder.write("task.json", "{")), HasSubstr("task.json: not valid JSON"));
  EXPECT_THAT(problem_of(folder.write("task.json", "[]")), HasSubstr("/examples: expected a list"));
}

TEST(TaskReader, reads_big_bench_hard_with_the_options_in_the_text) {
  const test::TemporaryFolder folder;
  const auto read = [&](const char* text) { return read_task({.name = "t", .path = folder.write("t.json", text)}); };
  const Task lettered = read(R"json({"canary": "", "examples": [
      {"input": "Which?\nOptions:\n(A) x\n(B) y", "target": "(B)"}]})json");
  EXPECT_EQ(lettered.items[0].prompt, "Q: Which?\nOptions:\n(A) x\n(B) y\nA:");
  EXPECT_THAT(lettered.items[0].classes, ElementsAre(" (A)", " (B)"));
  EXPECT_EQ(lettered.items[0].answer_index, 1);
  const Task listed = read(R"({"examples": [{"input": "Back?\nOptions:\n- Yes\n- No", "target": "No"}]})");
  EXPECT_THAT(listed.items[0].classes, ElementsAre(" Yes", " No"));
  const Task unlisted = read(R"({"examples": [
      {"input": "not True is", "target": "False"}, {"input": "True is", "target": "True"}]})");
  EXPECT_THAT(unlisted.items[1].classes, ElementsAre(" False", " True"));
  const std::string text = problem_of(folder.write("t.json", R"json({"examples": [
      {"input": "Which?\nOptions:\n(A) x\n(B) y", "target": "(C)"}, {"input": "a"}]})json"));
  EXPECT_THAT(text,
              HasSubstr(R"json(/examples/0: target: expected one of the options ["(A)","(B)"], found "(C)")json"));
  EXPECT_THAT(text, HasSubstr("/examples/1: target: expected a string"));
}

TEST(TaskReader, malformed_chain_of_thought_prompts_are_named) {
  const test::TemporaryFolder folder;
  const auto path = folder.write("cot.txt",
                                 "canary\n-----\nSums.\n\n"
                                 "Q: 1 + 1\nA: Let's think step by step.\nOne more. So the answer is 2.\n\n"
                                 "Q: 1 + 2\nA: 3.\n\n"
                                 "Q: 1 + 3\nA: Let's think step by step. Hm.\n");
  const std::string text = problem_of(path);
  EXPECT_THAT(text, Not(HasSubstr("cot.txt:5")));
  EXPECT_THAT(text, HasSubstr("cot.txt:9: expected \"Q: …\""));
  EXPECT_THAT(text, HasSubstr("cot.txt:12: expected \"Q: …\""));
}

TEST(TaskReader, fields_of_other_projects_are_mapped) {
  const test::TemporaryFolder folder;
  const auto arc = folder.write(
      "arc.jsonl", R"({"question": "Which?", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "2"})");
  const spec::FieldMapping by_label{.prompt = "Question: {{question}}\nAnswer:",
                                    .classes = "choices.text",
                                    .answer = "answerKey",
                                    .labels = "choices.label"};
  const Task task = read_task({.name = "t", .path = arc, .fields = by_label});
  EXPECT_EQ(task.items[0].prompt, "Question: Which?\nAnswer:");
  EXPECT_THAT(task.items[0].classes, ElementsAre(" x", " y"));
  EXPECT_EQ(task.items[0].answer_index, 1);

  const spec::FieldMapping plain{
      .prompt = "{{a}}-{{ b }}", .classes = "c", .answer = "d", .labels = {}, .class_prefix = ""};
  const auto others = folder.write("o.jsonl", R"({"a": "A", "b": 2, "c": ["x", "y", "z"], "d": 2})"
                                              "\n"
                                              R"({"a": "A", "b": 2, "c": ["x", "y", "z"], "d": "y"})"
                                              "\n"
                                              R"({"a": "A", "b": 2, "c": ["x", "y", "z"], "d": "C"})");
  const Task all = read_task({.name = "t", .path = others, .fields = plain});
  EXPECT_EQ(all.items[0].prompt, "A-2");
  EXPECT_EQ(all.items[0].answer_index, 2);
  EXPECT_EQ(all.items[1].answer_index, 1);
  EXPECT_EQ(all.items[2].answer_index, 2);

  const auto bad = folder.write("bad.jsonl", R"({"a": "A", "c": ["x", "y"], "d": 2})"
                                             "\n"
                                             R"({"a": "A", "b": 1, "c": "x", "d": 0})"
                                             "\n"
                                             R"({"a": "A", "b": 1, "c": ["x", "y"]})");
  const std::string text = problem_of(bad, plain);
  EXPECT_THAT(text, HasSubstr("bad.jsonl:1: b: missing, and the prompt needs it"));
  EXPECT_THAT(text,
              HasSubstr("bad.jsonl:1: d: expected the position from 0, the text or the letter of one of 2 classes, "
                        "found 2"));
  EXPECT_THAT(text, HasSubstr("bad.jsonl:2: c: expected a list of strings"));
  EXPECT_THAT(text, HasSubstr("bad.jsonl:3: d: expected the position from 0"));
  EXPECT_THAT(problem_of(folder.write("t.csv", "prompt\n"), plain), HasSubstr("\"fields\" are for JSONL files"));
}

TEST(TaskReader, what_is_written_reads_the_same) {
  const test::TemporaryFolder folder;
  const std::filesystem::path reference = std::filesystem::path(CATENARY_SOURCE_DIR) / "tests/reference/task";
  for (const char* name : {"classification", "sequence_prob", "logodds", "numeric"}) {
    const Task task = read_task({.name = "t", .path = (reference / name).concat(".jsonl")});
    EXPECT_EQ(to_string(task.format), name);
    std::string text;
    for (const Item& item : task.items) text += to_json_line(item, task.format) + "\n";
    EXPECT_EQ(read_task({.name = "t", .path = folder.write("t.jsonl", text)}).fingerprint, task.fingerprint);
  }
}

}  // namespace
}  // namespace catenary::task
