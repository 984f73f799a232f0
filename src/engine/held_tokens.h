// The end of an answer that may have to be taken back, since it may become a banned string, and the
// tokens that began one and must not come again where they did.
#pragma once

#include "engine/answer_text.h"
#include "text/banned_string_matcher.h"
#include "trellis/engine.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace trellis {

/// Engine thread.
class HeldTokens {
 public:
  /// How often an answer may be taken back before any more of it can be shown.
  static constexpr int kMostRetries = 1000;

  /// beginning: the text of the answer before its first token. UserError where a string is not
  /// UTF-8.
  HeldTokens(std::span<const std::string> strings, AnswerText beginning);

  /// Takes the event of the next token and the text that it added. is_forced: no other token could
  /// come there. How many of the last tokens, this one included, belong to a banned string: then
  /// take_back() is to be called with as many. 0: none does.
  size_t push(Event event, const std::string& added, bool is_forced);

  /// Drops the last `count` tokens, and forbids the first of them in its place. Returns the text
  /// of the answer before it. UserError where that token was forced, and after kMostRetries.
  AnswerText take_back(size_t count);

  /// The events that wait no more: all or none.
  std::vector<Event> take_ready();
  /// All events; nothing may be taken back any more.
  std::vector<Event> take_all();

  /// How many tokens may yet be taken back.
  size_t num_held() const { return tokens_.size(); }
  /// The tokens that must not come next.
  std::span<const int32_t> forbidden() const;

 private:
  struct Held {
    Event event;
    bool is_forced;
  };

  BannedStringMatcher matcher_;
  AnswerText text_;  // before the first of tokens_
  std::vector<Held> tokens_;
  std::map<size_t, std::vector<int32_t>> forbidden_;  // by how many of tokens_ stand before
  int num_retries_ = 0;
};

}  // namespace trellis
