// What an answer must look like: part of a request. Plain data; docs/structured-output.md says what
// each kind takes.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace trellis {

enum class GrammarKind : uint8_t { kJsonSchema, kJsonObject, kRegex, kChoice, kLark };

struct Grammar {
  GrammarKind kind = GrammarKind::kJsonObject;
  std::string text;  // the JSON schema, nothing, the regular expression, a JSON list of strings, or
                     // the Lark grammar

  auto operator<=>(const Grammar&) const = default;
};

/// "json_schema", "json_object", "regex", "choice" or "lark".
const char* grammar_kind_name(GrammarKind kind);

}  // namespace trellis
