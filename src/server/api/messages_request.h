// The bodies of POST /v1/messages and /v1/messages/count_tokens: Anthropic's shape.
#pragma once

#include "server/api/generation_fields.h"
#include "server/api/message_fields.h"
#include "server/api/reasoning_fields.h"
#include "server/api/request_body.h"
#include "server/api/tool_fields.h"

namespace trellis::server {

struct MessagesRequest {
  GenerationFields generation;
  ChatPrompt prompt;
  Toolbox toolbox;
  ReasoningFields reasoning;
  std::optional<std::string> system;
};

const Fields<MessagesRequest>& messages_request_fields();
/// The same, but nothing about the answer is needed.
const Fields<MessagesRequest>& count_tokens_request_fields();

/// fields: one of the two above. defaults: of the sampling. The system text is the first message by
/// then, and a last message of the assistant is one to go on with.
Result<MessagesRequest> read_messages_request(
    const RequestBody& body, const Fields<MessagesRequest>& fields, const SamplingParams& defaults
);

}  // namespace trellis::server
