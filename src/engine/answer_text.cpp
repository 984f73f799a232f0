#include "engine/answer_text.h"

#include <utility>

namespace trellis {

AnswerText::AnswerText(const Tokenizer& tokenizer, const Request& request)
    : detokenizer_(tokenizer, true, request.spelled_tokens), stop_matcher_(request.stop_strings) {
  detokenizer_.prime(request.prompt_ids);
  if (request.reasoning) reasoning_.emplace(*request.reasoning, tokenizer);
}

AnswerText::Part AnswerText::push(int32_t token, bool is_last) {
  std::string added = detokenizer_.push(token);
  if (reasoning_) reasoning_->take(token, added);
  return add(std::move(added), is_last);
}

std::optional<int32_t> AnswerText::due_token() const {
  return reasoning_ ? reasoning_->due_token() : std::nullopt;
}

AnswerText::Part AnswerText::add(std::string added, bool is_last) {
  if (is_last) added += detokenizer_.flush();
  StopMatcher::Output output = stop_matcher_.push(added);
  Part part{std::move(added), std::move(output.text), output.matched, std::move(output.match)};
  if (is_last && !part.stopped) part.text += stop_matcher_.flush();
  return part;
}

}  // namespace trellis
