// The body of POST /v1/chat/completions.
#pragma once

#include "server/api/generation_fields.h"
#include "server/api/message_fields.h"
#include "server/api/reasoning_fields.h"
#include "server/api/request_body.h"
#include "server/api/tool_fields.h"

namespace trellis::server {

struct ChatRequest {
  GenerationFields generation;
  ChatPrompt prompt;
  Toolbox toolbox;
  ReasoningFields reasoning;
  bool logprobs = false;
  int top_logprobs = 0;
};

const Fields<ChatRequest>& chat_request_fields();

/// defaults: of the sampling.
Result<ChatRequest> read_chat_request(const RequestBody& body, const SamplingParams& defaults);

}  // namespace trellis::server
