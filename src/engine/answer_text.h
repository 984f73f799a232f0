// The text of an answer as its tokens come, and what its reasoning is limited to. A copy goes on
// from where it was made.
#pragma once

#include "engine/reasoning_limit.h"
#include "text/detokenizer.h"
#include "text/stop_matcher.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace trellis {

/// One thread at a time; the tokenizer must outlive it.
class AnswerText {
 public:
  /// Of what the request says about text.
  AnswerText(const Tokenizer& tokenizer, const Request& request);

  struct Part {
    std::string added;        // by the token, to the whole text
    std::string text;         // what may be shown since the last part
    bool stopped = false;     // a stop string came behind it; nothing follows
    std::string stop_string;  // which one
  };

  /// Takes the next token. is_last: no other one follows, so that nothing is held back.
  Part push(int32_t token, bool is_last);
  /// The token that must come next to end the reasoning, if one must.
  std::optional<int32_t> due_token() const;
  /// The end, where no token comes that is text.
  Part end() { return add("", true); }

 private:
  Part add(std::string added, bool is_last);

  Detokenizer detokenizer_;
  StopMatcher stop_matcher_;
  std::optional<ReasoningLimit> reasoning_;  // none: without a budget
};

}  // namespace trellis
