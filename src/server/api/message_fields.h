// The messages of a chat request, in OpenAI's shape, brought into the one that chat templates
// expect.
#pragma once

#include "base/json.h"
#include "server/api/field.h"

#include <functional>

namespace trellis::server {

/// What a chat template is given.
struct ChatPrompt {
  OrderedJson messages = OrderedJson::array();  // [{"role", "content", ...}]
  OrderedJson tools;                            // null: none
  OrderedJson template_variables = OrderedJson::object();
  bool add_generation_prompt = true;
  bool continue_final_message = false;  // the answer goes on where the last message ends
};

/// messages, chat_template_kwargs, add_generation_prompt, continue_final_message and relatives.
const Fields<ChatPrompt>& chat_prompt_fields();

inline constexpr size_t kMostMessages = 16384;

/// Reads an array of messages, neither empty nor too long, each with read(value, path).
std::optional<ApiError> read_each_message(
    const Json& value, const std::string& path,
    const std::function<std::optional<ApiError>(const Json&, const std::string&)>& read
);

/// Reads one message and appends it. `path`: of the message.
std::optional<ApiError> read_message(
    const Json& value, const std::string& path, OrderedJson& messages
);
/// JSON schema of such a message.
Json message_schema();

}  // namespace trellis::server
