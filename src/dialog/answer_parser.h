// An answer taken apart while it comes: thoughts, text, and the calls of tools. Between the
// engine's events and what a client is sent.
#pragma once

#include "dialog/reasoning_tags.h"
#include "dialog/tool_format.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

/// What an answer may be made of.
struct AnswerShape {
  std::optional<ReasoningTags> reasoning;
  bool begins_in_reasoning = false;  // the prompt has opened the tag
  std::optional<ToolFormat> tools;   // calls are possible
};

struct AnswerPiece {
  enum class Kind : uint8_t {
    kText,
    kReasoning,
    kCall,       // a call begins; the text is the function's name
    kArguments,  // of the last call: a piece of their JSON
  };

  Kind kind = Kind::kText;
  std::string text;

  bool operator==(const AnswerPiece&) const = default;
};

/// Takes text in parts, wherever they are cut, and gives pieces that are the same in sum. Holds
/// back only what may still become a tag, and white space that one would swallow: that around tags
/// belongs to nothing. What looks like a call and turns out to be none is text.
class AnswerParser {
 public:
  explicit AnswerParser(AnswerShape shape);

  std::vector<AnswerPiece> push(std::string_view text);
  /// The end of the answer.
  std::vector<AnswerPiece> finish();

 private:
  enum class State : uint8_t {
    kStart,         // reasoning may be opened
    kThoughtStart,  // white space before the thoughts
    kThought,
    kTextStart,  // white space after the thoughts
    kFirstText,  // calls without a trigger may begin
    kText,
    kCallIntro,  // after the trigger
    kName,
    kArguments,
    kCallEnd,
    kRest,  // text, whatever it looks like
  };

  /// Does what the text that has come allows. False: more of it is needed.
  bool step();
  bool step_start();
  bool step_thought();
  bool step_first_text();
  bool step_text();
  bool step_call_intro();
  bool step_name();
  bool step_arguments();
  bool step_call_end();
  /// Goes over white space; false where nothing else has come.
  bool skip_space(State next);
  bool give_up_call();

  void emit(AnswerPiece::Kind kind, std::string_view text);
  /// Emits all before a tag, goes over it and returns it with the white space before it; or emits
  /// all that cannot belong to it.
  std::optional<std::string> emit_until(std::string_view tag, AnswerPiece::Kind kind);

  AnswerShape shape_;
  State state_;
  std::string pending_;    // not yet given out
  std::string call_text_;  // what was taken for the beginning of a call
  int depth_ = 0;          // of the arguments' JSON
  bool in_string_ = false;
  bool escaped_ = false;
  std::vector<AnswerPiece> pieces_;
};

}  // namespace trellis
