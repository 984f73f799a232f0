#include "dialog/answer_grammar.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

namespace trellis {
namespace {

/// As many as a message may have where it comes back.
constexpr int kMostCalls = 128;

constexpr const char* kTerminals = R"(
FREE: /(.|\n)*/
SPACE: /[ \t\r\n]{1,8}/
)";

std::string literal(std::string_view text) {
  return Json(text).dump();
}

/// A pattern that matches this text alone.
std::string escaped(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (std::string_view(R"(\.+*?()|[]{}^$/)").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

/// A pattern between the slashes that Lark wants.
std::string slashed(std::string_view pattern) {
  std::string result = "/";
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '/') result += '\\';
    if (pattern[i] == '\n') {
      result += "\\n";
      continue;
    }
    result += pattern[i];
    if (pattern[i] == '\\' && i + 1 < pattern.size()) result += pattern[++i];
  }
  return result + '/';
}

/// JSON of the schema (an object, as text) in the one form of white space that a model cannot go on
/// with. lenient: keywords that cannot be enforced are left out.
std::string json_of(std::string_view schema, bool lenient) {
  constexpr std::string_view kSpace = " \t\r\n";
  if (schema.find("\"x-guidance\"") != std::string_view::npos)
    return fmt::format("%json {}", schema);
  const size_t begin = schema.find_first_not_of(kSpace);
  if (begin == std::string_view::npos || schema[begin] != '{')
    return fmt::format("%json {}", schema);
  const size_t inside = begin + 1;
  const bool is_empty =
      schema.substr(std::min(schema.find_first_not_of(kSpace, inside), schema.size()))
          .starts_with('}');
  return fmt::format(
      R"(%json {{"x-guidance": {{"item_separator": ", ", "key_separator": ": ", )"
      R"("whitespace_flexible": false, "lenient": {}}}{}{})",
      lenient, is_empty ? "" : ", ", schema.substr(inside)
  );
}

/// Arguments that the schema does not name come only where it says so.
OrderedJson closed(OrderedJson schema) {
  if (!schema.contains("type")) schema["type"] = "object";
  for (const char* opener :
       {"additionalProperties", "patternProperties", "unevaluatedProperties", "allOf", "anyOf",
        "oneOf", "$ref"}) {
    if (schema.contains(opener)) return schema;
  }
  if (schema.contains("properties")) schema["additionalProperties"] = false;
  return schema;
}

class Writer {
 public:
  explicit Writer(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void rule(std::string_view name, std::string_view body) {
    rules_ += fmt::format("{}: {}\n", name, body);
  }

  std::string tag(std::string_view text) const {
    const std::optional<int32_t> id = tokenizer_.token_to_id(text);
    return id ? fmt::format("<[{}]>", *id) : literal(text);
  }

  /// Fixed text, with the tags in it as tokens.
  std::string fixed(std::string_view text, const std::vector<std::string>& tags) const {
    std::string result;
    while (!text.empty()) {
      size_t begin = text.size();
      std::string_view found;
      for (const std::string& tag : tags) {
        const size_t at = text.find(tag);
        if (at < begin) {
          begin = at;
          found = tag;
        }
      }
      if (begin > 0) result += literal(text.substr(0, begin)) + ' ';
      if (!found.empty()) result += tag(found) + ' ';
      text.remove_prefix(begin + found.size());
    }
    return result;
  }

  /// Adds a rule for text up to the first such tag, which it takes too. A tag that is a token may
  /// still come spelled in others.
  void until(const std::string& name, const std::string& tag_text) {
    rules_ += fmt::format("{}_text[lazy]: {}\n", name, slashed("(.|\n)*" + escaped(tag_text)));
    std::string body = name + "_text";
    if (tokenizer_.token_to_id(tag_text)) body += " | FREE " + tag(tag_text);
    rule(name, body);
  }

  /// Adds the rule "answer": text that a grammar of another kind describes.
  void answer(const Grammar& grammar) {
    switch (grammar.kind) {
      case GrammarKind::kJsonObject:
        return rule("answer", json_of(R"({"type": "object"})", false));
      case GrammarKind::kJsonSchema:
        return rule("answer", json_of(grammar.text, false));
      case GrammarKind::kRegex:
        return rule("answer", slashed(grammar.text));
      case GrammarKind::kLark:
        return rule("answer", "%lark {\n" + grammar.text + "\n}");
      case GrammarKind::kChoice:
        break;
    }
    std::string choices;
    for (const Json& choice : Json::parse(grammar.text)) {
      choices += (choices.empty() ? "" : " | ") + choice.dump();
    }
    rule("answer", choices);
  }

  /// Adds the rule "calls": what stands behind the trigger.
  void calls(const ToolFormat& format, const Toolbox& toolbox) {
    std::string bodies;
    for (size_t i = 0; i < toolbox.tools.size(); ++i) {
      const Tool& tool = toolbox.tools[i];
      if (toolbox.choice.kind == ToolChoice::Kind::kNamed && tool.name != toolbox.choice.name) {
        continue;
      }
      const std::string arguments = fmt::format("arguments_{}", i);
      rule(arguments, json_of(closed(tool.parameters).dump(), !tool.strict));
      bodies += bodies.empty() ? "" : " | ";
      bodies += literal(tool.name) + ' ' + fixed(format.between, format.tags) + arguments;
    }
    rule(
        "call", fixed(format.before_name, format.tags) + '(' + bodies + ") " +
                    fixed(format.after_arguments, format.tags)
    );
    std::string more;
    if (toolbox.parallel) {
      more = fmt::format("({}call){{0,{}}} ", fixed(format.separator, format.tags), kMostCalls - 1);
    }
    rule(
        "calls", fixed(format.begin, format.tags) + "call " + more + fixed(format.end, format.tags)
    );
  }

  std::string lark() && { return std::move(rules_) + kTerminals; }

 private:
  const Tokenizer& tokenizer_;
  std::string rules_;
};

/// Adds the rule "body": what follows the thoughts. True if it may be any text.
bool write_body(
    Writer& writer, const AnswerShape& shape, const Toolbox& toolbox,
    const std::optional<Grammar>& text
) {
  if (text) writer.answer(*text);
  if (!toolbox.in_use()) {
    writer.rule("body", "answer");
    return false;
  }
  const ToolFormat& format = *shape.tools;
  writer.calls(format, toolbox);
  const std::string calls = writer.fixed(format.trigger, format.tags) + "calls";
  if (toolbox.must_call()) {
    writer.rule("body", calls);
    return false;
  }
  if (text) {
    writer.rule("body", calls + " | answer");
    return false;
  }
  if (format.trigger.empty()) {
    const std::string opening = "[ \t\r\n]*" + escaped(format.before_name) + "(.|\n)*";
    writer.rule("NO_CALL", "/(.|\\n)*/ & ~" + slashed(opening));
    writer.rule("body", calls + " | NO_CALL");
    return true;
  }
  writer.until("opening", format.trigger);
  writer.rule("body", "opening calls | FREE");
  return true;
}

}  // namespace

std::optional<Grammar> answer_grammar(
    const AnswerShape& shape, const Toolbox& toolbox, const std::optional<Grammar>& text,
    const Tokenizer& tokenizer
) {
  const bool demands = toolbox.in_use() || (text && shape.reasoning);
  if (!demands) return text;
  Writer writer(tokenizer);
  const bool is_free = write_body(writer, shape, toolbox, text);
  std::string start = is_free ? "body" : "SPACE? body";
  if (!shape.reasoning) {
    start = "body";
  } else {
    writer.until("thoughts", shape.reasoning->close);
    if (shape.begins_in_reasoning) {
      start = "thoughts " + start + (is_free ? " | FREE" : "");
    } else {
      start = writer.tag(shape.reasoning->open) + " thoughts " + start + " | body";
    }
  }
  writer.rule("start", start);
  return Grammar{GrammarKind::kLark, std::move(writer).lark()};
}

std::vector<int32_t> tag_tokens(const AnswerShape& shape, const Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  const auto add = [&](const std::string& tag) {
    if (const auto id = tokenizer.token_to_id(tag)) ids.push_back(*id);
  };
  if (shape.reasoning) {
    add(shape.reasoning->open);
    add(shape.reasoning->close);
  }
  if (shape.tools) {
    for (const std::string& tag : shape.tools->tags) add(tag);
  }
  return ids;
}

}  // namespace trellis
