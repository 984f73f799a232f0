#include "server/api/request_body.h"

#include "server/api/value.h"

#include <gtest/gtest.h>

namespace trellis::server {
namespace {

TEST(RequestBody, FindsTheTextOfAValueByItsPath) {
  const std::string text =
      R"( {"a" : [1, {"z": {"y": 2, "b": [ ]}, "c": "]}\""}, true], "d":-1.5e3 , "e": {} } )";
  EXPECT_EQ(text_at(text, "a[1].z"), R"({"y": 2, "b": [ ]})");
  EXPECT_EQ(text_at(text, "a[1].z.b"), "[ ]");
  EXPECT_EQ(text_at(text, "a[1].c"), R"("]}\"")");
  EXPECT_EQ(text_at(text, "a[2]"), "true");
  EXPECT_EQ(text_at(text, "d"), "-1.5e3");
  EXPECT_EQ(text_at(text, "e"), "{}");
}

TEST(RequestBody, FindsNothingWhereThePathLeadsNowhere) {
  const std::string text = R"({"a": [1], "b": {"c": null}})";
  EXPECT_EQ(text_at(text, "x"), "");
  EXPECT_EQ(text_at(text, "a[1]"), "");
  EXPECT_EQ(text_at(text, "a.c"), "");
  EXPECT_EQ(text_at(text, "b[0]"), "");
  EXPECT_EQ(text_at("[]", "[0]"), "");
}

TEST(RequestBody, TakesTheLastOfRepeatedKeysAndReadsEscapes) {
  EXPECT_EQ(text_at(R"({"a": 1, "\u0061": 2})", "a"), "2");
  EXPECT_EQ(text_at(R"({"a\"": {"k": 3}})", "a\".k"), "3");
}

/// Every value of a document that the parser reads must be found where the parser has it.
void expect_agreement(const Json& value, const std::string& path, const std::string& text) {
  if (!path.empty()) {
    EXPECT_EQ(Json::parse(text_at(text, path)), value) << path;
  }
  for (size_t i = 0; value.is_array() && i < value.size(); ++i) {
    expect_agreement(value[i], join_path(path, i), text);
  }
  if (!value.is_object()) return;
  for (const auto& [name, member] : value.items()) {
    expect_agreement(member, join_path(path, name), text);
  }
}

TEST(RequestBody, AgreesWithTheParserOnEveryValue) {
  const std::string text = R"({
    "messages": [{"role": "user", "content": "a \\ \" { [ \u00e4"}, [[], [[{}]], {"x": [1,2,3]}]],
    "tools": [{"function": {"parameters": {"type": "object", "properties": {"b": {}, "a": {}}}}}],
    "empty": "", "n": [0, -0.5, 1e9, false, null, "," , ":"], "o": {"p": {"q": {"r": "}"}}}})";
  expect_agreement(Json::parse(text), "", text);
}

}  // namespace
}  // namespace trellis::server
