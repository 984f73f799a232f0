// The body of POST /v1/completions.
#pragma once

#include "server/api/generation_fields.h"
#include "server/api/request_body.h"
#include "server/api/text_inputs.h"

namespace trellis::server {

struct CompletionRequest {
  GenerationFields generation;
  std::vector<TextOrIds> prompts;
  bool echo = false;
  bool lists_prompt_logprobs = false;  // apart, not in those of an echo
  bool add_special_tokens = true;  // what the tokenizer puts before a text, such as a first token
};

const Fields<CompletionRequest>& completion_request_fields();

/// defaults: of the sampling.
Result<CompletionRequest> read_completion_request(
    const RequestBody& body, const SamplingParams& defaults
);

}  // namespace trellis::server
