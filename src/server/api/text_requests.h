// The bodies of /tokenize, /detokenize and /apply-template.
#pragma once

#include "server/api/generation_fields.h"
#include "server/api/message_fields.h"
#include "server/api/reasoning_fields.h"
#include "server/api/tool_fields.h"

namespace trellis::server {

/// A conversation, as in a chat.
struct TemplateInput {
  ChatPrompt prompt;
  Toolbox toolbox;
  ReasoningFields reasoning;
};

/// A text, or a conversation.
struct TokenizeRequest {
  std::optional<std::string> prompt;
  TemplateInput chat;  // no messages: the prompt counts
  bool add_special_tokens = true;
  bool return_token_strs = false;
};

struct DetokenizeRequest {
  std::vector<int32_t> tokens;
  bool skip_special_tokens = false;
};

struct ApplyTemplateRequest {
  TemplateInput chat;
};

const Fields<TokenizeRequest>& tokenize_request_fields();
const Fields<DetokenizeRequest>& detokenize_request_fields();
const Fields<ApplyTemplateRequest>& apply_template_request_fields();

}  // namespace trellis::server
