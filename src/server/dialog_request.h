// From a conversation with tools and thoughts to the engine's requests, and to the shape of the
// answers that come.
#pragma once

#include "dialog/answer_parser.h"
#include "dialog/tool.h"
#include "server/api/generation_fields.h"
#include "server/api/message_fields.h"
#include "server/api/reasoning_fields.h"

namespace trellis::server {

struct DialogRequest {
  std::vector<int32_t> prompt_ids;
  GenerationFields generation;  // the client's, with the grammar and the budget that belong to it
  AnswerShape shape;

  std::vector<Request> requests() { return requests_for(generation, std::move(prompt_ids)); }
};

/// The text that the model sees. Errors are those of the client.
Result<std::string> render_dialog(
    const Engine& engine, ChatPrompt prompt, const Toolbox& toolbox,
    const ReasoningFields& reasoning
);

/// Errors are those of the client.
Result<DialogRequest> make_dialog_request(
    const Engine& engine, const ChatPrompt& prompt, const Toolbox& toolbox,
    const ReasoningFields& reasoning, const GenerationFields& generation
);

}  // namespace trellis::server
