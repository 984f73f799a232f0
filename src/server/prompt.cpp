#include "server/prompt.h"

#include "server/api/value.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace trellis::server {
namespace {

/// Stands behind the message that the answer is to continue, so that what the template adds after
/// it can be cut off. No template and no message has reason to hold it.
constexpr const char* kEndMark = "\x1A[end of the message that goes on]\x1A";

}  // namespace

Result<std::string> render_prompt(const Engine& engine, const ChatPrompt& prompt) {
  const ChatTemplate* const chat_template = engine.chat_template();
  if (chat_template == nullptr) {
    return ApiError{
        400, "no_chat_template",
        "the model has no chat template; send the whole prompt to /v1/completions", "messages"
    };
  }
  OrderedJson messages = prompt.messages;
  if (prompt.continue_final_message) {
    OrderedJson& last = messages.back();
    if (last["role"] != "assistant") {
      return invalid_value(
          "continue_final_message", "continue_final_message needs a last message of the assistant"
      );
    }
    last["content"] = last["content"].get<std::string>() + kEndMark;
  }
  const bool asks = prompt.add_generation_prompt && !prompt.continue_final_message;
  try {
    std::string text =
        chat_template->render(messages, prompt.tools, asks, prompt.template_variables);
    if (!prompt.continue_final_message) return text;
    const size_t end = text.rfind(kEndMark);
    if (end == std::string::npos) {
      return invalid_value(
          "continue_final_message",
          "continue_final_message is not possible: the chat template changes the last message"
      );
    }
    text.resize(end);
    return text;
  } catch (const UserError& error) {
    return ApiError{
        400, "chat_template_error", fmt::format("the chat template failed: {}", error.what()),
        "messages"
    };
  }
}

Result<std::vector<int32_t>> prompt_ids(const Engine& engine, const std::string& text) {
  try {
    return engine.tokenizer().encode(text, false);
  } catch (const UserError& error) {
    return invalid_value("messages", error.what());
  }
}

Result<std::vector<int32_t>> input_ids(
    const Engine& engine, const TextOrIds& input, bool add_special_tokens, const std::string& field
) {
  if (const auto* ids = std::get_if<std::vector<int32_t>>(&input)) return *ids;
  try {
    return engine.tokenizer().encode(std::get<std::string>(input), add_special_tokens);
  } catch (const UserError& error) {
    return invalid_value(field, error.what());
  }
}

}  // namespace trellis::server
