#include "base/json.h"

#include "base/error_matchers.h"
#include "base/temporary_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ParseJson, ReadsADocument) {
  const Json document = parse_json(R"({"a": [1, -2.5, "x", true, null]})", "test.json");

  EXPECT_EQ(document["a"][0], 1);
  EXPECT_EQ(document["a"][1], -2.5);
  EXPECT_EQ(document["a"][2], "x");
  EXPECT_EQ(document["a"][3], true);
  EXPECT_TRUE(document["a"][4].is_null());
}

class MalformedJson : public ::testing::TestWithParam<const char*> {};

TEST_P(MalformedJson, IsRefusedNamingItsOrigin) {
  EXPECT_USER_ERROR(
      parse_json(GetParam(), "test.json"),
      AllOf(HasSubstr("test.json: not valid JSON: "), Not(HasSubstr("exception")))
  );
}

INSTANTIATE_TEST_SUITE_P(
    ParseJson, MalformedJson,
    ::testing::Values(
        "", "{", "{\"a\": 1} x", "{'a': 1}", "{\"a\": 1,}", "[1 2]", "nul", "\"\xff\"",
        "\"\\ud800\"", "1e999", "\"unfinished"
    )
);

TEST(ParseJson, RefusesAZeroByteAndWhatHidesBehindIt) {
  const std::string_view text("{}\0garbage", 10);

  EXPECT_USER_ERROR(parse_json(text, "test.json"), HasSubstr("zero byte"));
}

TEST(ParseJson, AllowsNestingUpToTheLimitOnly) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };

  EXPECT_NO_THROW(parse_json(nested(256), "test.json"));
  EXPECT_USER_ERROR(parse_json(nested(257), "test.json"), HasSubstr("nested deeper than 256"));
  EXPECT_USER_ERROR(parse_json(std::string(1000000, '['), "test.json"), HasSubstr("nested"));
}

TEST(ParseJson, DoesNotCountBracketsInsideStrings) {
  const std::string text = "\"" + std::string(1000, '[') + "\\\"" + std::string(1000, '{') + "\"";

  EXPECT_NO_THROW(parse_json(text, "test.json"));
}

TEST(ReadJsonFile, NamesAFileThatIsMissingOrBroken) {
  const TemporaryDirectory directory;
  const auto broken = directory.write("broken.json", "{");
  const auto empty = directory.write("empty.json", "");

  EXPECT_USER_ERROR(read_json_file(directory.path() / "none.json"), HasSubstr("none.json"));
  EXPECT_USER_ERROR(read_json_file(broken), HasSubstr("broken.json: not valid JSON"));
  EXPECT_USER_ERROR(read_json_file(empty), HasSubstr("empty.json: not valid JSON"));
  EXPECT_USER_ERROR(read_json_file(directory.path()), HasSubstr("not a regular file"));
}

class JsonObjectTest : public ::testing::Test {
 protected:
  Json document_ = parse_json(
      R"({"int": 7, "big": 18446744073709551615, "number": 2.5, "text": "abc", "yes": true,
          "nothing": null, "inner": {"deep": {"value": "x"}}, "list": [1]})",
      "c.json"
  );
  JsonObject root_{document_, "c.json"};
};

TEST_F(JsonObjectTest, GivesValuesOfTheRightType) {
  EXPECT_EQ(root_.required_int("int", 0, 10), 7);
  EXPECT_EQ(root_.optional_int("int", 7, 7), 7);
  EXPECT_EQ(root_.optional_number("number"), 2.5);
  EXPECT_EQ(root_.optional_number("int"), 7.0);
  EXPECT_EQ(root_.optional_string("text"), "abc");
  EXPECT_EQ(root_.optional_bool("yes"), true);
}

TEST_F(JsonObjectTest, TreatsNullAsAbsent) {
  EXPECT_FALSE(root_.has("nothing"));
  EXPECT_EQ(root_.optional_int("nothing", 0, 1), std::nullopt);
  EXPECT_EQ(root_.optional_string("absent"), std::nullopt);
  EXPECT_FALSE(root_.optional_object("absent").has_value());
  EXPECT_USER_ERROR(root_.required_int("nothing", 0, 1), HasSubstr("c.json: nothing is missing"));
}

TEST_F(JsonObjectTest, NamesFileAndKeyOfAWrongType) {
  EXPECT_USER_ERROR(root_.optional_int("number", 0, 9), HasSubstr("c.json: number must be an int"));
  EXPECT_USER_ERROR(root_.optional_number("text"), HasSubstr("c.json: text must be a number"));
  EXPECT_USER_ERROR(root_.optional_bool("int"), HasSubstr("c.json: int must be true or false"));
  EXPECT_USER_ERROR(root_.optional_string("list"), HasSubstr("c.json: list must be a string"));
  EXPECT_USER_ERROR(root_.optional_object("list"), HasSubstr("list must be an object"));
  EXPECT_USER_ERROR(JsonObject(document_["list"], "c.json"), HasSubstr("the document must be"));
}

TEST_F(JsonObjectTest, ChecksTheRangeOfIntegers) {
  EXPECT_USER_ERROR(root_.optional_int("int", 8, 10), HasSubstr("between 8 and 10, found 7"));
  EXPECT_USER_ERROR(root_.optional_int("int", 0, 6), HasSubstr("between 0 and 6"));
  EXPECT_USER_ERROR(
      root_.optional_int("big", INT64_MIN, INT64_MAX), HasSubstr("18446744073709551615")
  );
}

TEST_F(JsonObjectTest, SpellsTheWholePathOfANestedKey) {
  const auto deep = root_.optional_object("inner")->optional_object("deep");

  EXPECT_EQ(deep->where("value"), "c.json: inner.deep.value");
  EXPECT_USER_ERROR(deep->optional_int("value", 0, 1), HasSubstr("c.json: inner.deep.value must"));
}

}  // namespace
}  // namespace trellis
