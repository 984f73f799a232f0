// What a model may call, and whether it must: plain data of a request.
#pragma once

#include "text/chat_template.h"

#include <cstdint>
#include <string>
#include <vector>

namespace trellis {

/// A function that the client offers.
struct Tool {
  std::string name;
  std::string description;
  OrderedJson parameters;  // the JSON schema of its arguments
  bool strict = false;     // a keyword of the schema that cannot be enforced is an error
};

struct ToolChoice {
  enum class Kind : uint8_t { kNone, kAuto, kRequired, kNamed };

  Kind kind = Kind::kAuto;
  std::string name;  // kNamed: the one that must be called
};

/// The tools of a request. None: nothing is called, whatever the choice says.
struct Toolbox {
  std::vector<Tool> tools;
  ToolChoice choice;
  bool parallel = true;  // one answer may hold several calls

  bool in_use() const { return !tools.empty() && choice.kind != ToolChoice::Kind::kNone; }
  bool must_call() const { return choice.kind >= ToolChoice::Kind::kRequired; }
};

}  // namespace trellis
