// What a client may say of a model's thoughts: whether, how much and how long it thinks, by the
// names that clients send.
#pragma once

#include "server/api/message_fields.h"

namespace trellis::server {

struct ReasoningFields {
  std::optional<int64_t> max_tokens;                       // the budget of the thoughts
  OrderedJson template_variables = OrderedJson::object();  // reasoning_effort, enable_thinking
};

/// reasoning_budget and its other names, reasoning_effort, enable_thinking, reasoning, thinking.
const Fields<ReasoningFields>& reasoning_fields();

/// Puts the variables into the prompt's, where chat_template_kwargs has not set them.
void apply(const ReasoningFields& fields, ChatPrompt& prompt);

}  // namespace trellis::server
