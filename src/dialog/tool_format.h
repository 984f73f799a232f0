// How a model writes the calls of an answer: fixed text around a function's name and its arguments,
// which are a JSON object. Recognised from the chat template.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace trellis {

/// Calls are: trigger, begin, call, (separator, call)..., end. A call is: before_name, the name,
/// between, the arguments, after_arguments. Nothing follows them in an answer.
struct ToolFormat {
  std::string name;
  std::string trigger;  // after it, text is calls; empty: where an answer begins as a call does, it
                        // is calls
  std::string begin;
  std::string before_name;
  std::string between;
  std::string after_arguments;
  std::string separator;
  std::string end;
  std::vector<std::string> tags;  // parts of the above that may be tokens of their own
  bool template_knows = true;     // the template takes tools; else the prompt must describe them
  bool short_ids = false;  // the template wants the ids of calls to have 9 letters and digits
};

/// The format whose marks the template's text has, else the generic one, which the prompt describes
/// to the model.
const ToolFormat& find_tool_format(std::string_view template_source);

/// "hermes", "llama3_json", "mistral", "mistral_spaced", "mistral_args" and "generic".
const std::vector<ToolFormat>& tool_formats();

}  // namespace trellis
