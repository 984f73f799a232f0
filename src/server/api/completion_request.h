// The body of POST /v1/completions.
#pragma once

#include "server/api/generation_fields.h"
#include "server/api/request_body.h"

#include <variant>

namespace trellis::server {

/// A text, or the ids of its tokens.
using TextOrIds = std::variant<std::string, std::vector<int32_t>>;

struct CompletionRequest {
  GenerationFields generation;
  std::vector<TextOrIds> prompts;
  bool echo = false;
  bool add_special_tokens = true;  // what the tokenizer puts before a text, such as a first token
};

const Fields<CompletionRequest>& completion_request_fields();

/// defaults: of the sampling.
Result<CompletionRequest> read_completion_request(
    const RequestBody& body, const SamplingParams& defaults
);

}  // namespace trellis::server
