// The body of POST /v1/responses.
#pragma once

#include "server/api/generation_fields.h"
#include "server/api/message_fields.h"
#include "server/api/reasoning_fields.h"
#include "server/api/request_body.h"
#include "server/api/tool_fields.h"

namespace trellis::server {

struct ResponsesRequest {
  GenerationFields generation;
  ChatPrompt prompt;
  Toolbox toolbox;
  ReasoningFields reasoning;
  std::optional<std::string> instructions;
};

const Fields<ResponsesRequest>& responses_request_fields();

/// defaults: of the sampling. The instructions are the first message by then.
Result<ResponsesRequest> read_responses_request(
    const RequestBody& body, const SamplingParams& defaults
);

}  // namespace trellis::server
