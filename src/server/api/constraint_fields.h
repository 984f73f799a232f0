// What would constrain an answer's form: response_format, grammars and tools. They are refused by
// name, since an answer that ignores them would be worse than none.
#pragma once

#include "server/api/field.h"

namespace trellis::server {

template <typename T>
Fields<T> constraint_fields() {
  const std::string no_grammar = "this version does not constrain the form of answers";
  const std::string no_tools = "this version does not call tools";
  return {
      neutral_field<T>("response_format", {{{"type", "text"}}}, no_grammar),
      neutral_field<T>("guided_json", {}, no_grammar),
      neutral_field<T>("guided_regex", {}, no_grammar),
      neutral_field<T>("guided_choice", {}, no_grammar),
      neutral_field<T>("guided_grammar", {}, no_grammar),
      neutral_field<T>("structured_outputs", {}, no_grammar),
      neutral_field<T>("json_schema", {}, no_grammar),
      neutral_field<T>("regex_pattern", {}, no_grammar),
      neutral_field<T>("grammar_string", {}, no_grammar),
      neutral_field<T>("tools", {Json::array()}, no_tools),
      neutral_field<T>("tool_choice", {"none", "auto"}, no_tools),
      neutral_field<T>("functions", {Json::array()}, no_tools),
      neutral_field<T>("function_call", {"none", "auto"}, no_tools),
  };
}

}  // namespace trellis::server
