#include "dialog/tool_prompt.h"

#include <string>

namespace trellis {
namespace {

std::string description(const Toolbox& toolbox, const ToolFormat& format) {
  std::string text = "You can call these functions, described as JSON, one a line:\n";
  for (const OrderedJson& tool : tools_json(toolbox)) text += tool["function"].dump() + '\n';
  text += "\nTo call one, answer in exactly this form, and with nothing after it:\n";
  text += format.trigger + format.begin + format.before_name + "NAME" + format.between +
          R"({"PARAMETER": VALUE})" + format.after_arguments + format.end;
  text += "\nIts result comes between <tool_response> and </tool_response>.";
  if (toolbox.choice.kind == ToolChoice::Kind::kRequired) text += " You must call a function now.";
  if (toolbox.choice.kind == ToolChoice::Kind::kNamed) {
    text += " You must call " + toolbox.choice.name + " now.";
  }
  return text;
}

/// JSON with the white space that calls are held to.
std::string spaced(const OrderedJson& value) {
  if (!value.is_structured()) return value.dump();
  std::string text;
  for (const auto& [key, member] : value.items()) {
    if (!text.empty()) text += ", ";
    if (value.is_object()) text += OrderedJson(key).dump() + ": ";
    text += spaced(member);
  }
  return value.is_object() ? '{' + text + '}' : '[' + text + ']';
}

/// The calls of a message, written as the model writes them.
std::string calls_text(const OrderedJson& calls, const ToolFormat& format) {
  std::string text;
  for (const OrderedJson& call : calls) {
    const OrderedJson& function = call["function"];
    text += text.empty() ? format.trigger + format.begin : format.separator;
    text += format.before_name + function["name"].get<std::string>() + format.between +
            spaced(function["arguments"]) + format.after_arguments;
  }
  return text + format.end;
}

}  // namespace

OrderedJson tools_json(const Toolbox& toolbox) {
  OrderedJson result = OrderedJson::array();
  for (const Tool& tool : toolbox.tools) {
    OrderedJson function = {{"name", tool.name}};
    if (!tool.description.empty()) function["description"] = tool.description;
    function["parameters"] = tool.parameters;
    result.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return result;
}

OrderedJson with_tools_as_text(
    const OrderedJson& messages, const Toolbox& toolbox, const ToolFormat& format
) {
  OrderedJson result = OrderedJson::array();
  size_t begin = 0;
  if (toolbox.in_use()) {
    std::string text = description(toolbox, format);
    if (!messages.empty() && messages[0]["role"] == "system") {
      text = messages[0]["content"].get<std::string>() + "\n\n" + text;
      begin = 1;
    }
    result.push_back({{"role", "system"}, {"content", text}});
  }
  bool after_result = false;  // results that follow one another are one message
  for (size_t i = begin; i < messages.size(); ++i) {
    OrderedJson message = messages[i];
    const bool is_result = message["role"] == "tool";
    if (is_result) {
      const std::string text =
          "<tool_response>\n" + message["content"].get<std::string>() + "\n</tool_response>";
      if (after_result) {
        OrderedJson& content = result.back()["content"];
        content = content.get<std::string>() + "\n" + text;
      } else {
        result.push_back({{"role", "user"}, {"content", text}});
      }
    } else {
      if (message.contains("tool_calls")) {
        std::string text = message["content"].get<std::string>();
        if (!text.empty()) text += '\n';
        message["content"] = text + calls_text(message["tool_calls"], format);
        message.erase("tool_calls");
      }
      result.push_back(std::move(message));
    }
    after_result = is_result;
  }
  return result;
}

}  // namespace trellis
