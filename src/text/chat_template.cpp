#include "text/chat_template.h"

#include "base/error.h"
#include "text/rust_results.h"

namespace trellis {
namespace {

// The names under which clients send a message's reasoning, the standard one first.
constexpr const char* kReasoningKeys[] = {"reasoning_content", "thinking", "reasoning"};

// As transformers does: templates read either of the first two names, whichever one was sent.
OrderedJson with_reasoning_names(const OrderedJson& message) {
  if (!message.is_object()) return message;
  for (const char* key : kReasoningKeys) {
    const auto it = message.find(key);
    if (it == message.end() || it->is_null()) continue;
    OrderedJson named = OrderedJson::object();
    named["thinking"] = *it;
    for (const auto& [name, value] : message.items()) named[name] = value;
    named["reasoning_content"] = *it;
    return named;
  }
  return message;
}

std::tm local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm result{};
  localtime_r(&now, &result);
  return result;
}

}  // namespace

ChatTemplate::ChatTemplate(
    std::string source, OrderedJson special_tokens, std::optional<std::tm> fixed_time
)
    : source_(std::move(source)),
      special_tokens_(std::move(special_tokens)),
      fixed_time_(fixed_time) {
  RustBytes error;
  if (trellis_text_template_new(rust_data(source_), source_.size(), &handle_, error.out()) !=
      kTrellisTextOk) {
    throw UserError("the chat template cannot be used: {}", error.to_string());
  }
}

ChatTemplate::~ChatTemplate() {
  trellis_text_template_free(handle_);
}

std::string ChatTemplate::render(
    const OrderedJson& messages, const OrderedJson& tools, bool add_generation_prompt,
    const OrderedJson& extra_variables
) const {
  if (!messages.is_array()) {
    throw UserError("messages must be an array, found {}", messages.type_name());
  }
  if (!extra_variables.is_object()) {
    throw UserError("template variables must be an object, found {}", extra_variables.type_name());
  }
  OrderedJson variables = OrderedJson::object();
  for (const auto& [name, value] : special_tokens_.items()) {
    if (!value.is_null()) variables[name] = value;
  }
  variables["documents"] = nullptr;
  for (const auto& [name, value] : extra_variables.items()) variables[name] = value;
  OrderedJson chat = OrderedJson::array();
  for (const auto& message : messages) chat.push_back(with_reasoning_names(message));
  variables["messages"] = std::move(chat);
  variables["tools"] = tools;
  variables["add_generation_prompt"] = add_generation_prompt;

  std::string json;
  try {
    json = variables.dump();
  } catch (const OrderedJson::exception& error) {
    throw UserError("the messages cannot be rendered: {}", error.what());
  }
  const std::tm now = fixed_time_ ? *fixed_time_ : local_time();
  RustBytes text;
  RustBytes error;
  const int status = trellis_text_template_render(
      handle_, rust_data(json), json.size(), &now, text.out(), error.out()
  );
  if (status == kTrellisTextRaised) throw UserError(error.to_string());
  if (status != kTrellisTextOk) {
    throw UserError("the chat template fails: {}", error.to_string());
  }
  return text.to_string();
}

}  // namespace trellis
