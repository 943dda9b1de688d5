#include "catenary/base/parse_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/temporary_folder.h"

namespace catenary {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string nested(int depth, const std::string& open, const std::string& close, const std::string& inmost = "") {
  std::string text;
  for (int i = 0; i < depth; ++i) text += open;
  text += inmost;
  for (int i = 0; i < depth; ++i) text += close;
  return text;
}

TEST(ParseJson, values_are_those_of_the_library_and_an_ordered_object_keeps_its_order) {
  const std::string text = R"({"b": [1, -2.5, null, true, "ü\"[{"], "a": {"c": {}}})";
  EXPECT_EQ(parse_json(text), nlohmann::json::parse(text));
  EXPECT_EQ(parse_json<nlohmann::ordered_json>(text).dump(), nlohmann::ordered_json::parse(text).dump());
}

TEST(ParseJson, a_depth_at_which_recursion_would_end_the_program_is_refused) {
  EXPECT_NO_THROW(parse_json(nested(64, "[", "]")));
  EXPECT_NO_THROW(parse_json(nested(32, "[{\"a\":", "}]", "1")));
  EXPECT_NO_THROW(parse_json("[" + nested(63, "[", "]") + "," + nested(63, "[", "]") + "]"));  // side by side
  const std::string in_a_string = "\"\\\\\\\"" + nested(1000, "[{", "") + "\"";
  EXPECT_NO_THROW(parse_json(in_a_string));
  for (const std::string& text :
       {nested(65, "[", "]"), nested(1'000'000, "[", "]"), nested(1'000'000, "[", ""),
        nested(1'000'000, "{\"a\":", "}", "1"), "[" + in_a_string + "," + nested(64, "[", "]")}) {
    EXPECT_EQ(test::message_of<JsonError>([&] { parse_json(text); }), "JSON nested deeper than 64 levels");
    EXPECT_THROW(parse_json<nlohmann::ordered_json>(text), JsonError);
  }
}

TEST(ParseJson, what_is_not_json_is_told_with_its_place) {
  for (const char* text : {"", "{", "{\"a\": }", "[1,]", "\"", "\"\\", "nul", "[1] 2", "{\"a\": 1e999}", "\"\xff\""}) {
    EXPECT_THAT(test::message_of<JsonError>([&] { parse_json(text); }), HasSubstr("not valid JSON: ")) << text;
  }
  EXPECT_THAT(test::message_of<JsonError>([] { parse_json("{\n  \"a\": ]"); }), HasSubstr("line 2, column 8"));
  EXPECT_LT(test::message_of<JsonError>([] { parse_json("[\"" + std::string(1'000'000, 'x')); }).size(), 300U);
}

TEST(ParseJson, keys_that_stand_twice_in_one_object_are_told) {
  std::vector<std::string> repeated;
  const auto note = [&](const std::string& key) { repeated.push_back(key); };
  parse_json(R"({"a": {"a": 1, "b": [{"a": 1}, {"a": 1}]}, "b": {"x": 1, "x": 2}, "a": 3})", note);
  EXPECT_THAT(repeated, ElementsAre("x", "a"));
  EXPECT_THROW(parse_json("{\"a\": 1, \"a\": ", note), JsonError);
}

// The library's own callback looks at all members of an object whenever one of them ends: ten minutes for this one.
TEST(ParseJson, takes_time_linear_in_the_number_of_members) {
  constexpr int kMembers = 300'000;
  std::string text = "{";
  for (int i = 0; i < kMembers; ++i) text += "\"" + std::to_string(i) + "\":{},";
  text.back() = '}';
  int num_repeated = 0;
  EXPECT_EQ(parse_json(text, [&](const std::string&) { ++num_repeated; }).size(), kMembers);
  EXPECT_EQ(num_repeated, 0);
}

TEST(ReadJsonObject, names_the_file) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(read_json_object(folder.write("a.json", "{\"a\": 1}")), nlohmann::json({{"a", 1}}));
  EXPECT_THAT(test::message_of<DataError>([&] { read_json_object(folder.write("b.json", "[]")); }),
              HasSubstr("b.json: expected a JSON object, found array"));
  EXPECT_THAT(test::message_of<DataError>([&] { read_json_object(folder.write("c.json", "")); }),
              HasSubstr("c.json: not valid JSON"));
  EXPECT_THAT(test::message_of<DataError>([&] { read_json_object(folder.path() / "no.json"); }), HasSubstr("no.json"));
}

}  // namespace
}  // namespace catenary
