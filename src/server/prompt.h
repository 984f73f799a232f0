// From what a client sends to the tokens that a model reads.
#pragma once

#include "base/result.h"
#include "server/api/message_fields.h"
#include "server/api/text_inputs.h"
#include "trellis/engine.h"

#include <cstdint>
#include <string>
#include <vector>

namespace trellis::server {

/// The text of a conversation, by the model's chat template. Errors are those of the client: the
/// template refuses the messages, or the model has none.
Result<std::string> render_prompt(const Engine& engine, const ChatPrompt& prompt);
/// The tokens of such a text.
Result<std::vector<int32_t>> prompt_ids(const Engine& engine, const std::string& text);

/// The tokens of a text that may have been sent as tokens. field: by which the client knows it.
Result<std::vector<int32_t>> input_ids(
    const Engine& engine, const TextOrIds& input, bool add_special_tokens, const std::string& field
);

}  // namespace trellis::server
