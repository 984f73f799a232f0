#include "engine/answer_text.h"

#include <utility>

namespace trellis {

AnswerText::AnswerText(
    const Tokenizer& tokenizer, std::vector<std::string> stop_strings,
    std::span<const int32_t> prompt
)
    : detokenizer_(tokenizer), stop_matcher_(std::move(stop_strings)) {
  detokenizer_.prime(prompt);
}

AnswerText::Part AnswerText::push(int32_t token, bool is_last) {
  return add(detokenizer_.push(token), is_last);
}

AnswerText::Part AnswerText::add(std::string added, bool is_last) {
  if (is_last) added += detokenizer_.flush();
  StopMatcher::Output output = stop_matcher_.push(added);
  Part part{std::move(added), std::move(output.text), output.matched, std::move(output.match)};
  if (is_last && !part.stopped) part.text += stop_matcher_.flush();
  return part;
}

}  // namespace trellis
