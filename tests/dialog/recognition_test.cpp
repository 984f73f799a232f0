// Formats and tags recognised from templates: the real ones that lie beside the template tests, and
// short ones that write calls as the others do.
#include "dialog/reasoning_tags.h"
#include "dialog/tool_format.h"
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>

namespace trellis {
namespace {

/// The source of a template that transformers' own files have.
std::string real_template(const std::string& name) {
  std::ifstream file(TRELLIS_SOURCE_DIR "/tests/text/golden/chat_templates.json");
  const OrderedJson document = OrderedJson::parse(file);
  for (const auto& one : document.at("templates")) {
    if (one.at("name") == name) return one.at("source").get<std::string>();
  }
  throw std::runtime_error("no template " + name);
}

/// As Llama 3.1 and 3.2 write calls.
constexpr const char* kLlama = R"({%- if tools %}Environment: ipython{% endif %}
{%- for message in messages %}{% if 'tool_calls' in message %}
{{- '{"name": "' + message.tool_calls[0].function.name + '", ' }}{{- '"parameters": ' }}
{{- message.tool_calls[0].function.arguments | tojson }}{{- '}' }}
{% else %}{{ message.content }}{% endif %}{% endfor %})";

constexpr const char* kMistral = R"({% for message in messages %}{% if message.tool_calls %}
{{- '[TOOL_CALLS][' }}{% for call in message.tool_calls %}{{ call.function | tojson }}{% endfor %}
{{- ']' }}{% else %}{{ message.content }}{% endif %}{% endfor %})";

constexpr const char* kMistralSpaced = R"({{ '[TOOL_CALLS] [' }}{{ messages[0].content }})";

constexpr const char* kMistralArgs = R"({% for call in messages[0].tool_calls %}
{{- '[TOOL_CALLS]' + call.function.name + '[ARGS]' + (call.function.arguments | tojson) }}
{% endfor %}{{ '[THINK]' }}{{ '[/THINK]' }})";

constexpr const char* kCoder =
    R"({{ '<tool_call>\n<function=' }}{{ messages[0].tool_calls[0].function.arguments }})";

std::string format_of(const std::string& source) {
  return find_tool_format(source).name;
}

TEST(ToolFormats, AreRecognisedFromTheTemplate) {
  EXPECT_EQ(format_of(real_template("qwen2.5")), "hermes");
  EXPECT_EQ(format_of(real_template("qwen3")), "hermes");
  EXPECT_EQ(format_of(kLlama), "llama3_json");
  EXPECT_EQ(format_of(kMistral), "mistral");
  EXPECT_EQ(format_of(kMistralSpaced), "mistral_spaced");
  EXPECT_EQ(format_of(kMistralArgs), "mistral_args");
}

TEST(ToolFormats, AreGenericWhereTheTemplateKnowsNoneOfThem) {
  EXPECT_EQ(format_of(real_template("phi-4")), "generic");
  EXPECT_EQ(format_of(kCoder), "generic");
  EXPECT_FALSE(find_tool_format(kCoder).template_knows);
}

/// A call as the format writes it.
std::string written(
    const ToolFormat& format, const std::string& name, const std::string& arguments
) {
  return format.trigger + format.begin + format.before_name + name + format.between + arguments +
         format.after_arguments + format.end;
}

// The text of a call in a prompt is what the model has learnt to write.
TEST(ToolFormats, WriteCallsAsTheirTemplatesDo) {
  const OrderedJson messages = OrderedJson::parse(R"([{"role": "assistant", "content": "",
    "tool_calls": [{"type": "function", "id": "123456789",
      "function": {"name": "f", "arguments": {"a": [1, "b"]}}}]}])");
  for (const std::string& source :
       {real_template("qwen2.5"), real_template("qwen3"), std::string(kLlama),
        std::string(kMistral), std::string(kMistralArgs)}) {
    const std::string prompt = ChatTemplate(source).render(messages, nullptr, false);
    const std::string call = written(find_tool_format(source), "f", R"({"a": [1, "b"]})");
    EXPECT_NE(prompt.find(call), std::string::npos) << call << " is not in " << prompt;
  }
}

TEST(ReasoningTags, AreRecognisedFromTheTemplate) {
  EXPECT_EQ(find_reasoning_tags(real_template("qwen3"))->open, "<think>");
  EXPECT_EQ(find_reasoning_tags(kMistralArgs)->close, "[/THINK]");
  EXPECT_FALSE(find_reasoning_tags(real_template("qwen2.5")));
}

TEST(ReasoningTags, SayWhetherThePromptEndsInReasoning) {
  const ReasoningTags tags{"<think>", "</think>"};
  EXPECT_TRUE(ends_in_reasoning("<|assistant|>\n<think>\n", tags));
  EXPECT_FALSE(ends_in_reasoning("<|assistant|>\n<think>\n\n</think>\n\n", tags));
  EXPECT_FALSE(ends_in_reasoning("<think> is a tag<|assistant|>", tags));
  EXPECT_FALSE(ends_in_reasoning(" \n", tags));
}

}  // namespace
}  // namespace trellis
