#include "dialog/tool_prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trellis {
namespace {

using testing::HasSubstr;

Toolbox toolbox() {
  Toolbox box;
  box.tools.push_back(
      {"add", "Adds.", OrderedJson::parse(R"({"type": "object", "properties": {"b": {}, "a": {}}})")
      }
  );
  return box;
}

TEST(ToolPrompt, GivesTemplatesWhatTheyExpect) {
  EXPECT_EQ(
      tools_json(toolbox()).dump(),
      R"([{"type":"function","function":{"name":"add","description":"Adds.",)"
      R"("parameters":{"type":"object","properties":{"b":{},"a":{}}}}}])"
  );
}

TEST(ToolPrompt, DescribesToolsBehindTheSystemsText) {
  const OrderedJson messages = OrderedJson::parse(
      R"([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "1 + 2?"}])"
  );

  const OrderedJson result = with_tools_as_text(messages, toolbox(), find_tool_format(""));

  ASSERT_EQ(result.size(), 2U);
  const std::string system = result[0]["content"];
  EXPECT_TRUE(system.starts_with("Be kind.\n\n")) << system;
  EXPECT_THAT(system, HasSubstr(R"({"name":"add","description":"Adds.")"));
  EXPECT_THAT(system, HasSubstr("<tool_call>\n{\"name\": \"NAME\", \"arguments\": "));
  EXPECT_EQ(result[1], messages[1]);
}

TEST(ToolPrompt, WritesCallsAndResultsAsText) {
  const OrderedJson messages = OrderedJson::parse(R"([{"role": "user", "content": "1 + 2?"},
    {"role": "assistant", "content": "", "tool_calls": [
      {"type": "function", "id": "x", "function": {"name": "add", "arguments": {"b": 1, "a": [2, {"c": null}]}}},
      {"type": "function", "id": "y", "function": {"name": "add", "arguments": {}}}]},
    {"role": "tool", "tool_call_id": "x", "content": "3"},
    {"role": "tool", "tool_call_id": "y", "content": "0"}])");

  const OrderedJson result = with_tools_as_text(messages, toolbox(), find_tool_format(""));

  ASSERT_EQ(result.size(), 4U);
  EXPECT_EQ(result[2].size(), 2U) << "a role and a text";
  EXPECT_EQ(
      result[2]["content"],
      "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"b\": 1, \"a\": [2, {\"c\": null}]}}"
      "\n</tool_call>\n<tool_call>\n{\"name\": \"add\", \"arguments\": {}}\n</tool_call>"
  );
  EXPECT_EQ(result[3]["role"], "user");
  EXPECT_EQ(
      result[3]["content"],
      "<tool_response>\n3\n</tool_response>\n<tool_response>\n0\n</tool_response>"
  );

  const OrderedJson without = with_tools_as_text(messages, {}, find_tool_format(""));
  ASSERT_EQ(without.size(), 3U) << "nothing is described";
  for (size_t i = 0; i < without.size(); ++i) EXPECT_EQ(without[i], result[i + 1]);
}

}  // namespace
}  // namespace trellis
