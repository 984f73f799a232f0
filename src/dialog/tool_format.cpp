#include "dialog/tool_format.h"

namespace trellis {
namespace {

struct Entry {
  ToolFormat format;
  std::vector<std::string> marks;    // the template has all of these
  std::vector<std::string> foreign;  // and none of these, which belong to formats that look alike
};

/// JSON between tags, as Hermes and Qwen write it, one pair of tags a call.
ToolFormat tagged_json(const char* name, bool template_knows) {
  return {
      .name = name,
      .trigger = "<tool_call>",
      .begin = "\n",
      .before_name = R"({"name": ")",
      .between = R"(", "arguments": )",
      .after_arguments = "}",
      .separator = "\n</tool_call>\n<tool_call>\n",
      .end = "\n</tool_call>",
      .tags = {"<tool_call>", "</tool_call>"},
      .template_knows = template_knows,
      .short_ids = false,
  };
}

/// Bare JSON, as Llama 3.1 and later write it.
ToolFormat llama3_json() {
  return {
      .name = "llama3_json",
      .trigger = "",
      .begin = "",
      .before_name = R"({"name": ")",
      .between = R"(", "parameters": )",
      .after_arguments = "}",
      .separator = "; ",
      .end = "",
      .tags = {},
      .template_knows = true,
      .short_ids = false,
  };
}

/// A list behind a tag, as Mistral's models up to 2025 write it; some with a space between.
ToolFormat mistral_list(const char* name, const char* begin) {
  return {
      .name = name,
      .trigger = "[TOOL_CALLS]",
      .begin = begin,
      .before_name = R"({"name": ")",
      .between = R"(", "arguments": )",
      .after_arguments = "}",
      .separator = ", ",
      .end = "]",
      .tags = {"[TOOL_CALLS]"},
      .template_knows = true,
      .short_ids = true,
  };
}

/// A tag before the name and one before the arguments, as Mistral's later models write it.
ToolFormat mistral_args() {
  return {
      .name = "mistral_args",
      .trigger = "[TOOL_CALLS]",
      .begin = "",
      .before_name = "",
      .between = "[ARGS]",
      .after_arguments = "",
      .separator = "[TOOL_CALLS]",
      .end = "",
      .tags = {"[TOOL_CALLS]", "[ARGS]"},
      .template_knows = true,
      .short_ids = true,
  };
}

/// The first that fits is taken; the last one always does.
const std::vector<Entry>& entries() {
  static const std::vector<Entry> table = {
      {mistral_args(), {"[TOOL_CALLS]", "[ARGS]"}, {}},
      {mistral_list("mistral_spaced", " ["), {"[TOOL_CALLS] ["}, {}},
      {mistral_list("mistral", "["), {"[TOOL_CALLS]"}, {}},
      {tagged_json("hermes", true), {"<tool_call>", "arguments"}, {"<function=", "<arg_key>"}},
      {llama3_json(), {R"("parameters": )", "ipython", "tool_calls"}, {}},
      {tagged_json("generic", false), {}, {}},
  };
  return table;
}

bool has_all(std::string_view text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    if (text.find(part) == std::string_view::npos) return false;
  }
  return true;
}

bool has_any(std::string_view text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    if (text.find(part) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

const ToolFormat& find_tool_format(std::string_view template_source) {
  for (const Entry& entry : entries()) {
    if (has_all(template_source, entry.marks) && !has_any(template_source, entry.foreign)) {
      return entry.format;
    }
  }
  return entries().back().format;
}

const std::vector<ToolFormat>& tool_formats() {
  static const std::vector<ToolFormat> formats = [] {
    std::vector<ToolFormat> result;
    for (const Entry& entry : entries()) result.push_back(entry.format);
    return result;
  }();
  return formats;
}

}  // namespace trellis
