// Ends the thoughts of an answer when their budget is spent: then the tokens of the closing tag
// come, whatever the model would choose.
#pragma once

#include "text/tokenizer.h"
#include "trellis/engine.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace trellis {

/// Follows the text of one generation. One thread at a time.
class ReasoningLimit {
 public:
  ReasoningLimit(ReasoningBudget budget, const Tokenizer& tokenizer);

  /// Takes one more token and the text that it added.
  void take(int32_t token, std::string_view text);

  /// The token that must come next, if one must.
  std::optional<int32_t> due_token() const;

 private:
  enum class State : uint8_t { kBefore, kInside, kClosing, kOver };

  void take_before(std::string_view text);
  void take_inside(std::string_view text);

  ReasoningBudget budget_;
  std::deque<int32_t> closing_;  // tokens of the closing tag that are still to come
  State state_ = State::kBefore;
  std::string text_;  // kBefore: all of it; kInside: the end that may begin the closing tag
  int64_t num_tokens_ = 0;
};

}  // namespace trellis
